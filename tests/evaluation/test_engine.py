"""The local engine: results, errors by their class, killed workers, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

import lnbench
from lnbench.errors import DataError, ProtocolError, UnavailableError
from lnbench.evaluation.engine import engine, handover
from lnbench.evaluation.engine.local import LocalEngine

HERE = Path(__file__).parent


def work(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """What the workers of these tests run."""
    print("chatter on standard output must not reach the parent's pipe")
    if "log" in cell:
        with open(cell["log"], "a", encoding="utf-8") as file:
            file.write(f"{cell['n']} {os.getpid()}\n")
    if cell.get("wrong") == "data":
        raise DataError("the data is gone.")
    if cell.get("wrong") == "bug":
        raise ZeroDivisionError("a bug")
    if cell.get("wrong") == "killed once" and not Path(cell["mark"]).exists():
        Path(cell["mark"]).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if cell.get("wrong") == "killed always":
        os.kill(os.getpid(), signal.SIGKILL)
    report(0.5)
    time.sleep(cell.get("seconds", 0))
    seen = {"environment": dict(os.environ), "path": sys.path, "package": lnbench.__file__}
    return {"square": cell["n"] ** 2, **(seen if cell.get("seen") else {})}


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(HERE.parent)]))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")


def _run(cells: list[dict[str, Any]], workers: int = 2) -> dict[int, dict[str, Any]]:
    events = engine("local", workers).map("test_engine:work", cells)
    return {index: result for index, _, result in events if result is not None}


def test_every_cell_comes_back_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    events = list(engine("local", 2).map("test_engine:work", [{"n": n, "log": str(log)} for n in range(5)]))
    results = {i: r for i, _, r in events if r is not None}
    assert {i: r["square"] for i, r in results.items()} == {0: 0, 1: 1, 2: 4, 3: 9, 4: 16}
    assert [share for i, share, r in events if i == 3 and r is None] == [0.5]
    lines = log.read_text().split("\n")[:-1]
    assert sorted(line.split()[0] for line in lines) == list("01234")
    assert len({line.split()[1] for line in lines}) == 2


def test_a_worker_killed_once_costs_its_cell_a_second_try(tmp_path: Path) -> None:
    cells: list[dict[str, Any]] = [{"n": 3, "wrong": "killed once", "mark": str(tmp_path / "mark")}, {"n": 4}]
    assert {i: r["square"] for i, r in _run(cells, 1).items()} == {0: 9, 1: 16}


def test_a_cell_that_kills_every_worker_is_a_sentence_about_memory() -> None:
    with pytest.raises(UnavailableError, match=r"died twice on the same cell.*fewer --workers"):
        _run([{"n": 1, "wrong": "killed always"}], 1)


def test_our_errors_keep_their_class_and_bugs_their_traceback() -> None:
    with pytest.raises(DataError, match=r"^the data is gone\.$"):
        _run([{"n": 1, "wrong": "data"}])
    with pytest.raises(RuntimeError, match="ZeroDivisionError: a bug"):
        _run([{"n": 1, "wrong": "bug"}])


def test_closing_early_leaves_no_worker(tmp_path: Path) -> None:
    log = tmp_path / "log"
    events = engine("local", 1).map("test_engine:work", [{"n": 1, "log": str(log), "seconds": 60}])
    assert next(events)[1] == 0.5
    assert isinstance(events, Generator)
    events.close()
    pid = int(log.read_text().split()[1])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_each_worker_sees_one_gpu() -> None:
    many = LocalEngine(3, ("0", "MIG-a"))
    assert [many._sees(i)["CUDA_VISIBLE_DEVICES"] for i in range(3)] == ["0", "MIG-a", "0"]
    ((_, _, result),) = (e for e in LocalEngine(1, ("7",)).map("test_engine:work", [{"n": 1, "seen": True}]) if e[2])
    assert result is not None and result["environment"]["CUDA_VISIBLE_DEVICES"] == "7"


def test_no_cells_start_no_worker() -> None:
    assert _run([]) == {}


def test_unknown_engines_and_no_workers_are_refused() -> None:
    with pytest.raises(ProtocolError, match="no engine is called 'slurm'"):
        engine("slurm", 1)
    with pytest.raises(ProtocolError, match="at least 1; got 0"):
        engine("local", 0)


# --- what a worker is given


def _seen(monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, Any]:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return _run([{"n": 1, "seen": True}], 1)[0]


def test_no_variable_of_the_caller_changes_arithmetic_or_code(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["OMP_NUM_THREADS", "MKL_CBWR", "MKL_NUM_THREADS", "TORCH_LOGS", "PYTORCH_NO_CUDA_MEMORY_CACHING"]
    names += ["NVIDIA_TF32_OVERRIDE", "CUBLAS_WORKSPACE_CONFIG", "PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONHASHSEED"]
    names += ["LNBENCH_BENCH_DEVICE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "GH_TOKEN", "SEASON_SALT", "LD_AUDIT"]
    seen = _seen(monkeypatch, **dict.fromkeys(names, "77"))["environment"]
    assert "77" not in seen.values()
    assert {seen[f"{name}_NUM_THREADS"] for name in ("OMP", "MKL", "OPENBLAS")} == {"1"}


def test_settings_reach_a_worker_as_the_caller_means_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Caches, proxies, certificates and switches; a relative path means the caller's working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LNBENCH_CACHE", raising=False)
    as_is = {
        "HTTPS_PROXY": "http://proxy:3128",
        "no_proxy": "localhost",
        "HF_HUB_OFFLINE": "1",
        "LNBENCH_OFFLINE": "yes",
    }
    as_is |= {"HF_ENDPOINT": "http://127.0.0.1:9", "CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    paths = {
        "XDG_CACHE_HOME": str(tmp_path / "xdg"),
        "SSL_CERT_FILE": "ca.pem",
        "LNBENCH_DATA": "data",
        "HF_HOME": "hf",
    }
    seen = _seen(monkeypatch, **as_is, **paths)["environment"]
    assert {name: seen[name] for name in as_is} == as_is
    assert {name: seen[name] for name in paths} == {name: str(tmp_path / path) for name, path in paths.items()}
    assert seen["LNBENCH_CACHE"] == str(tmp_path / "xdg" / "lnbench")
    assert os.path.isabs(seen["TMPDIR"])
    seen = _seen(monkeypatch, LNBENCH_CACHE="here")["environment"]
    assert seen["LNBENCH_CACHE"] == str(tmp_path / "here")


@pytest.mark.parametrize("entry", ["", ".", "somewhere/below"])
def test_no_worker_searches_the_working_folder(entry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "somewhere" / "below").mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "somewhere" / "below"):
        for name in ("queue.py", "json.py", "sitecustomize.py", "usercustomize.py", "numpy.py"):
            (folder / name).write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    names = ("PYTHONPATH", "LD_LIBRARY_PATH", "PATH")
    given = {name: os.pathsep.join([*filter(None, [os.environ.get(name)]), entry, "/somewhere"]) for name in names}
    seen = _seen(monkeypatch, **given)
    assert not (tmp_path / "ran").exists()
    assert "" not in seen["path"] and not any(path.startswith(str(tmp_path)) for path in seen["path"])
    for name in names:
        folders = seen["environment"][name].split(os.pathsep)
        assert all(map(os.path.isabs, folders)) and folders[-1] == "/somewhere"


def test_a_worker_runs_the_callers_lnbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not another that PYTHONPATH leads to, nor one in the working folder."""
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path, tmp_path / "other"):
        (folder / "lnbench").mkdir(parents=True)
        (folder / "lnbench" / "__init__.py").write_text("raise ImportError\n")
    path = os.pathsep.join([str(tmp_path / "other"), str(HERE), str(HERE.parent)])
    assert Path(_seen(monkeypatch, PYTHONPATH=path)["package"]) == Path(lnbench.__file__).resolve()


def test_a_caller_without_standard_error_has_workers_all_the_same() -> None:
    code = """
        import os
        for fd in {closed}:
            os.close(fd)
        from lnbench.evaluation.engine import engine
        results = [r for _, _, r in engine("local", 1).map("test_engine:work", [{{"n": 3}}]) if r]
        os._exit(results[0]["square"])
    """
    path = os.pathsep.join([str(HERE), str(HERE.parent), str(Path(lnbench.__file__).parents[1])])
    for closed in ((2,), (0, 1), (0, 1, 2)):
        done = subprocess.run(
            [sys.executable, "-P", "-c", textwrap.dedent(code).format(closed=closed)],
            env={**os.environ, "PYTHONPATH": path},
            timeout=60,
        )
        assert done.returncode == 9, closed


def test_the_lists_of_variables_name_each_once() -> None:
    lists = [*handover._SETTINGS, *handover._PATHS, *handover._SEARCHED]
    assert len(set(lists)) == len(lists)
