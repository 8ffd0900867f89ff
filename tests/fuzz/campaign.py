"""The fuzz campaign: `make fuzz`. Every reader of outside bytes against two engines, in processes with capped memory.

    python tests/fuzz/campaign.py [TARGET|ENGINE|TARGET:ENGINE …] [--jobs 2] [--inputs 1000000] [--seconds 600]

atheris mutates bytes and follows the coverage; Hypothesis makes inputs that are right up to a few places. Each target
gets the given number of inputs from each engine, or the given processor time, whichever comes first. What came of each
is kept in a file of its own; a rerun skips what was done with the same code and at least as many inputs or as much
time. Ends with 1 if a reader let anything but its own errors out or took more memory than the cap, with 3 if an engine
is not installed, a run was broken off, or atheris saw no coverage to follow.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.util
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE.parent), str(ROOT)]
CAP_MIB = 2048
"""Address space of a fuzzed process under Hypothesis, above what it starts with; resident memory under atheris."""
BATCH_SECONDS = 5.0
"""About how long Hypothesis goes on with one tree of inputs, which it keeps in memory."""
LOADED = "loaded.json"


def by_atheris(name: str, inputs: int, seconds: int) -> None:
    """Fuzz one target in this process until the end of it."""
    import atheris  # type: ignore[import-untyped]  # it brings no types

    with atheris.instrument_imports(include=["lnbench"]):
        from fuzz.targets import TARGETS

        target = TARGETS[name]()  # in here, for what a target imports only when it is made
        for seed in target.seeds:
            with contextlib.suppress(*target.allowed):
                target.read(seed)

    done, begin = 0, time.process_time()

    def one(data: bytes) -> None:
        nonlocal done
        if time.process_time() - begin > seconds:
            _tell_figures(done)
            os._exit(0)  # libFuzzer itself stops by the clock on the wall, and takes an exception for a finding
        done += 1
        with contextlib.suppress(*target.allowed):
            target.read(data)

    _tell_what_is_loaded()
    with tempfile.TemporaryDirectory(prefix="fuzz-corpus-") as corpus:
        for number, seed in enumerate(target.seeds):
            (Path(corpus) / str(number)).write_bytes(seed)
        limits = [
            f"-runs={inputs}",
            f"-max_len={target.longest}",
            f"-rss_limit_mb={CAP_MIB}",
        ]
        artifacts = f"-artifact_prefix={tempfile.gettempdir()}/fuzz-{name}-"
        atheris.Setup(
            [sys.argv[0], *limits, "-timeout=60", "-print_final_stats=1", "-verbosity=1", artifacts, corpus], one
        )
        atheris.Fuzz()


def by_hypothesis(name: str, inputs: int, seconds: int) -> None:
    """Fuzz one target in this process."""
    from hypothesis import HealthCheck, Phase, given, seed, settings

    from fuzz.targets import TARGETS

    target, done, batch, begin = TARGETS[name](), 0, 100, time.process_time()
    for seed_input in target.seeds:  # a reader may load libraries at its first input
        with contextlib.suppress(*target.allowed):
            target.read(seed_input)
    cap = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + (CAP_MIB << 20)
    resource.setrlimit(resource.RLIMIT_AS, (cap, cap))
    found_in = Path(tempfile.gettempdir()) / f"fuzz-{name}-hypothesis-smallest"
    signal.signal(signal.SIGPROF, _too_long)
    while done < inputs and (left := begin + seconds - time.process_time()) > 0:

        @seed(random.randrange(2**32))
        @settings(
            max_examples=min(batch, inputs - done),
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(target.almost)
        def one(data: bytes) -> None:
            nonlocal done
            done += 1
            signal.setitimer(signal.ITIMER_PROF, 20)
            try:
                target.read(data)
            except target.allowed:
                pass
            except BaseException:
                found_in.write_bytes(data)
                raise
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)

        before, clock = done, time.process_time()
        one()
        pace = (done - before) / max(time.process_time() - clock, 1e-3)
        batch = max(100, int(pace * min(BATCH_SECONDS, left)))
    _tell_what_is_loaded()
    _tell_figures(done)


def _tell_figures(done: int) -> None:
    """As libFuzzer does."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"stat::number_of_executed_units: {done}\nstat::peak_rss_mb: {peak}", file=sys.stderr, flush=True)


def _too_long(*_: object) -> None:
    raise AssertionError("a reader took more than 20 s of processor time for one input")


ENGINES = {"atheris": by_atheris, "hypothesis": by_hypothesis}


def _tell_what_is_loaded() -> None:
    """Leave the hashes of our own files that this process has read: what was fuzzed."""
    paths = {Path(file) for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))}
    ours = sorted(path.relative_to(ROOT).as_posix() for path in paths if path.is_relative_to(ROOT))
    (Path(tempfile.gettempdir()) / LOADED).write_text(json.dumps({path: _hash(path) for path in ours}))


def _hash(path: str) -> str:
    with contextlib.suppress(FileNotFoundError):
        return hashlib.sha256((ROOT / path).read_bytes()).hexdigest()[:16]
    return ""


def main() -> int:
    """The campaign as the command line asks for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", metavar="TARGET|ENGINE|TARGET:ENGINE", help="only these; all if none")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="for each target and engine")
    parser.add_argument(
        "--seconds", type=int, default=600, help="of processor time, the most for each target and engine"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "fuzz", help="where results are kept")
    parser.add_argument("--again", action="store_true", help="also what was done before")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        name, engine = given.what[0].split(":")
        ENGINES[engine](name, given.inputs, given.seconds)
        return 0
    from fuzz.targets import TARGETS  # not in a child: what is imported before atheris looks has no coverage

    try:
        pairs = chosen(given.what, list(TARGETS))
    except ValueError as error:
        parser.error(str(error))
    given.out.mkdir(parents=True, exist_ok=True)
    missing = sorted({engine for _, engine in pairs if importlib.util.find_spec(engine) is None})
    print(f"{'target':<18} {'engine':<11} {'inputs':>9} {'seconds':>8} {'a second':>9} {'peak MiB':>8}  verdict")
    with ThreadPoolExecutor(given.jobs) as pool:
        runs = [
            pool.submit(_one, name, engine, given.inputs, given.seconds, given.out, given.again)
            for name, engine in pairs
            if engine not in missing
        ]
        try:
            verdicts = [run.result() for run in runs]
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            print("broken off; the same command goes on with what is left")
            return 3
    if missing:
        print(f"NOT RUN, not installed: {', '.join(missing)} (pip install {' '.join(missing)})")
    broken = missing or {"broken off", "NO COVERAGE"} & set(verdicts)
    return 1 if "FOUND" in verdicts else 3 if broken else 0


def chosen(words: list[str], targets: list[str]) -> list[tuple[str, str]]:
    """The pairs of target and engine that the command line names.

    Raises:
        ValueError: if a word is neither.
    """
    names = [word for word in words if word in targets]
    engines = [word for word in words if word in ENGINES]
    exact = [tuple(word.split(":", 1)) for word in words if ":" in word]
    unknown = [word for word in words if ":" not in word and word not in (*targets, *ENGINES)]
    unknown += [":".join(pair) for pair in exact if pair[0] not in targets or pair[1] not in ENGINES]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is none of {', '.join(targets)}; nor of {', '.join(ENGINES)}")
    crossed = [(name, engine) for name in names or targets for engine in engines or ENGINES]
    found = (crossed if names or engines or not exact else []) + [(a, b) for a, b in exact]
    return list(dict.fromkeys(found))


def done_before(kept: dict[str, Any], inputs: int, seconds: int) -> bool:
    """Whether a kept result stands for what is asked now: nothing found, by the same code, with as much effort."""
    same = bool(kept["code"]) and all(_hash(path) == stated for path, stated in kept["code"].items())
    enough = kept["inputs"] >= inputs or (kept["asked"]["seconds"] >= seconds and kept["asked"]["inputs"] >= inputs)
    return same and enough and kept["verdict"] == "nothing found"


def _one(name: str, engine: str, inputs: int, seconds: int, out: Path, again: bool) -> str:
    """Fuzz one target with one engine in a process of its own, keep and print what came of it; the verdict."""
    path = out / f"{name}-{engine}.json"
    if not again:
        with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
            kept = json.loads(path.read_text())
            if done_before(kept, inputs, seconds):
                _tell(kept, " (kept)")
                return str(kept["verdict"])
    result = _run(name, engine, inputs, seconds, out)
    if result["verdict"] != "broken off":
        part = path.with_suffix(".part")
        part.write_text(json.dumps(result, indent=1) + "\n")
        part.replace(path)
    _tell(result, "")
    return str(result["verdict"])


def _run(name: str, engine: str, inputs: int, seconds: int, out: Path) -> dict[str, Any]:
    begin = time.monotonic()
    options = ["--here", f"{name}:{engine}", "--inputs", str(inputs), "--seconds", str(seconds)]
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # some disks manage a few files a second
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=memory) as folder:
        command = [sys.executable, "-P", str(HERE / "campaign.py"), *options]
        done = subprocess.run(command, env={**os.environ, "TMPDIR": folder}, capture_output=True, text=True)
        findings = [shutil.copy(path, out) for path in Path(folder).glob(f"fuzz-{name}-*-*")]
        loaded = Path(folder) / LOADED
        code = json.loads(loaded.read_text()) if loaded.exists() else {}
    figures = {key: int(n) for key, n in re.findall(r"stat::(\w+): +(\d+)", done.stderr)}
    ran, took = figures.get("number_of_executed_units", 0), time.monotonic() - begin
    outside = not findings and done.returncode in (-signal.SIGINT, -signal.SIGTERM, 130)
    blind = (
        engine == "atheris" and done.returncode == 0 and not re.search(r"\bcov: [1-9]", done.stderr)
    )  # then it only counts
    well = done.returncode == 0 and ran > 0 and not blind
    return {
        "target": name,
        "engine": engine,
        "asked": {"inputs": inputs, "seconds": seconds},
        "inputs": ran,
        "seconds": round(took, 1),
        "peak_mib": figures.get("peak_rss_mb", 0),
        "verdict": "nothing found" if well else "broken off" if outside else "NO COVERAGE" if blind else "FOUND",
        "exit": done.returncode,
        "findings": [str(path) for path in findings],
        "output": [] if well else [*done.stdout.strip().splitlines()[-20:], *done.stderr.strip().splitlines()[-20:]],
        "code": code,
    }


def _tell(result: dict[str, Any], remark: str) -> None:
    """One line, and what was found below it."""
    pace = result["inputs"] / max(result["seconds"], 0.1)
    figures = f"{result['inputs']:>9} {result['seconds']:>8.0f} {pace:>9.0f} {result['peak_mib']:>8}"
    lines = [f"{result['target']:<18} {result['engine']:<11} {figures}  {result['verdict']}{remark}"]
    lines += [f"    {line}" for line in result["output"]]
    lines += [f"    kept: {path}" for path in result["findings"]]
    print("\n".join(lines), flush=True)


if __name__ == "__main__":
    sys.exit(main())
