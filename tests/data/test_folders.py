"""Where data and results lie: every way to say it, and every way to say it wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lnbench.data import downloads, folders
from lnbench.errors import DataError, LnbenchError, UnavailableError
from lnbench.evaluation.store import Store

VARIABLES = ("LNBENCH_CACHE", "LNBENCH_DATA", "XDG_CACHE_HOME", "HOME")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of one test, and none of the variables."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_the_cache_is_what_the_first_of_three_variables_says(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folders.cache_folder() == home / ".cache" / "lnbench"
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert folders.cache_folder() == Path("/xdg/lnbench")
    monkeypatch.setenv("LNBENCH_CACHE", "/mine")
    assert folders.cache_folder() == Path("/mine")
    assert folders.downloads() == Path("/mine/data") and Store().root == Path("/mine/store")
    monkeypatch.setenv("LNBENCH_CACHE", "")
    assert folders.cache_folder() == Path("/xdg/lnbench"), "an empty variable is none"


@pytest.mark.parametrize("name", ["LNBENCH_CACHE", "LNBENCH_DATA"])
def test_a_home_is_expanded_and_a_relative_path_made_absolute(
    name: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ask = folders.cache_folder if name == "LNBENCH_CACHE" else folders.data_folder
    for value, expected in (("~", home), ("~/a b", home / "a b"), ("x/y", tmp_path / "x/y")):
        monkeypatch.setenv(name, value)
        assert ask() == expected


@pytest.mark.parametrize("name", ["LNBENCH_CACHE", "LNBENCH_DATA"])
def test_a_home_that_nobody_has_is_said(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "~no-such-user/x")
    with pytest.raises(UnavailableError, match=f"{name} is '~no-such-user/x', which leads nowhere here; set it to an"):
        list(folders.places())


@pytest.mark.parametrize("told", [None, "relative"])
def test_without_a_home_a_cache_has_to_be_named(told: str | None, tmp_path: Path) -> None:
    """As a user that the system does not know, which is what containers often give: no folder called ~ appears."""
    code = (
        "import os, sys\nfrom unittest import mock\nfrom lnbench.errors import UnavailableError\n"
        "from lnbench.data import folders\n"
        "with mock.patch('pwd.getpwuid', side_effect=KeyError):\n"
        "    try: folders.cache_folder()\n    except UnavailableError as error: print(error)\n"
        "    os.environ['LNBENCH_CACHE'] = '/c'\n    print(folders.cache_folder())\n"
    )
    env = {k: v for k, v in os.environ.items() if k not in VARIABLES} | {"PYTHONPATH": ":".join(filter(None, sys.path))}
    env |= {"HOME": told} if told else {}
    done = subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert "this user has no home folder" in done.stdout and "set LNBENCH_CACHE to a folder" in done.stdout, done.stderr
    assert done.stdout.endswith("\n/c\n") and list(tmp_path.glob("*")) == [tmp_path / "home"]


def test_a_chosen_place_that_is_not_a_folder_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, link, loop = tmp_path / "file", tmp_path / "link", tmp_path / "loop"
    file.write_text("")
    link.symlink_to(tmp_path / "gone")
    loop.symlink_to(loop)
    for path, words in ((file, "not a folder"), (link, "a link to nothing"), (loop, "a link to nothing")):
        monkeypatch.setenv("LNBENCH_DATA", str(path))
        with pytest.raises(DataError, match=rf"LNBENCH_DATA is {path}, which is {words}; set it to the folder"):
            downloads.find("MNIST")


def test_links_to_folders_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real" / "MNIST").mkdir(parents=True)
    (tmp_path / "cache").mkdir()
    for name, link in (("LNBENCH_DATA", "data"), ("LNBENCH_CACHE", "linked-cache")):
        (tmp_path / link).symlink_to(tmp_path / ("real" if name == "LNBENCH_DATA" else "cache"))
        monkeypatch.setenv(name, str(tmp_path / link))
    assert downloads.find("MNIST") == tmp_path / "data" / "MNIST"
    store = Store()
    store.put("cells", {"a": 1}, {"b": 2})
    assert store.get("cells", {"a": 1}) == {"b": 2} and list((tmp_path / "cache" / "store").rglob("*.json"))


def test_a_place_that_may_not_be_looked_into_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LNBENCH_DATA", str(tmp_path))
    stat = os.stat

    def locked(path: str | os.PathLike[str], *args: object, **kwargs: object) -> os.stat_result:
        if str(path).endswith("MNIST"):  # root may look everywhere
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "stat", locked)
    with pytest.raises(DataError, match=r"MNIST: cannot be read \(Permission denied\); set LNBENCH_DATA to the folder"):
        downloads.find("MNIST")
    (folders.downloads() / "CIFAR").mkdir(parents=True)
    locked_name = tmp_path / "CIFAR"
    monkeypatch.setattr(
        os, "stat", lambda path, *a, **k: locked("MNIST") if path == locked_name else stat(path, *a, **k)
    )
    assert downloads.find("CIFAR") == folders.downloads() / "CIFAR", "what is in the cache is not hidden by it"


@pytest.mark.parametrize(("name", "value", "off"), [("LNBENCH_OFFLINE", "1", True), ("HF_HUB_OFFLINE", "ON", True)])
def test_offline_names_the_variable(name: str, value: str, off: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for other in ("LNBENCH_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.setenv(other, "0")
    assert folders.offline() == ""
    monkeypatch.setenv(name, value)
    assert folders.offline() == name


def test_what_is_handed_to_workers_means_the_same_there(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another folder, with no other variable than those handed over, not even HOME."""
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there, here / "data"):
        folder.mkdir()
    monkeypatch.chdir(here)
    settings = {
        "XDG_CACHE_HOME": f"{here}/xdg",
        "LNBENCH_DATA": "data",
        "SSL_CERT_FILE": "ca.pem",
        "REQUESTS_CA_BUNDLE": "/abs/ca.pem",
        "HF_HOME": "~/hf",
        "HF_TOKEN": "hf_secret",
        "HF_ENDPOINT": "http://127.0.0.1:1",
        "HF_HUB_OFFLINE": "1",
        "https_proxy": "http://127.0.0.1:2",
        "NO_PROXY": "localhost",
        "LNBENCH_OFFLINE": "0",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("UNRELATED", "1")
    handed = folders.environment()
    expected = settings | {
        "LNBENCH_CACHE": f"{here}/xdg/lnbench",
        "LNBENCH_DATA": f"{here}/data",
        "SSL_CERT_FILE": f"{here}/ca.pem",
    }
    others = {name for name in handed if name not in expected}
    assert {name: handed[name] for name in expected} == expected and "UNRELATED" not in handed
    assert all(name.lower().endswith("_proxy") or name in os.environ for name in others)
    code = (
        "import json\nfrom lnbench.data import folders\nfrom lnbench.evaluation.store import default_root\n"
        "print(json.dumps([*map(str, folders.places()), str(default_root()), folders.offline()]))"
    )
    env = handed | {"PYTHONPATH": ":".join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=there, env=env, capture_output=True, text=True, check=True
    )
    cache = f"{here}/xdg/lnbench"
    assert json.loads(done.stdout) == [f"{here}/data", f"{cache}/data", f"{cache}/store", "HF_HUB_OFFLINE"]


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LNBENCH_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LNBENCH_CACHE", str(tmp_path / "file"))
    remote = downloads.Remote("http://127.0.0.1", lambda root: pytest.fail("it tried to download"))
    with pytest.raises(
        LnbenchError, match=r"file/data cannot be written \(Not a directory\); set LNBENCH_CACHE"
    ) as said:
        downloads.read("MNIST", lambda folder: folder, remote, sample="x")
    assert said.value.exit_code == 3
