"""Files that are named, packed or placed differently, places that hide each other, and downloads that fail."""

from __future__ import annotations

import gc
import gzip
import hashlib
import shutil
import socket
import struct
import threading
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import batches
import loopback
from lnbench.data import cifar10, downloads, folders, mnist
from lnbench.data.downloads import Remote
from lnbench.errors import DataError
from lnbench.protocol import Streams
from lnbench.protocol.data_spec import DataSpec

STREAMS = Streams("0" * 64)
IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def _idx(array: np.ndarray) -> bytes:
    return struct.pack(f">{1 + array.ndim}I", 0x800 | array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """LNBENCH_DATA with a little MNIST in it; nothing in the cache."""
    rng, pinned, raw = np.random.default_rng(0), {}, tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, (shape, _) in mnist._FILES.items():
        array = rng.integers(0, 10, (30 if shape[0] == 60000 else 10, *shape[1:])).astype(np.uint8)
        (raw / name).write_bytes(_idx(array))
        pinned[name] = (array.shape, hashlib.sha256(array.tobytes()).hexdigest())
    monkeypatch.setattr(mnist, "_FILES", pinned)
    monkeypatch.setenv("LNBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LNBENCH_CACHE", str(tmp_path / "cache"))
    mnist._base.cache_clear()
    yield tmp_path / "data"
    mnist._base.cache_clear()


def _load() -> None:
    mnist.load(DataSpec(source="mnist", train=20, classes=10), 0, STREAMS)


def _refused() -> str:
    with pytest.raises(DataError) as caught:
        _load()
    text = str(caught.value)
    assert "\n" not in text and text.endswith(".") and ". " not in text and caught.value.exit_code == 3
    return text


def _renamed(place: Path) -> None:
    for path in (place / "MNIST" / "raw").iterdir():
        path.rename(path.with_name(path.name.replace("-idx", ".idx")))


def _packed(place: Path) -> None:
    for path in (place / "MNIST" / "raw").iterdir():
        path.with_suffix(".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


def _nested(place: Path) -> None:
    for path in (place / "MNIST" / "raw").iterdir():
        inner = path.rename(path.with_suffix(".tmp"))
        path.mkdir()
        inner.rename(path / path.name)


def _one_up(place: Path) -> None:
    (place / "MNIST" / "raw").rename(place / "raw")
    (place / "MNIST").rmdir()
    (place / "raw").rename(place / "MNIST")


def _loose(place: Path) -> None:
    for path in (place / "MNIST" / "raw").iterdir():
        path.rename(place / path.name)
    shutil.rmtree(place / "MNIST")


def _lower_case(place: Path) -> None:
    (place / "MNIST").rename(place / "mnist")


def _twice(place: Path) -> None:
    (place / "MNIST").rename(place / "x")
    (place / "MNIST").mkdir()
    (place / "x").rename(place / "MNIST" / "MNIST")


def _empty(place: Path) -> None:
    shutil.rmtree(place / "MNIST" / "raw")
    (place / "MNIST" / "raw").mkdir()


def _other_format(place: Path) -> None:
    _empty(place)
    (place / "MNIST" / "raw" / "mnist.npz").write_bytes(b"")


LIKE: dict[str, tuple[Callable[[Path], None], str]] = {
    "as unzip names them": (_renamed, "raw/train-images.idx3-ubyte is there: rename it to train-images-idx3-ubyte"),
    "packed": (_packed, "raw/train-images-idx3-ubyte.gz is packed: unpack it to {0}/MNIST/raw/train-images-idx3-ubyte"),
    "in folders of their names": (
        _nested,
        "is a folder: put the file train-images-idx3-ubyte that is in it in its place",
    ),
    "without raw": (_one_up, "{0}/MNIST/train-images-idx3-ubyte is there: move it to {0}/MNIST/raw/train-images-idx3"),
    "without folders": (_loose, "{0}/train-images-idx3-ubyte is there: move it to {0}/MNIST/raw/train-images-idx3"),
    "in lower case": (_lower_case, "{0}/mnist/raw/train-images-idx3-ubyte is there: move it to {0}/MNIST/raw/train-im"),
    "twice as deep": (_twice, "train-images-idx3-ubyte is there: set LNBENCH_DATA to {0}/MNIST."),
    "nothing": (
        _empty,
        "there is no such file; {0}/MNIST/raw is empty; put the right file there, or unset LNBENCH_DATA",
    ),
    "another format": (
        _other_format,
        "there is no such file; in {0}/MNIST/raw are mnist.npz; put the right file there",
    ),
}


@pytest.mark.parametrize("how", LIKE)
def test_files_that_are_almost_there_are_named(how: str, place: Path) -> None:
    change, words = LIKE[how]
    change(place)
    said = _refused()
    assert words.format(place) in said, said
    assert "delete" not in said


@pytest.mark.parametrize("deeper", ["MNIST", "MNIST/raw"])
def test_a_variable_that_points_too_deep_is_corrected(
    deeper: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LNBENCH_DATA", str(place / deeper))
    assert f"raw/{IMAGES} is there: set LNBENCH_DATA to {place}." in _refused()
    monkeypatch.setenv("LNBENCH_DATA", str(place.parent))
    assert f"raw/{IMAGES} is there: set LNBENCH_DATA to {place}." in _refused(), "and one that does not, too"


def _cut(place: Path) -> None:
    path = place / "MNIST" / "raw" / LABELS
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    "spoil", [_renamed, _packed, _empty, _cut, lambda place: (place / "MNIST" / "raw" / IMAGES).unlink()]
)
def test_a_folder_that_is_not_whole_does_not_hide_the_one_in_the_cache(
    spoil: Callable[[Path], None], place: Path
) -> None:
    whole = folders.downloads() / "MNIST"
    shutil.copytree(place / "MNIST", whole)
    spoil(place)
    _load()
    (whole / "raw" / LABELS).write_bytes(b"")
    mnist._base.cache_clear()
    assert _refused().startswith(f"{place}/MNIST/raw/"), "of two bad ones, the chosen one is what is told"


def test_only_what_lnbench_downloaded_is_ever_to_be_deleted(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = folders.downloads()
    cache.mkdir(parents=True)
    _cut(place)
    monkeypatch.delenv("LNBENCH_DATA")
    shutil.copytree(place / "MNIST", cache / "MNIST")
    assert f"delete {cache}/MNIST, which lnbench downloaded, and run again, or set LNBENCH_DATA to" in _refused()
    shutil.rmtree(cache / "MNIST")
    (cache / "MNIST").symlink_to(place / "MNIST")
    assert "put the right file there, or set LNBENCH_DATA" in _refused(), "a link to the user's own files"
    monkeypatch.setenv("LNBENCH_DATA", str(cache))
    (cache / "MNIST").unlink()
    shutil.copytree(place / "MNIST", cache / "MNIST")
    assert "delete" not in _refused(), "what the user chose is the user's, wherever it is"


def test_batches_in_an_archive_or_elsewhere_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LNBENCH_DATA", str(tmp_path))
    monkeypatch.setenv("LNBENCH_CACHE", str(tmp_path / "cache"))
    spec = DataSpec(source="cifar10", train=20, classes=10)

    def said() -> str:
        with pytest.raises(DataError) as caught:
            cifar10.load(spec, 0, STREAMS)
        return str(caught.value)

    assert "set LNBENCH_DATA to the folder that holds cifar-10-batches-py" in said()
    archive = tmp_path / "cifar-10-python.tar.gz"
    archive.write_bytes(b"")
    assert f"{archive} is packed: unpack it in {tmp_path}." in said()
    (tmp_path / cifar10.FOLDER).mkdir()
    assert f"data_batch_1: there is no such file; {archive} is packed: unpack it in {tmp_path}." in said()
    archive.unlink()
    batches.write(tmp_path, "data_batch_1", np.zeros((20, 3072), np.uint8), np.zeros(20, np.int64))
    assert f"{tmp_path}/data_batch_1 is there: move it to {tmp_path}/cifar-10-batches-py/data_batch_1." in said()


def test_a_folder_with_too_much_in_it_is_not_searched_for_ever(tmp_path: Path) -> None:
    from lnbench.data import lookalikes

    for number in range(60):
        (tmp_path / f"{number:02}").mkdir()
        for file in range(100):
            (tmp_path / f"{number:02}" / f"{file}.txt").touch()
    (tmp_path / "zz").mkdir()
    (tmp_path / "zz" / IMAGES).touch()
    assert lookalikes.advice(tmp_path / "MNIST" / "raw" / IMAGES, tmp_path) == ""


# --- downloads, as torchvision makes them, from a server here


class _Server(BaseHTTPRequestHandler):
    """Gives what it was told, whatever is asked for."""

    status, body = 200, b""
    url: str

    def _any(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(self.body)

    do_GET = do_HEAD = do_CONNECT = _any

    def log_message(self, *_: object) -> None:
        pass


left_open = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
"""torchvision leaves the answers open that it does not like, until the garbage is collected."""


@pytest.fixture
def server(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Server]]:
    """torchvision's mirror of MNIST, which is nowhere here."""
    from torchvision.datasets import MNIST

    shutil.rmtree(place / "MNIST")
    for name in ("LNBENCH_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    handler: type[_Server] = type("Handler", (_Server,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        url = f"http://127.0.0.1:{listening.server_port}/"
        handler.url = url
        monkeypatch.setattr(MNIST, "mirrors", [url])
        monkeypatch.setattr(mnist, "_REMOTE", Remote(url.rstrip("/"), mnist._download))
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        monkeypatch.setattr(urllib.request, "_opener", None)  # the first request of a process reads its proxies
        yield handler
        listening.shutdown()
        thread.join()
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        gc.collect()


@left_open
@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (451, b"", "may not give it away in this country, for legal reasons (HTTP 451)"),
        (404, b"", "has no such thing (HTTP 404)"),
        (407, b"", "the proxy asks for another user name or password (HTTP 407): a proxy of the network holds them"),
        (503, b"", "has trouble of its own (HTTP 503)"),
        (
            200,
            b"<html>Your room number?</html>",
            "answered with something else than what was asked for: the login page",
        ),
    ],
)
def test_what_a_mirror_answers_instead(status: int, body: bytes, words: str, server: type[_Server]) -> None:
    server.status, server.body = status, body
    said = _refused()
    assert f"and downloading it failed: {'' if status == 407 else server.url.rstrip('/')}" in said and words in said, (
        said
    )
    assert list(folders.downloads().iterdir()) == []


@left_open
def test_proxies_and_names_that_a_download_fails_with(server: type[_Server], monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for value, words in (
        (f"http://u:s3cret@127.0.0.1:{port}", "the proxy 127.0.0.1 (http_proxy) could not be reached or broke off"),
        ("http://u:s3cret@proxy.invalid:1", "the proxy proxy.invalid (http_proxy) could not be reached: its name has"),
        ("socks5://u:s3cret@127.0.0.1:1", "http_proxy begins with socks5://, not with http:// or https://"),
        ("http://u:s3cret@127.0.0.1:port", "http_proxy is not an address such as http://HOST:PORT"),
    ):
        monkeypatch.setenv("http_proxy", value)
        monkeypatch.setattr(urllib.request, "_opener", None)
        said = _refused()
        assert words in said and "s3cret" not in said, said
    monkeypatch.delenv("http_proxy")
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:1")  # which urllib does not read
    monkeypatch.setattr(urllib.request, "_opener", None)
    server.status = 404
    assert "ALL_PROXY" not in _refused()


@left_open
def test_a_mirror_whose_certificate_nobody_trusts(
    server: type[_Server], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.datasets import MNIST

    pem = Path(__file__).parents[1] / "hub" / "self_signed.pem"
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with loopback.serving(pem) as secure:
        monkeypatch.setattr(MNIST, "mirrors", [f"{secure.url}/"])
        monkeypatch.setattr(mnist, "_REMOTE", Remote(secure.url, mnist._download))
        remedy = "if your network or Hub has a certificate authority of its own, set SSL_CERT_FILE to its file"
        said = _refused()
        assert f"the certificate of {secure.url} is not trusted (self" in said and remedy in said
        monkeypatch.setenv("SSL_CERT_FILE", str(place / "none.pem"))
        assert f"SSL_CERT_FILE names no file ({place}/none.pem)" in _refused()
        assert secure.took() == []
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        assert f"{secure.url} has no such thing (HTTP 404)" in _refused(), "with it, it is asked"


@left_open
def test_a_mirror_that_says_nothing_is_given_up(server: type[_Server], monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import MNIST

    monkeypatch.setattr(downloads, "SILENCE", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{silent.getsockname()[1]}/"])
        assert "could not be reached or broke off (it did not answer in time)" in _refused()
