"""A poisoner that only this process has: a class without a source, run here, without any sandbox.

Everything else is as in the sandbox: it is given the same problem, and its answer goes through the same bytes and the
same checks. Time and memory are not limited, so a record made this way never ranks.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lnbench.characters import printable
from lnbench.errors import SubmissionError
from lnbench.poison import guest, labels, run, scratch
from lnbench.poison.reading import Details
from lnbench.poison.run import PoisonedLabels
from lnbench.protocol.hashes import sha256
from lnbench.protocol.poisoner import Poisoner
from lnbench.protocol.seeds import Streams
from lnbench.protocol.track import Track


@dataclass(frozen=True, eq=False)
class InProcess:
    """A poisoner's class in this process, in place of a submission.

    Attributes:
        name: the row's name.
        kind: the class.
        parameters: values that differ from the class's defaults.
    """

    name: str
    kind: type[Poisoner]
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """What stands in a record where a submission's source would."""
        return f"# {self.kind.__name__} has no source that could be stored: it ran in the caller's own process.\n"

    @property
    def sha256(self) -> str:
        """Of the text that stands for the source."""
        return sha256(self.source.encode())

    def poisoned(
        self, track: Track, points: Sequence[run.TrainingSet], streams: Streams, *, twice: bool = False
    ) -> tuple[list[PoisonedLabels], bool]:
        """The answer for each split, checked as a submission's is.

        Args:
            points: the training sets of splits 0, 1, ….
            twice: run the first split a second time.

        Returns:
            The answers, and whether the first split gave the same labels both times; True unless asked.

        Raises:
            SubmissionError: if it raises, or its labels break range, pairs or budget.
            ProtocolError: if it has no such parameter.
        """
        answers = [self.answer(track, split, data, streams) for split, data in enumerate(points)]
        if not twice:
            return answers, True
        return answers, bool((self.answer(track, 0, points[0], streams).labels == answers[0].labels).all())

    def answer(self, track: Track, split: int, data: run.TrainingSet, streams: Streams) -> PoisonedLabels:
        """The answer for one split; raises as `poisoned`."""
        details = self._details()
        values = details.values(self.parameters, self.name)
        job = {
            **run.problem_of(data, track, split, streams),
            "submission": getattr(getattr(self.kind.poison, "__code__", None), "co_filename", ""),
            "parameters": values,
            "memory_gib": track.limits.memory_gib,
            "deadline": time.monotonic() + track.limits.seconds,
        }
        clean, begin, trained = np.array(data.labels, dtype=np.int64), time.monotonic(), guest.trainings()
        with scratch.folder() as folder:
            for name in ("inputs", "labels"):
                np.save(folder / f"{name}.npy", getattr(data, name))
            stream = guest.MAGIC + labels.LABELS + self._asked(job, folder)
        checked = labels.decode(stream, self.name, clean, track.data.classes, track.noise.budget, track.pairs(split))
        return PoisonedLabels(
            labels=checked.labels,
            trainings=checked.trainings - trained,
            seconds=time.monotonic() - begin,
            log="",
            description=details.description,
            author=details.author,
            paper=details.paper,
            license=details.license,
            parameters=values,
            overrides={name: value for name, value in values.items() if value != details.defaults[name]},
            sandbox="none",
            memory_cap="process",
        )

    def _details(self) -> Details:
        """What the class says about itself: there is no text to read."""
        own = "" if (self.kind.__doc__ or "").startswith(f"{self.kind.__name__}(") else self.kind.__doc__ or ""
        texts = {"description": own.strip().partition("\n")[0]}
        texts |= {name: str(getattr(self.kind, name)) for name in ("author", "paper", "license")}
        return Details(**{name: printable(text, 200) for name, text in texts.items()}, defaults=self.kind.parameters())

    def _asked(self, job: Mapping[str, Any], folder: Path) -> bytes:
        """The guest's side of one answer, in this process."""
        try:
            return guest.answer(self.kind, job, folder)
        except guest.Refused as error:
            cause = error.__context__  # what the poisoner raised
            if cause is not None and not isinstance(cause, Exception):
                raise cause from None
            message = printable(str(error), labels.MESSAGE_CHARACTERS)
            raise SubmissionError(f"{self.name}: {message}") from cause
