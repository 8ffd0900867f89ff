"""What an engine costs beside the cells themselves, and what a second worker brings.

    python -P tests/bench/bench_engines.py [--engines local,ray] [--cells 16] [--steps 150]

Overhead is the wall time of cells that do nothing, each with the flips and the result of a real one; for Ray, beside
that of Ray's own tasks with the same arguments and results. Speed-up is that of CNN cells of `digits-9to0`, one thread
each. Besides the plain ratio of wall times it is reckoned from what other programs on the machine do not touch:
processor seconds of a cell with one worker and with two, and the share of its time in which a worker has a cell.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "bench")]

from lnbench.evaluation.engine import Engine, engine  # noqa: E402
from lnbench.protocol import Streams, track  # noqa: E402

NOTHING = 300
"""Cells that do nothing."""


def nothing(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """A result as long as a real one, at once."""
    return {"victims": "x" * cell["length"]}


def work(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """A real cell, and what it took."""
    from lnbench.evaluation import cells

    begin, used = time.time(), time.process_time()
    cells.run(cell["cell"])
    return {"pid": os.getpid(), "begin": begin, "end": time.time(), "cpu": time.process_time() - used}


def cnn_cells(count: int, steps: int) -> list[dict[str, Any]]:
    """Cells of the default track's CNN, each one stack of victims, for fewer steps."""
    document = track.load("digits-9to0").document
    of = json.loads(json.dumps(document))
    (spec,) = (victim for victim in of["victims"] if victim["name"] == "cnn")
    spec["recipe"]["steps"] = steps
    places = [[split, 0] for split in range(spec.get("stack", 8))]
    cell = {
        "track": of,
        "salt": Streams("bench").salt,
        "victim": "cnn",
        "places": places,
        "flips": [[] for _ in places],
        "device": "cpu",
    }
    return [{"cell": cell}] * count


def overhead(name: str) -> float:
    """Seconds a cell that does nothing costs."""
    pool = engine(name, 1)
    cells = [{"length": 20_000, "flips": [[1, 9, 0]] * 400}] * NOTHING
    list(pool.map("bench_engines:nothing", cells[:3]))
    begin = time.perf_counter()
    list(pool.map("bench_engines:nothing", cells))
    return (time.perf_counter() - begin) / NOTHING


def rays_own() -> float:
    """Seconds a task of Ray with such an argument and result costs."""
    import ray

    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, object_store_memory=100 << 20)
    task: Any = ray.remote(lambda cell: {"victims": "x" * cell["length"]})
    cell = {"length": 20_000, "flips": [[1, 9, 0]] * 400}
    ray.get([task.remote(cell) for _ in range(3)])
    running: list[Any] = []
    begin, left = time.perf_counter(), NOTHING
    while left or running:
        while left and len(running) < 2:
            running.append(task.remote(cell))
            left -= 1
        done, running = ray.wait(running, num_returns=1)
        ray.get(done)
    seconds = (time.perf_counter() - begin) / NOTHING
    ray.shutdown()
    return seconds


def speed_up(name: str, count: int, steps: int) -> str:
    """How much faster two workers are than one, plain and reckoned."""
    plain, cpu, busy = {}, {}, {}
    for workers in (1, 2):
        pool: Engine = engine(name, workers)
        cells = cnn_cells(count + 2 * workers, steps)  # the first of each worker also imports PyTorch
        some = [result for _, _, result in pool.map("bench_engines:work", cells) if result is not None]
        by: dict[int, list[dict[str, Any]]] = {}
        for result in sorted(some, key=lambda r: float(r["begin"])):
            by.setdefault(result["pid"], []).append(result)
        warm = [results[1:] for results in by.values()]
        every = [result for results in warm for result in results]
        span = max(r["end"] for r in every) - min(r["begin"] for r in every)
        plain[workers] = len(every) / span
        cpu[workers] = sum(r["cpu"] for r in every) / len(every)
        # Of each worker, from its first warm cell to its last: the share in which it had one.
        had = sum(r["end"] - r["begin"] for r in every)
        busy[workers] = had / sum(results[-1]["end"] - results[0]["begin"] for results in warm)
    reckoned = 2 * cpu[1] / cpu[2] * busy[2] / busy[1]
    each = (
        f"{cpu[1]:.2f} and {cpu[2]:.2f} processor seconds a cell, at work {busy[1]:.1%} and {busy[2]:.1%} of the time"
    )
    return f"{name:<6} 1 → 2 workers: {plain[2] / plain[1]:.2f}× on the clock, {reckoned:.2f}× reckoned ({each})"


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", default="local,ray", help="which")
    parser.add_argument("--cells", type=int, default=16, help="of the CNN")
    parser.add_argument("--steps", type=int, default=150, help="of training")
    given = parser.parse_args()
    path = [str(ROOT), str(ROOT / "tests" / "bench"), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, path))
    print(f"load of the machine before: {os.getloadavg()[0]:.1f}")
    for name in given.engines.split(","):
        print(f"{name:<6} {1000 * overhead(name):.1f} ms a cell that does nothing", flush=True)
        if name == "ray":
            print(f"       {1000 * rays_own():.1f} ms of these are Ray's own task", flush=True)
        print(speed_up(name, given.cells, given.steps), flush=True)
    print(f"load of the machine after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
