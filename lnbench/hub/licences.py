"""What may be said and done with the images of each data source, and the names of its classes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Licence:
    """The terms of a data source's images.

    Attributes:
        id: the Hub's identifier; `unknown` where no licence is stated.
        images: whether it allows passing the images on.
        credit: whom to name, one sentence.
        hub: the data set's own name on the Hub, or an empty text.
        url: of the licence's text, or an empty text.
    """

    id: str
    images: bool
    credit: str
    hub: str = ""
    url: str = ""


_KNOWN = {
    "digits": Licence(
        "cc-by-4.0",
        True,
        "Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, 1998, "
        "CC BY 4.0, as bundled with scikit-learn.",
        url="https://creativecommons.org/licenses/by/4.0/",
    ),
    "mnist": Licence(
        "cc-by-sa-3.0",
        True,
        "MNIST, Y. LeCun, C. Cortes and C. J. C. Burges, 1998, CC BY-SA 3.0.",
        "ylecun/mnist",
        "https://creativecommons.org/licenses/by-sa/3.0/",
    ),
    "cifar10": Licence(
        "unknown", False, "CIFAR-10, A. Krizhevsky, 2009; its authors state no licence.", "uoft-cs/cifar10"
    ),
}
_CLASSES = {
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
}


def licence(source: str) -> Licence:
    """The licence of a data source; without an entry here none is known, and its images stay at home."""
    return _KNOWN.get(source, Licence("unknown", False, f"The data source {source}; no licence of it is known here."))


def class_names(source: str, classes: int) -> list[str]:
    """One name for each class."""
    known = _CLASSES.get(source, ())
    return list(known) if len(known) == classes else [str(c) for c in range(classes)]
