"""The command line: one file a verb; it parses, prints and exits, and decides nothing.

A verb's module is imported when the verb is called, so that `lnbench --help` needs neither NumPy nor torch.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from typing import Any

import click
from click.shell_completion import CompletionItem

from lnbench import __version__
from lnbench.cli import _faults, _groups
from lnbench.errors import nearest

GROUPS = {
    "Everyday": {
        "evaluate": "Score a poisoner on a track.",
        "show": "Print a record as a table.",
        "compare": "Say how the scores of two records differ, split by split.",
        "leaderboard": "Show, build and check the leaderboard, and add records to it.",
        "attacks": "List the reference attacks with their parameters and scores.",
        "tracks": "List, show and validate tracks.",
        "new": "Write a poisoner's or defender's file to start from.",
        "submit": "Check and evaluate a poisoner, and open a pull request with it.",
        "defend": "Score a defence against an attack.",
        "status": "Show what a campaign has done and has left, by track and by worker.",
        "completion": "Print the script that lets a shell complete verbs, options and names.",
    },
    "Check": {
        "check": "Run a poisoner or defender in the sandbox and audit its answers, without training victims.",
        "verify": "Re-derive what a record claims from its own bits.",
        "audit": "Attack a record's victims again with the strong adversary.",
        "power": "How many splits and seeds an effect takes on a track.",
        "plan": "Reckon cells, device hours, cost and wall time of full evaluations, from seconds that cells took.",
        "reproduce": "Run experiments of the thesis again, draw them and check its claims.",
        "cache": "Where results and data are stored, how large they are, and how to clear them.",
        "doctor": "Say what this machine can evaluate and what it lacks.",
    },
    "Hub": {
        "push": "Publish a record's poisoned dataset on the Hugging Face Hub.",
        "pull": "Download a poisoned dataset from the Hub and check everything in it.",
        "search": "List the poisoned datasets on the Hub.",
        "suite": "Build and pull the poisoned suite: what a defence is tested on.",
        "hub": "Build what the project publishes on the Hub, and upload it.",
    },
    "Maintainers": {
        "matrix": "Score every defence against every attack, and draw the page of defences.",
        "truth": "Build and read tables of what every flip, or set of flips, does to networks.",
        "rows": "Make the rows of the reference attacks on tracks that need a GPU.",
        "season": "Open, close and list seasons, whose splits are drawn by a secret salt.",
    },
}
"""Heading -> verb -> the first line of the verb's help. Its command is `command` in the module of the same name."""

VERBS = {verb: words for group in GROUPS.values() for verb, words in group.items()}
"""Verb -> the first line of its help."""


class _Verbs(_groups.Group):
    """A group whose commands are modules, and whose errors end in lnbench's exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"lnbench.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, VERBS))
        for heading, verbs in GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl([(verb.ljust(width), words) for verb, words in verbs.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [CompletionItem(verb, help=words) for verb, words in VERBS.items() if verb.startswith(incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            ctx.fail(f"no command is called {args[0]!r}; {nearest(args[0], VERBS)}")
        return super().resolve_command(ctx, args)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _told():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _told():
            return super().invoke(ctx)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Say what goes wrong in here in one sentence, and exit with its code."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit):
        raise
    except BaseException as error:
        code = _faults.tell(error)
        if code is None:
            raise
        raise click.exceptions.Exit(code) from None


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "--version", message="lnbench %(version)s")
def cli() -> None:
    """The benchmark for crafted label noise.

    Which k training labels, flipped, leave the models trained on them easiest to attack? A poisoner's score is how
    many percentage points lower its victims' adversarial accuracy is than under random flips of the same budget.

    \b
      lnbench evaluate submissions/my_poisoner.py --quick

    Exit codes: 0 done; 1 the verdict is no; 2 usage; 3 something is missing on this machine; 4 a bug of lnbench;
    130 interrupted.
    """


def main() -> None:
    """Parse the command line and do what it says."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # ε and → must not raise where the locale is C
            stream.reconfigure(errors="replace")
    cli(prog_name="lnbench")
