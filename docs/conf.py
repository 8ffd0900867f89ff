"""The documentation's build: `make docs`. Pages are MyST Markdown; their figures come from `facts.py`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

import docstrings  # noqa: E402
import facts  # noqa: E402

import lnbench  # noqa: E402

project = "lnbench"
author = "The lnbench developers"
copyright = author
version = release = lnbench.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
myst_enable_extensions = ["substitution", "attrs_inline", "deflist"]
myst_substitutions = facts.facts()
myst_heading_anchors = 3
suppress_warnings = ["config.cache"]  # some of the substitutions are functions
exclude_patterns = ["_build", "hf-jobs"]
html_theme = "furo"
html_title = f"lnbench {release}"
html_theme_options = {
    "source_repository": "https://github.com/lnbench/lnbench/",
    "source_branch": "main",
    "source_directory": "docs/",
}
html_show_copyright = False
default_role = "code"
autodoc_class_signature = "separated"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

FILES = "https://github.com/lnbench/lnbench/blob/main/"
"""Where readers of the site see files of the repository."""
PAGES = ("leaderboard/index.html",)
"""Files that are published beside the documentation, in the folder above it."""


def repointed(text: str) -> str:
    """A page's links to the repository's files, `](../X)`, as links that hold on the site."""
    for page in PAGES:
        text = re.sub(rf"\[([^\]]+)\]\(\.\./{re.escape(page)}\)", rf'<a href="../{page}">\1</a>', text)
    text = text.replace("](../", f"]({FILES}")
    return re.sub(r"\]\((start\.ipynb|hf-jobs)\)", rf"]({FILES}docs/\1)", text)


def setup(app: Any) -> None:
    """Connect the two translations."""
    app.connect("source-read", lambda app, name, source: source.__setitem__(0, repointed(source[0])))
    app.connect(
        "autodoc-process-docstring",
        lambda app, what, name, thing, options, lines: lines.__setitem__(slice(None), docstrings.marked_up(lines)),
        priority=100,
    )
