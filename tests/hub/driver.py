"""A child process that runs lnbench's verbs one after the other: the client reads its settings when it is imported.

Reads one JSON object a line, `args` and `env` (None removes a variable) or `code` (the last expression's `result`),
and answers with one.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import nullcontext
from unittest import mock

from click.testing import CliRunner

import here
from lnbench.cli import cli


def main() -> None:
    """Serve until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        env = {name: value for name, value in request.get("env", {}).items() if value is not None}
        with mock.patch.dict(os.environ, env):
            for name in request.get("env", {}).keys() - env.keys():
                os.environ.pop(name, None)
            if "code" in request:
                scope: dict[str, object] = {}
                exec(request["code"], scope)
                answer = {"result": scope["result"]}
            else:
                with here.no_workers() if request["args"][:1] == ["evaluate"] else nullcontext():
                    done = CliRunner().invoke(cli, request["args"])
                answer = {"code": done.exit_code, "out": done.stdout, "err": done.stderr}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
