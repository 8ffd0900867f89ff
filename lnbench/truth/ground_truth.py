"""`lnbench.ground_truth`: a table in memory, asked about one set of flips in microseconds."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lnbench.errors import DataError, ProtocolError
from lnbench.protocol import Track, unpack
from lnbench.truth.build import Row

_COLUMNS = ("architecture", "split", "seed", "flips", "points", "broken", "bits", "memorised")
_KIND = b"lnbench"


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """What networks did after sets of flips.

    Attributes:
        table, track, track_sha256: which table it is, and of which track.
        rows: one a victim.
    """

    table: str
    track: str
    track_sha256: str
    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        broken: dict[tuple[str, int, tuple[int, ...]], dict[int, float]] = {}
        for row in self.rows:
            broken.setdefault((row.architecture, row.split, row.flips), {})[row.seed] = 1 - row.broken / row.points
        sets: dict[int, set[tuple[int, ...]]] = {}
        for row in self.rows:
            sets.setdefault(row.split, set()).add(row.flips)
        victims: dict[tuple[str, int, tuple[int, ...]], dict[int, Row]] = {}
        for row in self.rows:
            victims.setdefault((row.architecture, row.split, row.flips), {})[row.seed] = row
        object.__setattr__(self, "_victims", victims)
        object.__setattr__(self, "_sets", {split: sorted(some - {()}) for split, some in sets.items()})
        object.__setattr__(self, "_accuracy", broken)
        object.__setattr__(self, "_means", {key: sum(of.values()) / len(of) for key, of in broken.items()})

    @property
    def architectures(self) -> list[str]:
        """Names of the architectures, sorted."""
        return sorted({row.architecture for row in self.rows})

    @property
    def splits(self) -> list[int]:
        """The splits, ascending."""
        return sorted({row.split for row in self.rows})

    def accuracy(self, architecture: str, split: int, flips: Iterable[int] = (), seed: int | None = None) -> float:
        """Adversarial accuracy after these flips.

        Args:
            flips: indices of training points, in any order; none for clean labels.
            seed: of one victim; their mean if None.

        Raises:
            ProtocolError: if the table has no such victim.
        """
        key = architecture, split, tuple(sorted(flips))
        try:
            if seed is None:
                mean: float = self._means[key]  # type: ignore[attr-defined]
                return mean
            one: float = self._accuracy[key][seed]  # type: ignore[attr-defined]
            return one
        except KeyError:
            raise ProtocolError(
                f"table {self.table} of {self.track} has no victim {architecture!r} of split {split} with the flips "
                f"{list(key[2])}{'' if seed is None else f' and seed {seed}'}."
            ) from None

    @property
    def seeds(self) -> list[int]:
        """The seeds, ascending."""
        return sorted({row.seed for row in self.rows})

    def broken(
        self, architecture: str, split: int, flips: Iterable[int] = (), seeds: Sequence[int] | None = None
    ) -> np.ndarray:
        """Share of the victims after these flips that the adversary breaks at each test point of the class, (point,).

        Args:
            seeds: of the victims; all if None.

        Raises:
            ProtocolError: if the table has no such victim.
            DataError: if its bits are not those of its points.
        """
        key = architecture, split, tuple(sorted(flips))
        self.accuracy(*key)
        victims: dict[int, Row] = self._victims[key]  # type: ignore[attr-defined]
        some = list(victims.values()) if seeds is None else [victims[seed] for seed in seeds]
        try:
            mean: np.ndarray = np.mean([unpack(row.bits, row.points) for row in some], axis=0)
        except ValueError as error:
            raise DataError(f"table {self.table} of {self.track} has bits that are none: {error}.") from None
        return mean

    def memorised(self, architecture: str) -> float | None:
        """The share of the flips that an architecture's victims learned; None without a flip."""
        rows = [row for row in self.rows if row.architecture == architecture]
        flips = sum(len(row.flips) for row in rows)
        return round(sum(row.memorised for row in rows) / flips, 4) if flips else None

    def sets(self, split: int) -> list[tuple[int, ...]]:
        """The sets of flips of a split, without the empty one."""
        sets: dict[int, list[tuple[int, ...]]] = self._sets  # type: ignore[attr-defined]
        return list(sets.get(split, []))

    def harms(self, architecture: str, split: int) -> np.ndarray:
        """How much each set of `sets` lowers adversarial accuracy below that of clean labels, (set, seed)."""
        clean: dict[int, float] = self._accuracy[architecture, split, ()]  # type: ignore[attr-defined]
        table: dict[tuple[str, int, tuple[int, ...]], dict[int, float]] = self._accuracy  # type: ignore[attr-defined]
        seeds = sorted(clean)
        return np.array([[clean[s] - table[architecture, split, some][s] for s in seeds] for some in self.sets(split)])


def ground_truth(path: str | os.PathLike[str]) -> GroundTruth:
    """Read a table.

        table = lnbench.ground_truth("truth/data/a/train-00000-of-00001.parquet")
        table.accuracy("mlp", 0, [17])

    Args:
        path: of its parquet file, as `lnbench truth build` wrote it or the Hub gave it.

    Raises:
        DataError: if it is not there, or not a table.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = Path(path)
    if not file.is_file():
        raise DataError(f"there is no table {file}; `lnbench truth build --table a --splits 0-47` makes one.")
    try:
        read = pq.read_table(file)
        facts = json.loads((read.schema.metadata or {})[_KIND])
        columns = [read.column(name).to_pylist() for name in _COLUMNS]
        rows = tuple(Row(a, b, c, tuple(d), *rest) for a, b, c, d, *rest in zip(*columns, strict=True))
        return GroundTruth(facts["table"], facts["track"], facts["track_sha256"], rows)
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
        raise DataError(f"{file} is not a table of ground truth ({str(error)[:200]}).") from None


def as_parquet(rows: Sequence[Row], table: str, track: Track) -> bytes:
    """A table as a parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    integers = {"split": pa.int16(), "seed": pa.int8(), "points": pa.int16(), "broken": pa.int16()}
    types = {
        **integers,
        "memorised": pa.int16(),
        "architecture": pa.string(),
        "bits": pa.string(),
        "flips": pa.list_(pa.int32()),
    }
    columns = {name: pa.array([getattr(row, name) for row in rows], types[name]) for name in _COLUMNS}
    facts = json.dumps({"table": table, "track": track.name, "track_sha256": track.sha256}, sort_keys=True)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns).replace_schema_metadata({_KIND: facts}), sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content
