"""Templates in which what nobody marked as safe is escaped: pages as HTML, READMEs and cards as markdown."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from lnbench import text


def html(package: str) -> Environment:
    """The templates in a package's folder `templates`, for HTML: every value is escaped but `markupsafe.Markup`."""
    return _environment(package, autoescape=True)


def markdown(package: str) -> Environment:
    """The same for markdown: every value is escaped, as a cell of a table is, but `lnbench.text.Markdown`, which the
    filters give."""
    made = _environment(package, autoescape=False, finalize=text.markdown)
    for show in (text.cell, text.code, text.interval, text.points, text.probability, text.ranks, text.share):
        made.filters[show.__name__] = show
    return made


def _environment(package: str, **escaping: Any) -> Environment:
    """Strict about names that nobody gave, and without the lines that hold nothing but a tag."""
    return Environment(
        loader=PackageLoader(package),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **escaping,
    )
