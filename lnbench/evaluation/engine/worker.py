"""One worker process: reads cells from standard input, writes results to what was standard output, one JSON a line.

`lnbench.evaluation.engine.local` starts it. When the parent goes, however it goes, standard input ends, and so does
this.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import sys
import threading
import traceback
from typing import Any, BinaryIO

from lnbench.errors import LnbenchError


def main() -> None:
    """Serve until standard input ends."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    requests: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    while True:
        request = json.loads(requests.get())
        try:
            module, _, name = request["function"].partition(":")
            function = getattr(importlib.import_module(module), name)
            answer = {"result": function(request["cell"], lambda share: _send(out, {"share": share}))}
        except LnbenchError as error:
            answer = {"error": type(error).__name__, "message": str(error)}
        except Exception:
            answer = {"error": "", "message": traceback.format_exc()}
        _send(out, answer)


def _read(requests: queue.Queue[bytes]) -> None:
    for line in sys.stdin.buffer:
        requests.put(line)
    os._exit(0)


def _send(out: BinaryIO, message: dict[str, Any]) -> None:
    out.write(json.dumps(message).encode() + b"\n")
    out.flush()
