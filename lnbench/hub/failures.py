"""Calls of the Hub's client, each of whose failures becomes one sentence.

Every call goes through `ask`, which waits and asks again when the Hub says that there were too many requests, and turns
whatever the client raises into `UnavailableError` (something is missing here or there) or `ProtocolError` (a name that
cannot be). Nothing is asked when a variable forbids the network. No sentence holds a token or a proxy's password.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable
from typing import TypeVar

from lnbench.data import network
from lnbench.data.folders import offline
from lnbench.errors import LnbenchError, ProtocolError, UnavailableError
from lnbench.hub.address import Address

T = TypeVar("T")

_WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds between tries when the Hub asks for patience and does not say how much."""
_LONGEST_WAIT = 60.0
"""The longest single wait that the Hub may ask for."""
_SILENCE = {False: 30.0, True: 300.0}
"""Seconds without a byte after which a request has failed, by whether the Hub is written to."""
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def ask(address: Address, doing: str, call: Callable[[], T], *, writing: bool = False) -> T:
    """What a call of the client returns.

    Args:
        doing: what was being done, for the sentence: `pulling`, `pushing to`, …
        call: imports the client itself: some settings make its import fail.
        writing: whether the call needs a token.

    Raises:
        UnavailableError: the network, the Hub, a permission or a token is missing.
        ProtocolError: the Hub allows no such name.
    """
    check_online(address, doing)
    waits = iter(_WAITS)
    while True:
        try:
            with network.impatient(_SILENCE[writing]):
                return call()
        except LnbenchError:
            raise
        except Exception as raised:  # httpx's, the Hub's and a parser's errors share no base class
            error = _unwrapped(raised)
            wait = next(waits, None) if network.status_of(error) == 429 else None
            if wait is None:
                if isinstance(error, OSError) and error.errno in _DISK:
                    raise
                raise _known(error, address, doing, writing) from None
        time.sleep(_asked_wait(error, wait))


def check_online(address: Address, doing: str) -> None:
    """Raise UnavailableError if the network is forbidden."""
    if forbidden := offline():
        raise UnavailableError(f"{doing} {address} needs the network, which {forbidden} forbids; unset it.")


def _unwrapped(error: Exception) -> Exception:
    """What really happened: the client wraps a failed upload of one of several files, and an answer without an etag."""
    cause = error.__cause__
    if isinstance(cause, Exception) and (isinstance(error, RuntimeError) or _is(cause, "FileMetadataError")):
        return _unwrapped(cause)
    return error


def _asked_wait(error: BaseException, otherwise: float) -> float:
    """Seconds to wait before the next try: what the Hub says, within reason."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    reset = re.search(r"\bt=(\d+)", headers.get("RateLimit") or "")
    said = headers.get("Retry-After") or (reset[1] if reset else "")
    return min(float(said), _LONGEST_WAIT) if said.isascii() and said.isdigit() else otherwise


def _known(error: Exception, address: Address, doing: str, writing: bool) -> LnbenchError:
    """The error to raise in place of the client's."""
    server, here = network.shown(network.endpoint()), f"{doing} {address}"
    status, no_token = network.status_of(error), _token() is None
    for name, sentence in {
        "OfflineModeIsEnabled": f"{here} needs the network, which HF_HUB_OFFLINE forbids; unset it.",
        "LocalTokenNotFoundError": _no_token(here),
        "GatedRepoError": f"{address.repo} is gated: ask for access at {server}/{address.page} first.",
        "RepositoryNotFoundError": f"there is no {address.kind} {address.repo} on {server}, or it is private and "
        + ("there is no token: run `hf auth login` or set HF_TOKEN." if no_token else "this token may not see it."),
        "RevisionNotFoundError": f"{address.repo} has no revision {address.revision}: it was never there, or is gone.",
        "RemoteEntryNotFoundError": f"{here} failed: a file that was listed a moment ago is gone; run it again.",
        "OIDCError": f"{here} failed: {str(error).splitlines()[0][:200] if str(error) else 'no identity of this job'}",
        "FileMetadataError": f"{here} failed: {server} names no etag or size for a file; "
        "if a login page of the network answered, log in there first, then run it again.",
    }.items():
        if _is(error, name):
            return UnavailableError(sentence)
    if _is(error, "HFValidationError"):
        return ProtocolError(f"the Hub allows no repository called {address.repo!r}.")
    if isinstance(error, OSError) and "Consistency check" in str(error):
        return UnavailableError(f"{here} failed: a download was truncated; run it again, it goes on where it stopped.")
    if status is not None and _url(error).endswith("/oauth/token"):
        where = os.environ.get("HF_OIDC_RESOURCE", "")[:200]
        return UnavailableError(
            f"{here} failed: {server} has no trusted publisher for this job on {where} (HF_OIDC_RESOURCE); its "
            "settings name the workflow's repository, branch and file, all of which must match."
        )
    if status is not None:
        return UnavailableError(_refused(status, here, server, writing and no_token))
    why = network.reason(error, network.endpoint(), hub=True)
    again = "; what arrived is not lost, so run it again when the network is back" if "broke off" in why else ""
    return UnavailableError(f"{here} failed: {why}{again}.")


def _is(error: BaseException, name: str) -> bool:
    """Whether an error is of a class of this name: the client's module of errors cannot always be imported."""
    return any(kind.__name__ == name for kind in type(error).__mro__)


def _url(error: BaseException) -> str:
    """The address of the request that an error is about, or an empty text."""
    return str(getattr(getattr(error, "response", None), "url", ""))


def _token() -> str | None:
    """The client's token; an empty text if there is one that cannot be read."""
    try:
        from huggingface_hub import get_token

        return get_token()
    except Exception:  # the client reads files, and may ask the network
        return ""


def _refused(status: int, here: str, server: str, no_token: bool) -> str:
    """What an HTTP status means for the user."""
    if status == 401 and no_token:
        return _no_token(here)
    odd = network.wrong_token()
    known = {
        401: f"{server} does not know this token; "
        + (
            f"{odd} holds characters that no token has"
            if odd
            else "run `hf auth login`, or set HF_TOKEN to a valid one"
        ),
        403: "this token may not do that there; use one with write access, or --create-pr",
        409: "something else is being written there right now; run it again",
        412: "somebody pushed to it meanwhile, so nothing was written; look at what is there, then run it again",
        413: f"{server} has no room for it; nothing was written",
        429: f"{server} still says too many requests after waiting; try again later",
        507: f"{server} has no room for it; nothing was written",
    }
    return f"{here} failed: {known.get(status) or network.answered(status, network.endpoint(), hub=True)}."


def _no_token(here: str) -> str:
    return f"{here} needs a token and there is none: run `hf auth login`, or set HF_TOKEN."
