"""Proxies, certificates, tokens and networks that are wrong: one sentence that names the variable, and no secret."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import loopback

REPO = "somebody/poisoned"
API = "/api/datasets/somebody/poisoned"
SECRET = "s3cret"
CERTIFICATE = Path(__file__).with_name("self_signed.pem")
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
CLEAR = {name for name in os.environ if name.lower().endswith("_proxy") or name in CERTIFICATES}
"""What a machine says of its own network."""


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _said(done: Any) -> str:
    assert done.code == 3, done.err
    assert SECRET not in done.err and "Traceback" not in done.err, done.err
    assert len(done.err.strip().splitlines()) == 1 and done.error.count(". ") == 0 and done.error.endswith(".")
    return str(done.error)


@pytest.fixture
def wrong(client: Any, hub: loopback.Hub, fresh: dict[str, str]) -> Iterator[Any]:
    """`wrong("search", VARIABLE=…)`: what a verb says; the client forgets its connections before and after."""
    forget = "import huggingface_hub\nhuggingface_hub.close_session()\nresult = None"

    def run(*args: str, **env: str | None) -> str:
        client.python(forget)
        return _said(client.run(*args, **{**dict.fromkeys(CLEAR), **fresh, **env}))

    yield run
    client.python(forget)


@pytest.mark.parametrize("verb", [("pull", REPO), ("search",)], ids=" ".join)
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ALL_PROXY", f"socks://u:{SECRET}@127.0.0.1:7890", "ALL_PROXY begins with socks://, not with http:// or"),
        ("http_proxy", f"ftp://u:{SECRET}@127.0.0.1", "http_proxy begins with ftp://, not with http:// or"),
        ("HTTP_PROXY", f"http://u:{SECRET}@127.0.0.1:port", "HTTP_PROXY is not an address such as http://HOST:PORT"),
        ("HTTP_PROXY", f"http://u:{SECRET}/x@127.0.0.1:1", "HTTP_PROXY is not an address such as http://HOST:PORT"),
        ("all_proxy", "http://", "all_proxy names no host"),
        ("all_proxy", "http://[::1", "all_proxy is not an address"),
        ("all_proxy", f"u:{SECRET}@no host:1", "all_proxy names no host"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem", "SSL_CERT_FILE names no file (/nowhere/ca.pem)"),
        ("SSL_CERT_FILE", os.path.dirname(__file__), "SSL_CERT_FILE names no file"),
        ("SSL_CERT_FILE", __file__, "SSL_CERT_FILE names a file without certificates"),
        ("HF_TOKEN", f"hf_ab\u00f6{SECRET}", "HF_TOKEN holds characters that no token has; set HF_TOKEN to one"),
    ],
)
def test_a_variable_that_no_request_can_succeed_with_is_named(
    name: str, value: str, words: str, verb: tuple[str, ...], wrong: Any, hub: loopback.Hub
) -> None:
    assert f"failed: {words}" in wrong(*verb, **{name: value})
    assert hub.took() == []


def test_a_socks_proxy_needs_its_package(wrong: Any) -> None:
    if importlib.util.find_spec("socksio") is None:
        assert "(ALL_PROXY) speaks SOCKS, for which a package is missing: pip install socksio" in wrong(
            "search", ALL_PROXY=f"socks5://u:{SECRET}@127.0.0.1:7890"
        )


def test_a_proxy_that_is_not_there_is_named(wrong: Any) -> None:
    refused = wrong("pull", REPO, http_proxy=f"http://u:{SECRET}@127.0.0.1:{_free_port()}")
    assert "the proxy 127.0.0.1 (http_proxy) could not be reached or broke off (Connection refused)" in refused
    unknown = wrong("pull", REPO, HTTP_PROXY=f"u:{SECRET}@proxy.invalid:3128")
    assert "the proxy proxy.invalid (HTTP_PROXY) could not be reached: its name has no address" in unknown


class _Bouncer(BaseHTTPRequestHandler):
    """A proxy that wants to know who is asking, or that lets nobody out."""

    def _any(self) -> None:
        status = 407 if "u:" not in self.path and "Proxy-Authorization" not in self.headers else 403
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD = do_POST = do_CONNECT = _any

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def bouncer() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Bouncer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_proxy_that_asks_for_a_password_is_told_from_the_hub(wrong: Any, bouncer: str) -> None:
    said = wrong("pull", REPO, HTTP_PROXY=f"http://{bouncer}")
    assert "the proxy asks for another user name or password (HTTP 407): HTTP_PROXY holds them as http://USER:" in said


@pytest.mark.parametrize("value", ["hf_a b", "hf_a\nb", "\u20ac"])
def test_an_odd_token_is_named_when_it_is_not_known(value: str, wrong: Any) -> None:
    assert "HF_TOKEN holds characters that no token has" in wrong("pull", REPO, HF_TOKEN=value + SECRET)


@pytest.mark.parametrize("verb", [("pull", REPO), ("search",)], ids=" ".join)
@pytest.mark.parametrize(
    ("how", "words"),
    [
        (451, "may not give it away in this country, for legal reasons (HTTP 451)"),
        (511, "the network wants you to log in first, with a browser (HTTP 511"),
        (404, "has no such thing (HTTP 404); check HF_ENDPOINT"),
        (503, "has trouble of its own (HTTP 503)"),
        (400, "refused it (HTTP 400)"),
        ("page", "answered with something else than"),
    ],
)
def test_what_a_server_answers_instead(
    how: Any, words: str, verb: tuple[str, ...], wrong: Any, hub: loopback.Hub
) -> None:
    hub.fail("^GET ", how, times=99)
    assert words in wrong(*verb)


def test_a_login_page_in_place_of_files(wrong: Any, hub: loopback.Hub, pushed: Any) -> None:
    pushed(REPO, "--split", "0", "--labels-only")
    for pattern in (f"GET {API}/tree", "HEAD .*resolve"):
        hub.failures.clear()
        hub.fail(pattern, "page", times=99)
        assert "login page" in wrong("pull", REPO)


def test_a_server_that_says_nothing_is_given_up(wrong: Any, client: Any, hub: loopback.Hub) -> None:
    hub.fail("GET ", "silence", times=99)
    quick = "from lnbench.hub import failures\nresult = dict(failures._SILENCE)\nfailures._SILENCE[False] = 0.3"
    before = client.python(quick)
    try:
        assert "could not be reached or broke off (it did not answer in time)" in wrong("pull", REPO)
    finally:
        client.python(f"from lnbench.hub import failures\nfailures._SILENCE[False] = {before['false']}\nresult = None")


def test_a_folder_of_the_clients_that_cannot_be_used(client: Any) -> None:
    """The client reads HF_HOME when it is imported, so it is asked as it would be in a process of its own."""
    said = _alone(client, ["pull", REPO], HF_HOME=__file__, HF_TOKEN=None)
    assert f"{__file__}/token cannot be used (Not a directory); HF_HOME moves what" in said


def test_a_token_that_was_stored_and_is_none(client: Any, fresh: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(f"hf_\u00e9{SECRET}".encode())
    said = _alone(client, ["pull", REPO], **fresh, HF_TOKEN=None, HF_TOKEN_PATH=str(tmp_path / "token"))
    assert "failed: the token of `hf auth login` holds characters that no token has; set HF_TOKEN to one." in said


def _alone(client: Any, args: list[str], **env: str | None) -> str:
    """What a verb says in a process of its own."""
    changed = {
        name: value for name, value in {**client.env, **dict.fromkeys(CLEAR), **env}.items() if value is not None
    }
    done = subprocess.run(
        [sys.executable, "-P", "-m", "lnbench", *args], env=changed, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 3 and SECRET not in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert done.stdout == ""
    return done.stderr.strip()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("HF_ENDPOINT", "huggingface.co", "HF_ENDPOINT does not begin with http:// or https://"),
        ("HF_ENDPOINT", "http://[::1", "HF_ENDPOINT is not an address"),
        ("HF_ENDPOINT", "", "HF_ENDPOINT does not begin with http:// or https://"),
        (
            "HF_ENDPOINT",
            f"http://u:{SECRET}@hub.invalid",
            "http://hub.invalid (HF_ENDPOINT) could not be reached: its na",
        ),
        ("HF_HUB_ETAG_TIMEOUT", "soon", "HF_HUB_ETAG_TIMEOUT is not a whole number of seconds"),
    ],
)
def test_what_the_client_reads_when_it_is_imported(
    name: str, value: str, words: str, client: Any, fresh: dict[str, str]
) -> None:
    assert f"failed: {words}" in _alone(client, ["pull", REPO], **fresh, **{name: value})


@pytest.mark.slow
def test_a_certificate_is_trusted_only_if_the_user_says_so(client: Any, fresh: dict[str, str], bouncer: str) -> None:
    with loopback.serving(CERTIFICATE) as hub:
        hub.add(REPO, {"README.md": b""})
        env = {**fresh, "HF_ENDPOINT": hub.url}
        said = _alone(client, ["pull", REPO], **env)
        assert f"the certificate of {hub.url} is not trusted (self" in said
        assert "set SSL_CERT_FILE to its file" in said and hub.took() == []
        said = _alone(client, ["pull", REPO], **env, REQUESTS_CA_BUNDLE=str(CERTIFICATE))
        assert "REQUESTS_CA_BUNDLE is not read here: set SSL_CERT_FILE to the same file" in said
        done = subprocess.run(
            [sys.executable, "-P", "-m", "lnbench", "pull", REPO],
            env={n: v for n, v in client.env.items() if n not in CLEAR} | env | {"SSL_CERT_FILE": str(CERTIFICATE)},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 1 and "it is not an lnbench dataset" in done.stderr, "with it, it is listed"
        said = _alone(client, ["pull", REPO], **env, https_proxy=f"http://{bouncer}")
        assert "the proxy asks for another user name or password (HTTP 407): https_proxy holds them as" in said
        said = _alone(client, ["pull", REPO], **env, HTTPS_PROXY=f"http://u:{SECRET}@{bouncer}")
        assert f"the proxy (HTTPS_PROXY) does not let it through to {hub.url} (HTTP 403)" in said
    plain = _alone(client, ["pull", REPO], **fresh, HF_ENDPOINT=client.env["HF_ENDPOINT"].replace("http", "https"))
    assert "(HF_ENDPOINT) does not speak TLS; if it is the right one, write http:// in place of https://" in plain
