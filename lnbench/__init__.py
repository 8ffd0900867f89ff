"""lnbench: the benchmark for crafted label noise.

Which k training labels, flipped, leave the models trained on them easiest to attack? lnbench scores any `Poisoner` by
how much lower its victims' adversarial accuracy is than under random flips of the same budget.

    class Mine(lnbench.Poisoner):
        def poison(self, problem):
            return problem.flipped(problem.eligible[: problem.budget])

    record = lnbench.evaluate(Mine, quick=True)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0.dev0"

_INDEX = {
    "evaluate": "lnbench.api.evaluate",
    "check": "lnbench.api.evaluate",
    "verify": "lnbench.api.records",
    "audit": "lnbench.api.records",
    "compare": "lnbench.api.records",
    "read_record": "lnbench.api.records",
    "load_track": "lnbench.protocol.track:load",
    "load_split": "lnbench.api.tracks",
    "load_poisoned": "lnbench.hub.dataset",
    "load_suite": "lnbench.hub.suite.pulling:pull",
    "ground_truth": "lnbench.truth.ground_truth",
    "Poisoner": "lnbench.protocol.poisoner",
    "Problem": "lnbench.protocol.poisoner",
    "Defender": "lnbench.protocol.defender",
    "DefenceProblem": "lnbench.protocol.defender",
    "Training": "lnbench.protocol.defender",
    "Threat": "lnbench.protocol.poisoner",
    "Track": "lnbench.protocol.track",
    "Recipe": "lnbench.protocol.recipe",
    "Record": "lnbench.record:Record",
    "LnbenchError": "lnbench.errors",
    "SubmissionError": "lnbench.errors",
    "RecordError": "lnbench.errors",
    "ProtocolError": "lnbench.errors",
    "DataError": "lnbench.errors",
    "UnavailableError": "lnbench.errors",
}
"""Public name -> the module that defines it, imported when the name is first used."""

__all__ = [
    "DataError",
    "DefenceProblem",
    "Defender",
    "LnbenchError",
    "Poisoner",
    "Problem",
    "ProtocolError",
    "Recipe",
    "Record",
    "RecordError",
    "SubmissionError",
    "Threat",
    "Track",
    "Training",
    "UnavailableError",
    "__version__",
    "audit",
    "check",
    "compare",
    "evaluate",
    "ground_truth",
    "load_poisoned",
    "load_split",
    "load_suite",
    "load_track",
    "read_record",
    "verify",
]

if TYPE_CHECKING:
    from lnbench.api.evaluate import check, evaluate
    from lnbench.api.records import audit, compare, read_record, verify
    from lnbench.api.tracks import load_split
    from lnbench.errors import DataError, LnbenchError, ProtocolError, RecordError, SubmissionError, UnavailableError
    from lnbench.hub.dataset import load_poisoned
    from lnbench.hub.suite.pulling import pull as load_suite
    from lnbench.protocol.defender import DefenceProblem, Defender, Training
    from lnbench.protocol.poisoner import Poisoner, Problem, Threat
    from lnbench.protocol.recipe import Recipe
    from lnbench.protocol.track import Track
    from lnbench.protocol.track import load as load_track
    from lnbench.record.record import Record
    from lnbench.truth.ground_truth import ground_truth


def __getattr__(name: str) -> Any:
    if name not in _INDEX:
        raise AttributeError(f"module 'lnbench' has no attribute {name!r}")
    module, _, attribute = _INDEX[name].partition(":")
    return getattr(importlib.import_module(module), attribute or name)


def __dir__() -> list[str]:
    return sorted(__all__)
