"""Cells that write down when they begin and end, and an evaluation that uses them, so that repeated work is counted."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

LOG = "LNBENCH_FAULTS_LOG"
PAUSE = 0.6
"""Seconds that a cell waits before its end, so that kills find it at work."""


def run(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """What a worker calls on a cell: `lnbench.evaluation.cells:run`, counted. The log's place is in the path."""
    from lnbench.evaluation import cells
    from lnbench.protocol.hashes import sha256_json

    key = sha256_json([cell["victim"], cell["places"], cell["flips"]])[:12]
    _say("began", key)
    result = cells.run(cell, report)
    time.sleep(PAUSE)
    _say("ended", key)
    return result


def _say(what: str, key: str) -> None:
    folder = next(part for part in sys.path if os.path.basename(part) == "counted")
    line = json.dumps([what, key, os.getpid(), time.time()]) + "\n"
    with open(os.path.join(folder, "log"), "a", encoding="utf-8") as file:
        file.write(line)


def main() -> None:
    """The command line, with counted cells."""
    from lnbench.cli import main as cli
    from lnbench.evaluation import stages

    defaults = stages.train_all.__kwdefaults__
    assert defaults is not None
    defaults["function"] = "faults.counted_cells:run"
    cli()


if __name__ == "__main__":
    main()
