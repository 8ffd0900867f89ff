"""Names that look alike: whether the name of a row or an author can be taken for another.

A small map of our own after the idea of Unicode's confusables (UTS #39), made for short names: it takes more pairs for
alike than a careful reader would, so its answer is a warning and not a verdict.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_LETTERS = {
    "ΑαАаɑ": "a", "ΒВвβьЬ": "b", "СсϲϹ": "c", "ԁ": "d", "ΕЕеε": "e", "ցɡ": "g", "ΗНнһҺ": "h", "ΙІіιӀӏ": "i", "Јј": "j",
    "ΚКкκ": "k", "ΜМм": "m", "Νηո": "n", "ΟОоοσօ": "o", "ΡРрρ": "p", "Ԛԛզ": "q", "Гг": "r", "Ѕѕ": "s", "ΤТтτ": "t",
    "υս": "u", "νѵ": "v", "Ԝԝω": "w", "ΧХхχ": "x", "ΥУуγү": "y", "Ζ": "z",
}  # fmt: skip
_ALIKE = str.maketrans({shown: letter for group, letter in _LETTERS.items() for shown in group})
_MORE = str.maketrans({"0": "o", "1": "l", "i": "l", "|": "l", "!": "l", "5": "s"})
_PAIRS = (("rn", "m"), ("vv", "w"))
_SCRIPTS = {"LATIN", "GREEK", "CYRILLIC", "ARMENIAN"}


def skeleton(name: str) -> str:
    """What is left of a name at a glance: names with the same skeleton look alike.

    Case, accents, separators and unseen characters go; look-alikes of other scripts, and of digits and letters, become
    one letter.

    >>> skeleton("Random_Fl1p"), skeleton("r\u0430ndom-flip")
    ('randomfllp', 'randomfllp')
    """
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).translate(_ALIKE))
    letters = "".join(c for c in plain.casefold() if unicodedata.category(c)[0] not in "MCZ" and c not in "_-.,'’")
    letters = letters.translate(_ALIKE).translate(_MORE)
    for pair, letter in _PAIRS:
        letters = letters.replace(pair, letter)
    return letters


def imitated(name: str, others: Iterable[str]) -> str | None:
    """The first of some other names that a name looks like without being it, or None."""
    own = skeleton(name)
    return next((other for other in others if other != name and skeleton(other) == own), None)


def mixes_scripts(name: str) -> bool:
    """Whether letters of alphabets that look alike stand in one word."""
    return any(
        len(_SCRIPTS & {unicodedata.name(c, "").partition(" ")[0] for c in word}) > 1
        for word in re.findall(r"\w+", name)
    )
