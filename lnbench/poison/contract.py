"""The kinds of submission: what the file of each has to define, and the words for what it returns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Contract:
    """One kind of submission.

    Attributes:
        base: the class of lnbench that it extends.
        method: what the referee calls.
        answer: the word for what that returns.
        all_of_it: what an answer is made of, in words.
    """

    base: str
    method: str
    answer: str
    all_of_it: str

    @property
    def noun(self) -> str:
        """What such a submission is called."""
        return self.base.lower()


POISONER = Contract("Poisoner", "poison", "labels", "one label for each point")
DEFENDER = Contract("Defender", "defend", "training", "one training")
