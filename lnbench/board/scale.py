"""What the board costs with many more records than it has, from what today's cost, and what breaks first.

Costs are measured on parts of the records that are here, a polynomial is fitted to each, and the number of records at
which it passes a limit is solved for. It is an extrapolation over orders of magnitude, good for which comes first.
"""

from __future__ import annotations

import shutil
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lnbench.board.site import build
from lnbench.errors import ProtocolError
from lnbench.record.folder import records_in
from lnbench.record.record import read

_PARTS = (0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Cost:
    """One thing that grows with the number of records.

    Attributes:
        what: its name.
        unit: of its numbers.
        limit: what is too much, and `why`.
        coefficients: of 1, n and n².
        here: what it is with the records that there are.
    """

    what: str
    unit: str
    limit: float
    why: str
    coefficients: tuple[float, float, float]
    here: float

    def at(self, records: int) -> float:
        """What it is with so many records."""
        a, b, c = self.coefficients
        return a + b * records + c * records * records

    @property
    def breaks_at(self) -> int:
        """The number of records with which it passes its limit."""
        low, high = 1, 10**12
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self.at(middle) > self.limit else (middle + 1, high)
        return low


def costs(board: Path) -> list[Cost]:
    """The costs of a board's records, what breaks first to the front.

    Args:
        board: the folder with `records/` in it.

    Raises:
        ProtocolError: if it has fewer than eight records.
    """
    records = records_in(board / "records")
    if len(records) < 8:
        raise ProtocolError(f"{board} has {len(records)} records; growth is measured on eight or more.")
    rows: dict[str, list[Path]] = {}  # a record on own splits stands beside the same row's on public ones
    for path in records:
        rows.setdefault(read(path).label, []).append(path)
    counts, seconds, page, front = list[float](), list[float](), list[float](), list[float]()
    for part in _PARTS:
        some = [path for row in list(rows.values())[:: round(1 / part)] for path in row]
        with tempfile.TemporaryDirectory() as folder:
            _copied(board, some, Path(folder))
            begin = time.process_time()
            build(Path(folder) / "records", folder)
            seconds.append(time.process_time() - begin)
            page.append(float((Path(folder) / "index.html").stat().st_size))
            front.append(float((Path(folder) / "README.md").stat().st_size))
            counts.append(float(len(some)))
    sizes = float(np.mean([path.stat().st_size for path in records]))
    memory = _memory(records[:8])
    n = len(records)
    made = [
        Cost("storage in git", "GB", 5.0, "a host's advice for a repository", (0, sizes / 1e9, 0), n * sizes / 1e9),
        Cost("memory of a build", "GB", 16.0, "a hosted runner", (0, memory / 1e9, 0), n * memory / 1e9),
        Cost(
            "build", "hours", 6.0, "a hosted job's limit", _fit(counts, [s / 3600 for s in seconds]), seconds[-1] / 3600
        ),
        Cost(
            "page, and search in it",
            "MB",
            10.0,
            "what a browser filters at once",
            _fit(counts, [p / 1e6 for p in page], 1),
            page[-1] / 1e6,
        ),
        Cost("README.md", "MB", 0.5, "what a host renders", _fit(counts, [f / 1e6 for f in front], 1), front[-1] / 1e6),
    ]
    return sorted(made, key=lambda cost: cost.breaks_at)


def _copied(board: Path, records: Sequence[Path], folder: Path) -> None:
    for path in records:
        place = folder / path.relative_to(board)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    for name in ("seasons.toml", "allowed_signers"):
        if (board / name).exists():
            shutil.copy(board / name, folder / name)


def _fit(counts: Sequence[float], values: Sequence[float], degree: int = 2) -> tuple[float, float, float]:
    """Coefficients of 1, n and n² that are not negative, by least squares; pages grow by rows, comparisons by pairs."""
    from scipy.optimize import nnls

    n = np.array(counts)
    found = nnls(np.stack([n**power for power in range(degree + 1)], 1), np.array(values))[0]
    a, b, c = [*map(float, found), 0.0][:3]
    return a, b, c


def _memory(records: Sequence[Path]) -> float:
    """Bytes that one loaded record holds."""
    load: Callable[[Path], object] = read
    tracemalloc.start()
    try:
        held = [load(path) for path in records]
        return tracemalloc.get_traced_memory()[0] / len(held)
    finally:
        tracemalloc.stop()
