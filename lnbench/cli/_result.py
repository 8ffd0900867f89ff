"""A verb's result on stdout: words for a person, or with `--json` one document, and the words on stderr."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def json_option(function: F) -> F:
    """`--json`: the result as one JSON document."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON document on stdout.")(
        function
    )


class Result:
    """Where a verb says what came of it.

    Args:
        as_json: whether `--json` was given.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def say(self, words: str = "") -> None:
        """Print a line for a person: on stdout, or on stderr where stdout is for a document."""
        click.echo(words, err=self.as_json)

    def give(self, document: Any) -> None:
        """Print the document, if it was asked for.

        Args:
            document: of JSON's types.
        """
        if self.as_json:
            click.echo(json.dumps(document, indent=1, sort_keys=True, allow_nan=False))

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]], *, words: Sequence[str] = ()) -> None:
        """Print a table where `say` prints; see `lnbench.cli._tables.show`."""
        from lnbench.cli import _tables

        _tables.show(_tables.console(err=self.as_json), head, rows, words=words)
