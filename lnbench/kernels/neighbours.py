"""Who is within γ of whom, under ℓ∞, ℓ2 or ℓ1: counts and edges of class graphs, without ever holding n² distances.

A pair is joined if its distance, computed in float64 from the points as given, is at most γ. On CPUs tiles of pairs
are screened in float32 with a bound on its error: ℓ2 by matrix products; ℓ1 and ℓ∞ coordinate by coordinate, the most
telling first, until nearly all pairs of a tile are too far apart already. The pairs that are too close to γ to call,
or overflow float32, are computed in float64. On a GPU every distance is computed in float64 directly.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lnbench.kernels.device import on_gpu

if TYPE_CHECKING:
    import triton.language as tl

ORDER = {"linf": float("inf"), "l2": 2.0, "l1": 1.0}
_TILE = {"linf": (256, 256), "l2": (256, 2048), "l1": (256, 256)}
"""Rows and columns of a tile on CPUs: it stays in the second-level cache."""
_STAGE = 32
"""Coordinates between two looks at which pairs of ℓ1 or ℓ∞ are still near enough to go on with."""
_FEW = 0.2
"""Once at most this share of a tile's pairs is left, they are finished as a list."""
_PAIRS = 4096
"""Pairs computed in float64 at a time."""
_ROWS, _COLUMNS = 16, 64
"""Points on the sides of a tile on GPUs."""


def neighbour_counts(points: Tensor, radius: float, norm: str = "l2", others: Tensor | None = None) -> Tensor:
    """How many points lie within `radius` of each, (n,) int64.

    Args:
        points: (n, *shape), finite.
        radius: γ ≥ 0.
        norm: `"linf"`, `"l2"` or `"l1"`.
        others: (m, *shape), whom to count; by default the other points, a point not being its own neighbour.

    Raises:
        ValueError: if an argument makes no sense.
    """
    flat = _checked(points, radius, norm)
    rest = None if others is None else _checked(others, radius, norm)
    if rest is not None and rest.shape[1] != flat.shape[1]:
        raise ValueError(f"points of {flat.shape[1]} coordinates have no distance to points of {rest.shape[1]}")
    if on_gpu(flat) and len(flat) and (rest is None or len(rest)):
        return launch_counts(flat, flat if rest is None else rest, radius, norm, same=rest is None)
    counts = torch.zeros(len(flat), dtype=torch.long, device=flat.device)
    for row, near in _strips(flat, rest, radius, norm):
        counts[row : row + len(near)] += near.sum(1)
        if rest is None:
            counts[row:] += near.sum(0)
    return counts


def neighbour_edges(points: Tensor, radius: float, norm: str = "l2") -> Tensor:
    """All pairs i < j of points within `radius` of each other, (m, 2) int64, ascending.

    Args:
        points: (n, *shape), finite.
        radius: γ ≥ 0.
        norm: `"linf"`, `"l2"` or `"l1"`.

    Raises:
        ValueError: if an argument makes no sense.
    """
    flat = _checked(points, radius, norm)
    if on_gpu(flat) and len(flat):
        return launch_edges(flat, radius, norm)
    edges = [near.nonzero().add_(row) for row, near in _strips(flat, None, radius, norm)]
    return torch.cat(edges) if edges else torch.zeros(0, 2, dtype=torch.long, device=flat.device)


def reference(points: Tensor, others: Tensor, radius: float, norm: str) -> Tensor:
    """(n, m) bool by definition, in float64 with all distances in memory: what everything here is tested against."""
    offsets = (points.double().flatten(1)[:, None] - others.double().flatten(1)[None]).abs()
    distances: Tensor = torch.linalg.vector_norm(offsets, ORDER[norm], dim=-1)
    return distances <= radius


def _checked(points: Tensor, radius: float, norm: str) -> Tensor:
    if norm not in ORDER:
        raise ValueError(f"no norm is called {norm!r}; there are {', '.join(ORDER)}")
    if not radius >= 0:
        raise ValueError(f"a radius is at least 0; got {radius}")
    flat = points.flatten(1) if points.dim() > 1 else points.view(len(points), -1)
    if not flat.is_floating_point() or flat.shape[1] == 0 or not bool(flat.isfinite().all()):
        raise ValueError(f"points are finite floating-point numbers, at least one coordinate each; got {flat.dtype}")
    return flat


def _strips(points: Tensor, others: Tensor | None, radius: float, norm: str) -> Iterator[tuple[int, Tensor]]:
    """(first row, bool strip of neighbours): a few rows against all of `others`; if None, those after each."""
    same, others = others is None, points if others is None else others
    screen = (_Squares if norm == "l2" else _Coordinates)(*_centred(points, others), radius, norm)
    height, width = _TILE[norm]
    for row in range(0, len(points), height):
        first = row if same else 0
        strip = torch.empty(min(height, len(points) - row), len(others) - first, dtype=torch.bool, device=points.device)
        for column in range(first, len(others), width):
            near, unsure = screen.tile(slice(row, row + height), slice(column, column + width))
            if unsure is not None:
                i, j = unsure.nonzero(as_tuple=True)
                for part in range(0, len(i), _PAIRS):
                    rows, columns = i[part : part + _PAIRS], j[part : part + _PAIRS]
                    offsets = points[row + rows].double() - others[column + columns].double()
                    near[rows, columns] = torch.linalg.vector_norm(offsets, ORDER[norm], dim=1) <= radius
            strip[:, column - first : column - first + width] = near
        yield row, strip.triu_(1) if same else strip


def _centred(points: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Both in float64 around a common point, without the coordinates in which nobody differs from anybody."""
    if not len(points) or not len(others):
        return points.double(), others.double()
    varies = ((points != points[0]).any(0) | (others != points[0]).any(0)).nonzero().squeeze(1)
    if 0 < len(varies) < points.shape[1]:
        points, others = points[:, varies], others[:, varies]
    middle = others.mean(0, dtype=torch.float64)
    return points.double() - middle, others.double() - middle


class _Squares:
    """‖a‖² + ‖b‖² − 2⟨a, b⟩ against γ², in float32 around the points' mean."""

    def __init__(self, points: Tensor, others: Tensor, radius: float, norm: str) -> None:
        self.points, self.others = points.float(), others.float()
        self.squares, self.other_squares = self.points.square().sum(1), self.others.square().sum(1)
        self.limit = radius * radius
        largest = max((float(side.max()) for side in (self.squares, self.other_squares) if len(side)), default=0.0)
        self.margin = (points.shape[1] + 16) * 2.0**-24 * (2 * largest + self.limit)

    def tile(self, rows: slice, columns: slice) -> tuple[Tensor, Tensor | None]:
        """What is near, and what is too close to call."""
        size = self.squares[rows, None] + self.other_squares[columns]
        squared = torch.addmm(size, self.points[rows], self.others[columns].t(), alpha=-2, out=size)
        near = (squared > self.limit + self.margin).logical_not_()  # NaN, where float32 overflows, is too close to call
        unsure = near & (squared < self.limit - self.margin).logical_not_()
        return near, unsure if bool(unsure.any()) else None


class _Coordinates:
    """Σ |a − b| or max |a − b| in float32, the coordinates that vary most first."""

    def __init__(self, points: Tensor, others: Tensor, radius: float, norm: str) -> None:
        order = torch.sort(others.abs().sum(0), descending=True, stable=True).indices
        self.points, self.others = points[:, order].float(), others[:, order].float()
        self.sum, self.radius = norm == "l1", radius
        largest = max((float(side.abs().max()) for side in (self.points, self.others) if len(side)), default=0.0)
        terms = points.shape[1] if self.sum else 1
        self.margin = 2.0**-22 * (terms * largest + (points.shape[1] * radius if self.sum else radius))

    def tile(self, rows: slice, columns: slice) -> tuple[Tensor, Tensor | None]:
        """What is near, and what is too close to call."""
        a, b = self.points[rows], self.others[columns]
        left, right = a.t().contiguous().unsqueeze(2), b.t().contiguous()
        distance, gap = a.new_zeros(len(a), len(b)), a.new_empty(len(a), len(b))
        for done in range(0, len(right), _STAGE):
            alive = (distance > self.radius + self.margin).logical_not_()  # NaN too, where float32 overflows
            if done and int(alive.sum()) <= _FEW * alive.numel():
                self._finish(distance, alive, a, b, done)
                break
            for k in range(done, min(done + _STAGE, len(right))):
                torch.sub(left[k], right[k], out=gap).abs_()
                torch.add(distance, gap, out=distance) if self.sum else torch.maximum(distance, gap, out=distance)
        near = (distance > self.radius + self.margin).logical_not_()
        unsure = near & (distance < self.radius - self.margin).logical_not_()
        return near, unsure if bool(unsure.any()) else None

    def _finish(self, distance: Tensor, alive: Tensor, a: Tensor, b: Tensor, done: int) -> None:
        """Go on with the pairs that are left, dropping those that get too far apart; the others are already."""
        rows, columns = alive.nonzero(as_tuple=True)
        so_far = distance[rows, columns]
        for start in range(done, a.shape[1], _STAGE):
            gaps = (a[:, start : start + _STAGE][rows] - b[:, start : start + _STAGE][columns]).abs_()
            so_far = so_far + gaps.sum(1) if self.sum else torch.maximum(so_far, gaps.amax(1))
            distance[rows, columns] = so_far
            left = (so_far > self.radius + self.margin).logical_not_().nonzero().squeeze(1)
            if len(left) < 0.8 * len(rows):
                rows, columns, so_far = rows[left], columns[left], so_far[left]


def launch_counts(points: Tensor, others: Tensor, radius: float, norm: str, *, same: bool) -> Tensor:
    """Run the kernel for counts: of all `others`, or of all but the point itself."""
    counts = torch.zeros(len(points), dtype=torch.long, device=points.device)
    _launch(points, others, radius, norm, counts, counts, counts, first=-1 if same else -2, write=False)
    return counts


def launch_edges(points: Tensor, radius: float, norm: str) -> Tensor:
    """Run the kernel twice: how many edges each point starts, then the edges, each point's in its own stretch."""
    counts = torch.zeros(len(points), dtype=torch.long, device=points.device)
    _launch(points, points, radius, norm, counts, counts, counts, first=0, write=False)
    ends = counts.cumsum(0)
    edges = torch.empty(int(ends[-1]), dtype=torch.long, device=points.device)
    if len(edges):
        _launch(points, points, radius, norm, counts, ends - counts, edges, first=0, write=True)
    starts = torch.repeat_interleave(torch.arange(len(points), device=points.device), counts)
    return torch.stack([starts, edges], 1)


def _launch(
    points: Tensor,
    others: Tensor,
    radius: float,
    norm: str,
    counts: Tensor,
    starts: Tensor,
    edges: Tensor,
    *,
    first: int,
    write: bool,
) -> None:
    """One pass over all pairs. `first`: 0 takes the pairs i < j, −1 the pairs i ≠ j, −2 all pairs."""
    gamma = torch.tensor([radius], dtype=torch.float64, device=points.device)
    kernel()[(-(-len(points) // _ROWS),)](
        points.t().contiguous(),
        others.t().contiguous(),
        gamma,
        counts,
        starts,
        edges,
        len(points),
        len(others),
        points.shape[1],
        PAIRS=first,
        NORM={"linf": 0, "l1": 1, "l2": 2}[norm],
        WRITE=write,
        ROWS=_ROWS,
        COLUMNS=_COLUMNS,
        num_warps=4,
    )


@functools.cache
def kernel() -> Any:
    """The Triton kernel; importing Triton is put off until here. Points come transposed: (coordinate, point)."""
    global tl
    import triton
    import triton.language as tl

    @triton.jit
    def neighbours_kernel(
        points,
        others,
        gamma,
        counts,
        starts,
        edges,
        n,
        m,
        size,
        PAIRS: tl.constexpr,
        NORM: tl.constexpr,
        WRITE: tl.constexpr,
        ROWS: tl.constexpr,
        COLUMNS: tl.constexpr,
    ):
        row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
        radius = tl.load(gamma)
        total = tl.zeros((ROWS,), tl.int64)
        begin = 0
        if PAIRS == 0:
            begin = tl.program_id(0) * ROWS // COLUMNS * COLUMNS
        if WRITE:
            total += tl.load(starts + row, mask=row < n, other=0)
        for block in range(begin, m, COLUMNS):
            column = block + tl.arange(0, COLUMNS)
            distance = tl.zeros((ROWS, COLUMNS), tl.float64)
            left, right = points + row, others + column
            for _ in range(0, size):
                a = tl.load(left, mask=row < n, other=0.0).to(tl.float64)
                b = tl.load(right, mask=column < m, other=0.0).to(tl.float64)
                left += n
                right += m
                gap = tl.abs(a[:, None] - b[None, :])
                if NORM == 0:
                    distance = tl.maximum(distance, gap)
                elif NORM == 1:
                    distance += gap
                else:
                    distance += gap * gap
            if NORM == 2:
                distance = tl.sqrt(distance)
            near = (distance <= radius) & (row < n)[:, None] & (column < m)[None, :]
            if PAIRS == 0:
                near = near & (row[:, None] < column[None, :])
            if PAIRS == -1:
                near = near & (row[:, None] != column[None, :])
            if WRITE:
                place = tl.cumsum(near.to(tl.int64), 1) - 1 + total[:, None]
                value = (column[None, :] + tl.zeros((ROWS, COLUMNS), tl.int32)).to(tl.int64)
                tl.store(edges + place, value, mask=near)
            total += tl.sum(near.to(tl.int64), 1)
        if not WRITE:
            tl.store(counts + row, total, mask=row < n)

    return neighbours_kernel
