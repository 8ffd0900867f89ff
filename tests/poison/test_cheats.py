"""Every file of tests/cheats gets exactly the verdict that its docstring states.

The docstring is read as text, the file is never imported. Its fields: `Verdict` (the error and its whole sentence, or
`harmless`: valid labels, and nothing outside noticed), `Modes` (where it gets it; bubblewrap and none if not said),
`Seconds` (the time it is given), `Deterministic` (`no` if two runs differ), `Unboxed` (what the same file achieves
without a sandbox: the proof that its attempt is a real one).
"""

from __future__ import annotations

import ast
import os
import re
import secrets
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lnbench.errors import LnbenchError, SubmissionError
from lnbench.evaluation.label_runs import repeated
from lnbench.evaluation.stages import poison_all
from lnbench.evaluation.store import Store
from lnbench.poison.run import PoisonedLabels, Submission, poison
from lnbench.poison.sandbox import BUBBLEWRAP, NONE

FOLDER = Path(__file__).parents[1] / "cheats"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
SECRET = "hf_a_secret_of_the_referee"


@dataclass(frozen=True)
class Header:
    """The fields of a cheat's docstring."""

    verdict: str
    modes: tuple[str, ...] = (BUBBLEWRAP, NONE)
    seconds: float | None = None
    deterministic: bool = True
    unboxed: str = ""

    @classmethod
    def of(cls, path: Path) -> Header:
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        found = re.findall(r"^(\w+): (.*(?:\n    .*)*)", text, flags=re.MULTILINE)
        fields = {name: " ".join(value.split()) for name, value in found}
        return cls(
            fields["Verdict"],
            tuple(fields.get("Modes", f"{BUBBLEWRAP}, {NONE}").split(", ")),
            float(fields["Seconds"]) if "Seconds" in fields else None,
            fields.get("Deterministic") != "no",
            fields.get("Unboxed", ""),
        )


@dataclass
class Bait:
    """What a cheat would like to reach, and whether anybody did."""

    folder: Path
    caught: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.mark = f"cheat-{secrets.token_hex(4)}"
        self.values: dict[str, Any] = {"secret": SECRET, "referee": os.getpid(), "mark": self.mark}
        for name in ("token_file", "cache_file", "other_split", "canary"):
            path = self.folder / name
            path.write_text(SECRET)
            self.values[name] = str(path)
        self.values |= {"unix_path": str(self.folder / "socket"), "abstract": self.mark}
        tcp, udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
        tcp.bind(("127.0.0.1", 0))
        self.values["port"] = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", self.values["port"]))
        unix, abstract = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        unix.bind(self.values["unix_path"])
        abstract.bind("\0" + self.mark)
        self.sockets = {"tcp": tcp, "udp": udp, "unix": unix, "abstract": abstract}
        self.stop = threading.Event()
        self.listeners = [threading.Thread(target=self._listen, args=item) for item in self.sockets.items()]
        for s in (tcp, unix, abstract):
            s.listen()
        for thread in self.listeners:
            thread.start()

    def _listen(self, name: str, s: socket.socket) -> None:
        s.settimeout(0.02)
        while not self.stop.is_set():
            try:
                if name == "udp":
                    s.sendto(b"x", s.recvfrom(16)[1])
                else:
                    s.accept()[0].close()
                self.caught.append(name)
            except TimeoutError:
                continue

    def close(self) -> None:
        self.stop.set()
        for thread in self.listeners:
            thread.join()
        for s in self.sockets.values():
            s.close()

    def survivors(self) -> list[str]:
        """Processes that a cheat marked as its own."""
        found = []
        for path in Path("/proc").glob("[0-9]*/comm"):
            try:
                dead = path.with_name("stat").read_text().rpartition(")")[2].split()[0] == "Z"
                if path.read_text().strip() == self.mark[:15] and not dead:
                    found.append(path.parts[2])
            except OSError:
                continue
        return found


@pytest.fixture
def bait(tmp_path: Path) -> Iterator[Bait]:
    bait = Bait(tmp_path)
    yield bait
    bait.close()


def run(name: str, mode: str, bait: Bait, data: Any, track: Any, streams: Any, header: Header) -> PoisonedLabels:
    path = FOLDER / f"{name}.py"
    known = re.findall(r"^    (\w+): (?:str|int) = ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    given = {name: bait.values[name] for name in known if name in bait.values}
    return poison(Submission.from_file(path, given), data, track, 0, streams, mode=mode, seconds=header.seconds)


CASES = [(name, mode) for name in NAMES for mode in Header.of(FOLDER / f"{name}.py").modes]


@pytest.mark.parametrize(("name", "mode"), CASES, indirect=["mode"], ids=[f"{name}-{mode}" for name, mode in CASES])
def test_verdict(name: str, mode: str, bait: Bait, data: Any, track: Any, streams: Any) -> None:
    header = Header.of(FOLDER / f"{name}.py")
    inputs, labels = data.inputs.copy(), data.labels.copy()
    signals: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: signals.append(number))
    try:
        if header.verdict == "harmless":
            result = run(name, mode, bait, data, track, streams, header)
            assert len(np.flatnonzero(result.labels != data.labels)) == track.noise.budget
        else:
            with pytest.raises(LnbenchError) as caught:
                run(name, mode, bait, data, track, streams, header)
            assert f"{caught.type.__name__}: {caught.value}" == header.verdict
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert np.array_equal(data.inputs, inputs) and np.array_equal(data.labels, labels)
    assert bait.caught == [] and signals == [] and bait.survivors() == []
    assert Path(bait.values["canary"]).read_text() == SECRET


def test_the_list_of_cheats_names_every_file_once() -> None:
    listed = re.findall(
        r"`([a-z_]+)`", "".join(re.findall(r"^\|.*\|$", (FOLDER / "README.md").read_text("utf-8"), re.M))
    )
    assert sorted(listed) == NAMES


@pytest.mark.parametrize("name", [n for n in NAMES if Header.of(FOLDER / f"{n}.py").unboxed])
def test_the_attempt_is_real(name: str, bait: Bait, data: Any, track: Any, streams: Any) -> None:
    """Without a sandbox the same file gets through: were the box open, `test_verdict` would see it."""
    header = Header.of(FOLDER / f"{name}.py")
    if "environ" in header.unboxed:
        pytest.skip("the referee's environment is its starting one: see test_sandbox.py")
    with pytest.raises(SubmissionError) as caught:
        run(name, NONE, bait, data, track, streams, header)
    assert header.unboxed in str(caught.value)


@pytest.mark.parametrize("name", ["non_deterministic", "hash_order"])
def test_a_second_run_tells(name: str, mode: str, bait: Bait, data: Any, track: Any, streams: Any) -> None:
    header = Header.of(FOLDER / f"{name}.py")
    runs = [run(name, mode, bait, data, track, streams, header) for _ in range(3)]
    same = all(np.array_equal(runs[0].labels, other.labels) for other in runs[1:])
    assert same == header.deterministic


@pytest.mark.parametrize("splits", [2, 5])
def test_luck_anywhere_but_on_the_first_split_is_seen(
    splits: int, data: Any, track: Any, streams: Any, tmp_path: Path
) -> None:
    lucky = Submission.from_file(FOLDER / "lucky_elsewhere.py")
    assert poison(lucky, data, track, 0, streams, mode=NONE).labels.tolist() == (
        poison(lucky, data, track, 0, streams, mode=NONE).labels.tolist()
    )
    place = Store(tmp_path)
    for _ in ("drawn", "resumed"):
        made, same = poison_all(lucky, track, [data] * splits, streams, NONE, 1, place, lambda _: None, twice=True)
        assert len(made) == splits and not same


def test_which_splits_are_run_twice_is_a_secret_that_a_row_keeps(tmp_path: Path) -> None:
    store = Store(tmp_path)
    draw = {"source": "one", "splits": 48}
    drawn = [repeated(draw, store) for _ in range(40)]
    assert len(set(map(tuple, drawn))) > 30 and all(len(set(d)) == 2 and set(d) < set(range(48)) for d in drawn)
    store.put("splits", draw, {"splits": drawn[0]})
    assert all(repeated(draw, store) == drawn[0] for _ in range(10))
    assert repeated({"splits": 1}, store) == [0] and repeated({"splits": 2}, store) == [1]


def test_a_submission_is_what_its_text_says(mode: str, data: Any, track: Any, streams: Any) -> None:
    path = FOLDER / "states_itself.py"
    for given, overrides in (("far", {"bucket": "far"}), ("near", {})):
        result = poison(Submission.from_file(path, {"bucket": given}), data, track, 0, streams, mode=mode)
        assert (result.description, result.author, result.license) == ("The description.", "The author", "MIT")
        assert (result.parameters, result.overrides) == ({"bucket": given}, overrides)
        assert np.flatnonzero(result.labels != data.labels).tolist() == ([51, 55, 59] if given == "far" else [3, 7, 11])


def test_injection_is_defused(mode: str, bait: Bait, data: Any, track: Any, streams: Any) -> None:
    from lnbench.poison.run import quoted

    header = Header.of(FOLDER / "injection.py")
    result = run("injection", mode, bait, data, track, streams, header)
    texts = [result.description, result.author, result.paper, result.license]
    for text in [*texts, result.log.replace("\n", "").replace("\t", "")]:
        assert text.isprintable() and "##[" not in text
    assert len(result.description) <= 200 and len(result.license) <= 60
    assert all(line.startswith("  | ") for line in quoted(result.log).splitlines())
    assert "::stop-commands::" in result.log and "\n::error::no" in result.log


def test_output_is_cut(mode: str, bait: Bait, data: Any, track: Any, streams: Any) -> None:
    result = run("megabytes_of_output", mode, bait, data, track, streams, Header("harmless"))
    assert 65536 <= len(result.log) < 65700 and "[7934464 bytes left out]" in result.log
