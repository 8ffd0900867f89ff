"""What a submission must say about itself: who wrote it, under which licence, and where the idea is from."""

from __future__ import annotations

import re

from lnbench.errors import SubmissionError
from lnbench.poison.reading import Details

_PAPERS = (
    re.compile(r"https://[A-Za-z0-9.-]+(/[A-Za-z0-9._~/%#?=&+:;,()-]*)?"),
    re.compile(r"(doi:|DOI:)?\s*10\.\d{4,9}/\S+"),
    re.compile(r"arXiv:\s*(\d{4}\.\d{4,5}|[a-z.-]+/\d{7})(v\d+)?", re.IGNORECASE),
    re.compile(r"(?!http).*\b(1[89]|20)\d{2}\b.*"),
)
_LONGEST = {"author": 100, "paper": 300, "license": 60}
"""Characters; longer ones arrive cut."""


def check_metadata(details: Details, file: str) -> None:
    """Check what a submission says about itself.

    Args:
        details: as the sandboxed file gave them.
        file: its name, for the verdict.

    Raises:
        SubmissionError: naming the first field that is missing or is not what it should be.
    """
    for name, most in _LONGEST.items():
        if len(getattr(details, name)) >= most and getattr(details, name).endswith("…"):
            raise SubmissionError(f"{file}: expected at most {most} characters of {name}, got more; shorten it.")
    if not re.search(r"\w", details.author):
        raise SubmissionError(
            f'{file}: expected an author, got none; write `author = "Your Name"` in the class, or a line `Author: Your '
            "Name` in its docstring."
        )
    if not details.license:
        raise SubmissionError(
            f'{file}: expected a licence, got none; write `license = "Apache-2.0"`, or another SPDX expression, in the '
            "class."
        )
    if fault := _license_fault(details.license):
        raise SubmissionError(
            f"{file}: expected the licence as an SPDX expression such as Apache-2.0 or MIT, got {details.license!r} "
            f"({fault}); the list is at https://spdx.org/licenses."
        )
    if details.paper and not any(kind.fullmatch(details.paper) for kind in _PAPERS):
        raise SubmissionError(
            f"{file}: expected the paper as an https address, a DOI (10.…/…), an arXiv number (arXiv:2101.00001) or a "
            f"citation with its year, got {details.paper!r}; leave it empty if there is none."
        )


def _license_fault(text: str) -> str:
    """Why a text is not an SPDX licence expression; empty if it is one."""
    from packaging import licenses

    try:
        licenses.canonicalize_license_expression(text)
    except licenses.InvalidLicenseExpression as error:
        return " ".join(str(error).split())
    return "a custom licence says nothing to others" if "licenseref-" in text.lower() else ""
