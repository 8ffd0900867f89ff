"""What a guest costs beside a bare interpreter that imports NumPy, in every sandbox of this machine.

    pytest -n 0 --benchmark-enable tests/bench/bench_sandbox.py

Half a second above the bare interpreter is promised for a guest that does not import torch. The submission flips the
first points of the default track's first split; reading and cutting the data is not in it.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from lnbench import data
from lnbench.poison import diagnosis, sandbox
from lnbench.poison.run import Submission, poison
from lnbench.protocol import PUBLIC_SALT, Streams
from lnbench.protocol import track as tracks

SOURCE = b"""
import lnbench


class First(lnbench.Poisoner):
    def poison(self, problem):
        return problem.flipped(problem.eligible[: problem.budget])
"""
BARE = "bare interpreter"


@pytest.mark.parametrize("contestant", [BARE, sandbox.NONE, sandbox.BUBBLEWRAP])
def test_guest(benchmark: Any, contestant: str) -> None:
    """One guest from start to end, or `python -c "import numpy"`."""
    track = tracks.load("digits-9to0")
    streams = Streams(track.sha256, PUBLIC_SALT)
    points, submission = data.load(track, 0, streams), Submission.from_bytes("first.py", SOURCE, {})
    if contestant == sandbox.BUBBLEWRAP and diagnosis.mode() != contestant:
        pytest.skip(f"bubblewrap does not work here: {diagnosis.diagnose().reason}")

    def one() -> None:
        if contestant == BARE:
            subprocess.run([sys.executable, "-P", "-c", "import numpy"], check=True)
        else:
            poison(submission, points, track, 0, streams, mode=contestant)

    benchmark.pedantic(one, rounds=15, warmup_rounds=2)
