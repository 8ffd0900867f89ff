"""The fuzz campaign: `make fuzz`. Every reader of outside bytes against two engines, in processes with capped memory.

    python tests/fuzz/campaign.py [--inputs 1000000] [--seconds 600] [--only track_toml] [--engine hypothesis]

atheris mutates bytes and follows the coverage; Hypothesis makes inputs that are right up to a few places. Each target
gets the given number of inputs from each engine, or the given time. Ends with 1 if a reader let anything but its own
errors out or took more memory than the cap, with 3 if an engine is not installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent)]
CAP_MIB = 2048
"""Address space of a fuzzed process under Hypothesis, resident memory under atheris."""


def by_atheris(name: str, inputs: int, seconds: int) -> None:
    """Fuzz one target in this process until the end of it."""
    import atheris

    with atheris.instrument_imports(include=["lnbench"]):
        from fuzz.targets import TARGETS
    target = TARGETS[name]()

    def one(data: bytes) -> None:
        try:
            target.read(data)
        except target.allowed:
            pass

    with tempfile.TemporaryDirectory(prefix="fuzz-corpus-") as corpus:
        for number, seed in enumerate(target.seeds):
            (Path(corpus) / str(number)).write_bytes(seed)
        limits = [
            f"-runs={inputs}",
            f"-max_total_time={seconds}",
            f"-max_len={target.longest}",
            f"-rss_limit_mb={CAP_MIB}",
        ]
        artifacts = f"-artifact_prefix={tempfile.gettempdir()}/fuzz-{name}-"
        atheris.Setup(
            [sys.argv[0], *limits, "-timeout=20", "-print_final_stats=1", "-verbosity=1", artifacts, corpus], one
        )
        atheris.Fuzz()


def by_hypothesis(name: str, inputs: int, seconds: int) -> None:
    """Fuzz one target in this process; prints the figures as libFuzzer does."""
    from hypothesis import HealthCheck, Phase, given, seed, settings

    from fuzz.targets import TARGETS

    resource.setrlimit(resource.RLIMIT_AS, (CAP_MIB << 20, CAP_MIB << 20))
    target, done, begin = TARGETS[name](), 0, time.monotonic()
    while done < inputs and time.monotonic() - begin < seconds:
        batch = min(200, inputs - done)

        @seed(random.randrange(2**32))
        @settings(
            max_examples=batch,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(target.almost)
        def one(data: bytes) -> None:
            nonlocal done
            done += 1
            try:
                target.read(data)
            except target.allowed:
                pass

        one()
    print(f"stat::number_of_executed_units: {done}", file=sys.stderr)
    print(f"stat::peak_rss_mb: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10}", file=sys.stderr)


ENGINES = {"atheris": by_atheris, "hypothesis": by_hypothesis}


def main() -> int:
    """The campaign as the command line asks for it."""
    from fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="for each target and engine")
    parser.add_argument("--seconds", type=int, default=600, help="the most for each target and engine")
    parser.add_argument("--only", nargs="+", choices=list(TARGETS), default=list(TARGETS))
    parser.add_argument("--engine", nargs="+", choices=list(ENGINES), default=list(ENGINES))
    parser.add_argument("--here", action="store_true", help="in this process: the one target with the one engine")
    given = parser.parse_args()
    if given.here:
        ENGINES[given.engine[0]](given.only[0], given.inputs, given.seconds)
        return 0
    missing = [engine for engine in given.engine if importlib.util.find_spec(engine) is None]
    failed = False
    print(f"{'target':<16} {'engine':<11} {'inputs':>9} {'seconds':>8} {'peak MiB':>8}  verdict", flush=True)
    for name in given.only:
        for engine in given.engine:
            if engine not in missing:
                failed |= not _one(name, engine, given.inputs, given.seconds)
    if missing:
        print(f"NOT RUN, not installed: {', '.join(missing)} (pip install {' '.join(missing)})")
    return 1 if failed else 3 if missing else 0


def _one(name: str, engine: str, inputs: int, seconds: int) -> bool:
    """Fuzz one target with one engine in a process of its own, print a line, and tell whether all was well."""
    begin = time.monotonic()
    options = ["--here", "--only", name, "--engine", engine, "--inputs", str(inputs), "--seconds", str(seconds)]
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # some disks manage a few files a second
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=memory) as folder:
        command = [sys.executable, str(HERE / "campaign.py"), *options]
        done = subprocess.run(command, env={**os.environ, "TMPDIR": folder}, capture_output=True, text=True)
        found_in = [shutil.copy(path, tempfile.gettempdir()) for path in Path(folder).glob(f"fuzz-{name}-*-*")]
    found = {key: int(n) for key, n in re.findall(r"stat::(\w+): +(\d+)", done.stderr)}
    ran, peak = found.get("number_of_executed_units", 0), found.get("peak_rss_mb", 0)
    well = done.returncode == 0 and ran > 0
    figures = f"{ran:>9} {time.monotonic() - begin:>8.0f} {peak:>8}"
    print(f"{name:<16} {engine:<11} {figures}  {'nothing found' if well else 'FOUND'}", flush=True)
    if not well:
        print("    " + "\n    ".join((done.stdout + done.stderr).strip().splitlines()[-40:]), flush=True)
        print("".join(f"    kept: {path}\n" for path in found_in), end="", flush=True)
    return well


if __name__ == "__main__":
    sys.exit(main())
