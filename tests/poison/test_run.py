"""A guest from start to end: what it is told, what comes back, and that nothing of it stays."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import selectors
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import lnbench
from guests import submission
from lnbench.errors import ProtocolError, SubmissionError, UnavailableError
from lnbench.poison import memory, process
from lnbench.poison.run import PoisonedLabels, Submission, poison
from lnbench.protocol.track import load

FIRST = """
    import lnbench

    class Attack(lnbench.Poisoner):
        '''Flip the first points.

        More words.
        '''

        author = "Somebody"
        paper = "https://example.org"
        license = "MIT"
        skip: int = 0
        rate: float = 0.5
        fast: bool = False
        name: str = "x"

        def poison(self, problem):
            return problem.flipped(problem.eligible[self.skip :][: problem.budget])
"""


def test_labels_and_details(go: Callable[..., PoisonedLabels], data: Any, mode: str) -> None:
    result = go(FIRST)
    assert np.flatnonzero(result.labels != data.labels).tolist() == [3, 7, 11]
    assert (result.description, result.author, result.license) == ("Flip the first points.", "Somebody", "MIT")
    assert result.paper == "https://example.org" and result.trainings == 0 and result.log == ""
    assert result.parameters == {"skip": 0, "rate": 0.5, "fast": False, "name": "x"} and result.overrides == {}
    assert result.sandbox == mode and result.memory_cap in ("cgroup", "watched") and 0 < result.seconds < 10


def test_parameters_come_as_text_or_typed(go: Callable[..., PoisonedLabels], data: Any) -> None:
    result = go(FIRST, skip="1", rate="2e-1", fast="true", name="7")
    assert result.parameters == {"skip": 1, "rate": 0.2, "fast": True, "name": "7"}
    assert result.overrides == {"skip": 1, "rate": 0.2, "fast": True, "name": "7"}
    assert np.flatnonzero(result.labels != data.labels).tolist() == [7, 11, 15]
    assert go(FIRST, rate=1, skip=0, fast=False).overrides == {"rate": 1.0}


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"skipp": 1}, "attack.py: no parameter is called 'skipp'; did you mean 'skip'?"),
        ({"zzzzzzzz": 1}, "attack.py: no parameter is called 'zzzzzzzz'; it has skip, rate, fast, name."),
        ({"skip": "1.5"}, "attack.py: parameter skip is of type int (default 0), got '1.5'."),
        ({"skip": 1.0}, "attack.py: parameter skip is of type int (default 0), got 1.0."),
        ({"skip": True}, "attack.py: parameter skip is of type int (default 0), got True."),
        ({"rate": "nan"}, "attack.py: parameter rate is of type float (default 0.5), got nan."),
        ({"fast": "maybe"}, "attack.py: parameter fast is of type bool (default False), got 'maybe'."),
        ({"name": 3}, "attack.py: parameter name is of type str (default 'x'), got 3."),
    ],
)
def test_wrong_parameters_are_the_users_fault(go: Callable[..., PoisonedLabels], parameters: Any, words: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        go(FIRST, **parameters)
    assert str(caught.value) == words


def test_the_problem_is_the_split(go: Callable[..., PoisonedLabels], data: Any, track: Any, streams: Any) -> None:
    """Every field of Problem, told by the guest through its log."""
    result = go(
        """
        import dataclasses, hashlib, json, sys
        import lnbench

        class Attack(lnbench.Poisoner):
            def poison(self, problem):
                p = problem
                told = {f.name: getattr(p, f.name) for f in dataclasses.fields(p) if f.name not in
                        ("inputs", "labels", "rng", "threat", "threats", "deadline")}
                told["threat"] = dataclasses.astuple(p.threat)
                told["threats"] = {name: dataclasses.astuple(threat) for name, threat in p.threats.items()}
                told["inputs"] = [p.inputs.dtype.name, p.inputs.shape, p.inputs.flags.writeable,
                                  hashlib.sha256(p.inputs.tobytes()).hexdigest()]
                told["labels"] = [p.labels.dtype.name, p.labels.tolist(), p.labels.flags.writeable]
                told["rng"] = p.rng.random(3).tolist()
                told["left"] = p.seconds_left()
                told["torch"] = "torch" in sys.modules
                print(json.dumps(told))
                return p.labels
        """,
        split=5,
        seconds=9.0,
    )
    told = json.loads(result.log)
    assert told.pop("inputs") == ["float32", [60, 1, 2, 2], False, hashlib.sha256(data.inputs.tobytes()).hexdigest()]
    assert told.pop("labels") == ["int64", data.labels.tolist(), False]
    assert told.pop("rng") == streams.generator("guest", 5).random(3).tolist()
    assert 7 < told.pop("left") <= 9
    assert told == {
        "num_classes": 4,
        "budget": 3,
        "pairs": [[3, 0]],
        "threat": ["linf", 0.1, 1],
        "threats": {"mlp": ["linf", 0.1, 1]},
        "split": 5,
        "device": "cpu",
        "bounds": [0.0, 1.0],
        "torch": False,
    }
    assert np.array_equal(result.labels, data.labels)


def test_guest_stream_is_not_the_random_arm(streams: Any) -> None:
    assert streams.entropy("guest", 0) != streams.entropy("random", 0) != streams.entropy("guest", 1)


def test_unbounded_data_has_no_bounds(
    go: Callable[..., PoisonedLabels], data: Any, track: Any, streams: Any, mode: str
) -> None:
    source = FIRST.replace("return ", "print(problem.bounds)\n            return ")
    result = poison(submission(source), replace(data, bounds=None), track, 0, streams, mode=mode)
    assert result.log == "None\n"


def test_trainings_are_counted_by_surrogates(go: Callable[..., PoisonedLabels]) -> None:
    source = FIRST.replace(
        "def poison(self, problem):",
        "def poison(self, problem):\n"
        "            import sys, types\n"
        "            module = sys.modules['lnbench.surrogates'] = types.ModuleType('lnbench.surrogates')\n"
        "            module.trainings_spent = lambda: 12",
    )
    assert go(source).trainings == 12


def test_lists_and_narrow_integers_are_labels(go: Callable[..., PoisonedLabels], data: Any) -> None:
    for change in (".tolist()", ".astype('u1')", ".astype('>i4')", ".astype('u8')"):
        labels = go(FIRST.replace("[: problem.budget])", f"[: problem.budget]){change}")).labels
        assert np.flatnonzero(labels != data.labels).tolist() == [3, 7, 11]


def test_an_architecture_with_its_own_radius(mode: str, data: Any, streams: Any, temporary: Path) -> None:
    source = FIRST.replace("return ", "print(problem.threat, problem.threats)\n            return ")
    track = load("mnist10k-9to0")
    told = poison(submission(source), replace(data, labels=data.labels * 3), track, 0, streams, mode=mode).log
    own = {spec.name: spec.epsilon or track.adversary.epsilon for spec in track.victims}
    assert len(set(own.values())) > 1
    assert told.startswith(f"Threat(norm='linf', epsilon={track.adversary.epsilon}, steps=20) {{'mlp': Threat(")
    assert all(f"'{name}': Threat(norm='linf', epsilon={radius}, steps=20)" in told for name, radius in own.items())


def test_only_what_compiles_may_run(go: Callable[..., PoisonedLabels]) -> None:
    with pytest.raises(
        SubmissionError, match=r"attack\.py: importing it raised SyntaxError in line 1: 'return' outside"
    ):
        go("return\n" + textwrap.dedent(FIRST))
    with pytest.raises(SubmissionError, match=r"found none; write `class Name\(lnbench.Poisoner\):` there"):
        go("import lnbench\n")


def test_what_is_compiled_is_the_text_that_was_read(go: Callable[..., PoisonedLabels], data: Any) -> None:
    first = np.flatnonzero(go("# coding: utf8\n" + textwrap.dedent(FIRST)).labels != data.labels).tolist()
    for text in ("\ufeff" + textwrap.dedent(FIRST), textwrap.dedent(FIRST).replace("\n", "\r\n")):
        made = go(text)
        assert (
            np.flatnonzero(made.labels != data.labels).tolist() == first
            and made.description == "Flip the first points."
        )


def test_unknown_mode(data: Any, track: Any, streams: Any) -> None:
    with pytest.raises(ProtocolError, match="bubblewrap, none, got 'docker'"):
        poison(submission(FIRST), data, track, 0, streams, mode="docker")


def test_threads(mode: str, temporary: Path, data: Any, track: Any, streams: Any) -> None:
    source = submission(FIRST.replace("problem.eligible[self.skip :]", "problem.rng.permutation(problem.eligible)"))

    def one(split: int) -> list[int]:
        labels: list[int] = poison(source, data, track, split, streams, mode=mode).labels.tolist()
        return labels

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(one, range(6)))
    assert together == [one(split) for split in range(6)] and len(set(map(tuple, together))) > 3


def test_descriptors_do_not_leak(go: Callable[..., PoisonedLabels]) -> None:
    go(FIRST)
    before = len(os.listdir("/proc/self/fd"))
    for source in (FIRST, f"{FIRST}\nraise ValueError", f"import os; os._exit(1)\n{textwrap.dedent(FIRST)}"):
        try:
            go(source)
        except SubmissionError:
            pass
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_byte_that_is_taken_back_does_not_hold_the_referee(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guest may open its end for reading and empty a pipe between the referee's look and its read."""
    ends = [os.pipe(), os.pipe()]
    for read, _ in ends:
        os.set_blocking(read, False)

    class Sure(selectors.DefaultSelector):
        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            return [(self.get_map()[read], selectors.EVENT_READ) for read, _ in ends]

    monkeypatch.setattr(selectors, "DefaultSelector", Sure)
    guest: Any = SimpleNamespace(
        answer=ends[0][0], log=ends[1][0], child=SimpleNamespace(pid=os.getpid(), poll=lambda: None)
    )
    verdicts = iter(["", "", "time"])
    try:
        assert process._watch(guest, lambda _: None, lambda _: None, lambda: next(verdicts), lambda: 0.0) == "time"
    finally:
        for end in (end for pair in ends for end in pair):
            os.close(end)


def test_no_read_of_a_guests_pipes_waits(go: Callable[..., PoisonedLabels], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    watch = process._watch

    def watched(guest: Any, *of: Any) -> str:
        seen.extend(os.get_blocking(end) for end in (guest.answer, guest.log))
        return watch(guest, *of)

    monkeypatch.setattr(process, "_watch", watched)
    go(FIRST)
    assert seen == [False, False]


def test_cancel(go: Callable[..., PoisonedLabels]) -> None:
    cancel = threading.Event()
    threading.Timer(0.4, cancel.set).start()
    with pytest.raises(CancelledError):  # and not the end of the track's time
        go("import lnbench\nclass A(lnbench.Poisoner): pass\nwhile True: pass", cancel=cancel)


def test_full_disk(go: Callable[..., PoisonedLabels], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array_header_1_0", full)
    with pytest.raises(UnavailableError, match="No space left on device"):
        go(FIRST)


REFEREE = """
    import os, sys, threading
    sys.path[:0] = {tests!r}
    import conftest
    from lnbench.poison.run import Submission, poison
    from lnbench.protocol.seeds import Streams
    from lnbench.protocol.track import Track
    import numpy as np

    track = Track.from_document(conftest.DOCUMENT)
    data = conftest.Training(np.zeros((60, 1, 2, 2), dtype=np.float32), np.arange(60) % 4)
    print("ready", flush=True)
    submission = Submission.from_file({file!r}, {parameters!r})
    poison(submission, data, track, 0, Streams(track.sha256), mode={mode!r})
    print("done", flush=True)
"""


def referee(file: Path, mode: str, parameters: Any, **environment: str) -> subprocess.Popen[str]:
    """Another process that poisons one split."""
    package = str(Path(lnbench.__file__).parents[1])
    tests = [str(folder) for folder in Path(__file__).parents[:2]]
    code = textwrap.dedent(REFEREE).format(tests=tests, file=str(file), parameters=parameters, mode=mode)
    variables = {**os.environ, "PYTHONPATH": package, **environment}
    return subprocess.Popen(
        [sys.executable, "-P", "-c", code],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def marked(mark: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            dead = path.with_name("stat").read_text().rpartition(")")[2].split()[0] == "Z"
            if path.read_text().strip() == mark and not dead:
                found.append(int(path.parts[2]))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_the_guest_dies_with_its_referee(mode: str, number: signal.Signals, tmp_path: Path) -> None:
    mark = f"ln-{os.getpid()}-{int(number)}-{mode[:2]}"
    file = tmp_path / "lives.py"
    poisoner = "import lnbench\nclass A(lnbench.Poisoner): pass\n"
    file.write_text(f"{poisoner}open('/proc/self/comm', 'w').write({mark!r})\nwhile True: pass\n")
    process = referee(file, mode, {}, TMPDIR=str(tmp_path))
    try:
        limit = time.monotonic() + 20
        while not marked(mark) and time.monotonic() < limit:
            time.sleep(0.02)
        assert marked(mark), process.communicate(timeout=5)
        os.kill(process.pid, number)
        process.communicate(timeout=10)
        limit = time.monotonic() + 5
        while marked(mark) and time.monotonic() < limit:
            time.sleep(0.02)
        assert not marked(mark)
        if number == signal.SIGINT:
            assert [p.name for p in tmp_path.iterdir()] == ["lives.py"]
    finally:
        process.kill()
        process.wait()


def test_tokens_in_the_environment_stay_outside(mode: str, tmp_path: Path) -> None:
    """The referee starts with a token; bwrap must not, as its environment is process 1's inside."""
    cheat = Path(__file__).parents[1] / "cheats" / "reads_environment.py"
    process = referee(cheat, mode, {"secret": "hf_token_of_the_referee"}, HF_TOKEN="hf_token_of_the_referee")
    out, error = process.communicate(timeout=30)
    if mode == "bubblewrap":
        assert out.split() == ["ready", "done"] and process.returncode == 0
    else:
        assert "escaped: ['environ of" in error


FILES = b"""
import os, time, lnbench

class Files(lnbench.Poisoner):
    def poison(self, problem):
        for i in range(3000):
            os.close(os.open(f"/tmp/{i}", os.O_CREAT))
        time.sleep(1.5)
        return problem.labels
"""


def test_empty_files_count_as_memory(
    data: Any, track: Any, streams: Any, bubblewrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Millions of them are gigabytes of the kernel's; here a file counts as half a mebibyte, and the limit is 1 GiB."""
    monkeypatch.setattr(memory.Group, "make", lambda *_: None)
    files = Submission.from_bytes("files.py", FILES)
    made = poison(files, data, track, 0, streams, mode=bubblewrap, seconds=60)
    assert (made.memory_cap, made.labels.tolist()) == ("watched", data.labels.tolist())
    monkeypatch.setattr(memory, "FILE_BYTES", 1 << 19)
    with pytest.raises(SubmissionError, match=r"files\.py: its processes held more than 1 GiB together"):
        poison(files, data, track, 0, streams, mode=bubblewrap, seconds=60)
