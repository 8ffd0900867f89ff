"""Why a request failed, in words that name the variable or the machine at fault.

Libraries tell the same fault in many ways, and some of them repeat passwords and tokens. Here what they raised is only
searched for known signs; variables are named and never quoted, and other text is cleared of secrets.
"""

from __future__ import annotations

import os
import re
import ssl
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

HUB = "https://huggingface.co"
_SCHEMES = {True: ("http", "https", "socks5", "socks5h"), False: ("http", "https")}
"""Proxies that a client can use: huggingface_hub, and urllib."""
_TIMEOUTS = ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT")
_SIGNS = {
    r"WRONG_VERSION_NUMBER|UNEXPECTED_MESSAGE|HTTP_REQUEST|record layer failure": (
        "{server} does not speak TLS; if it is the right one, write http:// in place of https://"
    ),
    r"gaierror|Name or service not known|name resolution|No address associated|nodename nor servname": (
        "{server} could not be reached: its name has no address; check it, and the network"
    ),
    r"Timeout|timed out": "{server} could not be reached or broke off (it did not answer in time)",
    r"JSONDecodeError|File not found or corrupted": (
        "{url} answered with something else than what was asked for: the login page of a network or proxy, or a server "
        "that is not the right one"
    ),
    r"socksio": "{server} speaks SOCKS, for which a package is missing: pip install socksio",
}
"""What is in a library's words -> what to say of the server, or of the address that was asked."""
_TUNNEL = r"(?:ProxyError|Tunnel connection failed): (\d{3})\b"
_STATUS = r"HTTP Error (\d{3})\b"
_OF_FILES = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError, ssl.SSLError)
"""What certificates raise that cannot be read."""


def endpoint() -> str:
    """The Hub that huggingface_hub asks."""
    return os.environ.get("HF_ENDPOINT", HUB).rstrip("/")


def reason(error: BaseException, url: str, *, hub: bool) -> str:
    """Why a request failed, as a clause without a full stop.

    Args:
        error: what was raised; what lies behind it counts too.
        url: the server that was asked.
        hub: whether huggingface_hub asked, which reads more variables than urllib does.
    """
    said = " | ".join(f"{type(one).__name__}: {one}" for one in _behind(error))
    status, tunnel = status_of(error), re.search(_TUNNEL, said)
    if status is None and (match := re.search(_STATUS, said)):
        status = int(match[1])
    if tunnel is not None:
        return _proxy_refuses(int(tunnel[1]), url, hub)
    if status is not None:
        return answered(status, url, hub=hub)
    if wrong := _wrong_variable(url, hub):
        return wrong
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return _wrong_authorities() or _unknown_authority(url, said)
    for sign, words in _SIGNS.items():
        if re.search(sign, said):
            return words.format(server=_server(url, hub), url=shown(url))
    if hub and re.search(r"Unicode(En|De)codeError", said):
        whose = wrong_token() or "the token of `hf auth login`"
        return f"{whose} holds characters that no token has; set HF_TOKEN to one"
    local = next((one for one in _behind(error) if isinstance(one, OSError) and one.filename), None)
    if local is not None:
        moves = "HF_HOME moves what the Hub's client writes" if hub else "LNBENCH_CACHE moves what lnbench writes"
        return f"{local.filename} cannot be used ({local.strerror}); {moves}"
    if isinstance(error, _OF_FILES) and (wrong := _wrong_authorities()):
        return wrong
    return f"{_server(url, hub)} could not be reached or broke off ({scrubbed(_last(error))})"


@contextmanager
def impatient(seconds: float) -> Iterator[None]:
    """Let requests of huggingface_hub fail that stay silent for so long, where it would wait for ever."""
    from huggingface_hub import get_session

    def limit(request: Any) -> None:
        limits = request.extensions.get("timeout", {})
        request.extensions["timeout"] = {name: limits[name] or seconds for name in limits}

    session: Any = get_session()
    hooks = session.event_hooks
    session.event_hooks = {**hooks, "request": [*hooks["request"], limit]}
    try:
        yield
    finally:
        session.event_hooks = hooks


def answered(status: int, url: str, *, hub: bool) -> str:
    """What an HTTP status that is an error means, as a clause without a full stop."""
    who, elsewhere = shown(url), "; check HF_ENDPOINT" if hub and "HF_ENDPOINT" in os.environ else ""
    known = {
        401: f"{who} has no such thing, or not without a token (HTTP 401): run `hf auth login`, or set HF_TOKEN",
        403: f"{who} forbids it (HTTP 403)",
        404: f"{who} has no such thing (HTTP 404){elsewhere}",
        407: _proxy_refuses(407, url, hub),
        429: f"{who} says that there were too many requests (HTTP 429): try again later",
        451: f"{who} may not give it away in this country, for legal reasons (HTTP 451)",
        511: f"the network wants you to log in first, with a browser (HTTP 511 in place of {who})",
    }
    trouble = f"{who} has trouble of its own (HTTP {status}): try again later"
    return known.get(status) or (trouble if status >= 500 else f"{who} refused it (HTTP {status})")


def status_of(error: BaseException) -> int | None:
    """The HTTP status that a client's error carries, or None."""
    for one in _behind(error):
        status = getattr(getattr(one, "response", None), "status_code", None)
        if isinstance(status, int):
            return status
    return None


def shown(url: str) -> str:
    """An address without the user's name and password in it."""
    return re.sub(r"//[^/\s]*@", "//", url)


def scrubbed(text: str) -> str:
    """One short line of a library's text without addresses' passwords, and without tokens."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if secret := os.environ.get(name, "").strip():
            text = text.replace(secret, "…")
    text = re.sub(r"(?i)\bbearer\b.*|\bhf_\w+", "…", " ".join(text.split()))
    return re.sub(r"//\S*@", "//", text)[:120]


def wrong_token() -> str:
    """The variable that holds something no token can be; empty if none does."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if (token := os.environ.get(name, "").strip()) and not re.fullmatch(r"[!-~]+", token):
            return name
    return ""


def _behind(error: BaseException) -> Iterator[BaseException]:
    """An error and all errors behind it, each once."""
    seen, todo = set[int](), [error]
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        behind = (one.__cause__, one.__context__, getattr(one, "reason", None))
        todo += [inner for inner in behind if isinstance(inner, BaseException)]


def _last(error: BaseException) -> str:
    """The innermost error in a few words."""
    *_, last = _behind(error)
    if isinstance(last, OSError) and last.strerror:
        return last.strerror
    lines = [line for line in str(last).splitlines() if line.strip()]
    return f"{type(last).__name__}: {lines[0]}" if lines else type(last).__name__


def _proxy(url: str, hub: bool) -> tuple[str, str] | None:
    """The variable whose proxy a request to `url` goes through, and its value."""
    scheme, host = url.partition("://")[0].lower(), _host(url)
    if urllib.request.proxy_bypass(host):
        return None
    for name in (f"{scheme}_proxy", *(["all_proxy"] if hub else [])):
        for spelled in (name, name.upper()):
            if value := os.environ.get(spelled):
                return spelled, value if "://" in value else f"http://{value}"
    return None


def _host(url: str) -> str:
    try:
        return urllib.parse.urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _server(url: str, hub: bool) -> str:
    """Who was connected to: the proxy if there is one, or the server."""
    if (proxy := _proxy(url, hub)) is not None:
        return f"the proxy {_host(proxy[1])} ({proxy[0]})"
    return f"{shown(url)}{' (HF_ENDPOINT)' if hub and 'HF_ENDPOINT' in os.environ else ''}"


def _proxy_refuses(status: int, url: str, hub: bool) -> str:
    proxy = _proxy(url, hub)
    name = proxy[0] if proxy else "a proxy of the network"
    if status == 407:
        return (
            f"the proxy asks for another user name or password (HTTP 407): {name} holds them as "
            "http://USER:PASSWORD@HOST:PORT"
        )
    return f"the proxy ({name}) does not let it through to {shown(url)} (HTTP {status})"


def _wrong_variable(url: str, hub: bool) -> str:
    """The first variable that no request can succeed with; empty if there is none."""
    if hub and "HF_ENDPOINT" in os.environ and (why := _no_url(url, ("http", "https"))):
        return f"HF_ENDPOINT {why}; correct or unset it"
    if (proxy := _proxy(url, hub)) is not None and (why := _no_url(proxy[1], _SCHEMES[hub])):
        return f"{proxy[0]} {why}; correct or unset it"
    for name in _TIMEOUTS if hub else ():
        if (value := os.environ.get(name)) and not re.fullmatch(r"\s*[+-]?\d+\s*", value):
            return f"{name} is not a whole number of seconds; correct or unset it"
    return ""


def _no_url(text: str, schemes: tuple[str, ...]) -> str:
    """What is wrong with an address, in words that do not repeat it; empty if nothing is."""
    scheme, colon, _ = text.partition("://")
    if not colon or scheme.lower() not in schemes:
        wanted = " or ".join(f"{one}://" for one in schemes)
        known = colon and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]{0,20}", scheme)
        return f"begins with {scheme}://, not with {wanted}" if known else f"does not begin with {wanted}"
    try:
        parts = urllib.parse.urlsplit(text)
        parts.port  # noqa: B018  # raises for what is not a port
    except ValueError:
        return "is not an address such as http://HOST:PORT"
    return "" if parts.hostname and re.fullmatch(r"[^\s\\^`{|}<>\"]+", parts.hostname) else "names no host"


def _wrong_authorities() -> str:
    """The variable for certificates that names nothing of use; empty if there is none."""
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if file:
        if not os.path.isfile(file):
            return f"SSL_CERT_FILE names no file ({file}); correct or unset it"
        try:
            ssl.create_default_context(cafile=file)
        except OSError:
            return f"SSL_CERT_FILE names a file without certificates ({file}); correct or unset it"
    if folder and not os.path.isdir(folder):
        return f"SSL_CERT_DIR names no folder ({folder}); correct or unset it"
    return ""


def _unknown_authority(url: str, said: str) -> str:
    why = re.search(r"certificate verify failed: ([a-z' .\d-]+)", said)
    remedy = "if your network or Hub has a certificate authority of its own, set SSL_CERT_FILE to its file"
    other = next((name for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if os.environ.get(name)), None)
    if other and not os.environ.get("SSL_CERT_FILE"):
        remedy = f"{other} is not read here: set SSL_CERT_FILE to the same file"
    return f"the certificate of {shown(url)} is not trusted ({why[1].strip() if why else 'not verified'}); {remedy}"
