"""The documentation's build: `make docs`. Pages are MyST Markdown; their figures come from `facts.py`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

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


_SECTION = re.compile(r"(Args|Attributes|Returns|Raises|Yields):")
"""The head of a section in Google's style, whose indented lines are no code."""


_PLAIN = re.compile(r"([*|]|(?<=\w)_(?!\w))")
"""Characters that reStructuredText would take for mark-up."""


def repointed(text: str) -> str:
    """A page's links to the repository's files, `](../X)`, as links that hold on the site."""
    for page in PAGES:
        text = re.sub(rf"\[([^\]]+)\]\(\.\./{re.escape(page)}\)", rf'<a href="../{page}">\1</a>', text)
    text = text.replace("](../", f"]({FILES}")
    return re.sub(r"\]\((start\.ipynb|hf-jobs)\)", rf"]({FILES}docs/\1)", text)


def marked_up(lines: list[str]) -> list[str]:
    """A docstring's lines for Sphinx: `code` and indented code as such, and nothing else as mark-up.

    >>> marked_up(["Points, (n, *shape): `x|y`.", "", "    f(x)"])
    ['Points, (n, \\\\*shape): ``x|y``.', '', '::', '', '    f(x)']
    """
    made, section, literal = list[str](), False, False
    for number, line in enumerate(lines):
        indented = line.startswith("    ")
        if line.strip() and not indented:
            literal, section = False, bool(_SECTION.fullmatch(line.strip()))
        elif indented and not section and not literal and not (number and lines[number - 1].strip()):
            literal = True
            made += ["::", ""]
        made.append(line if literal else _escaped(line))
    return made


def _escaped(line: str) -> str:
    parts = re.split(r"(`[^`]+`)", line)
    return "".join(f"`{part}`" if part.startswith("`") else _PLAIN.sub(r"\\\1", part) for part in parts)


def setup(app: Any) -> None:
    """Connect the two translations."""
    app.connect("source-read", lambda app, name, source: source.__setitem__(0, repointed(source[0])))
    app.connect(
        "autodoc-process-docstring",
        lambda app, what, name, thing, options, lines: lines.__setitem__(slice(None), marked_up(lines)),
        priority=100,
    )
