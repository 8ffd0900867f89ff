"""`lnbench submit`: from a file to a pull request."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lnbench.cli import _log, _options, _output, _progress, _result

if TYPE_CHECKING:
    from lnbench.poison.submission import Submission
    from lnbench.record.record import Record


@click.command("submit")
@_options.submission
@click.option(
    "--record",
    "made",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    help="A record of this very file, instead of evaluating it now.",
)
@_options.training
@click.option(
    "--repository",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="Your clone of lnbench. [default: the one this folder is in]",
)
@click.option("--yes", is_flag=True, help="Push and open the pull request without asking.")
@_result.json_option
def command(
    submission: str,
    track: str | None,
    settings: dict[str, str],
    unsafe_no_sandbox: bool,
    made: Path | None,
    device: str,
    workers: int | None,
    repository: Path,
    yes: bool,
    as_json: bool,
) -> None:
    """Check and evaluate a poisoner, and open a pull request with it.

    The file must name its author and licence. It is checked in the sandbox and evaluated as by `lnbench evaluate`; then
    a branch with this one file and the text of a pull request are made. Nothing leaves this machine before you agree:
    with `gh` the branch is pushed and the pull request opened, without it the steps are printed.
    """
    chosen = _options.load_track(track)
    poisoner = _options.load_submission(submission, settings)
    from lnbench.cli import _report
    from lnbench.contribute import names, submit

    names.check(poisoner, attacks=False)
    submit.check_own_idea(poisoner)
    sandbox = _options.sandbox(unsafe_no_sandbox, poisoner.file)
    folder = _output.records_folder(None if made is None else made.parent, chosen)
    submit.described(poisoner)
    if made is not None:
        record, path = submit.made_before(made, poisoner), made
    else:
        valid = f"{poisoner.file}: its labels are valid on {chosen.name}; now the victims."
        with _progress.reporter() as report:
            record = submit.scored(
                poisoner,
                chosen,
                sandbox=sandbox,
                device=device,
                workers=workers,
                on_checked=lambda: click.echo(valid, err=True),
                on_progress=report,
                on_log=lambda split, log: _log.tell(f"split {split}", log),
            )
        path = _output.write(record, folder)
    _report.print_record(record, err=as_json)
    _report.print_placing(record, Path("leaderboard"), err=as_json)
    text, result = submit.write_text(record, path), _result.Result(as_json)
    result.say(f"record: {path}\npull request's text: {text}")
    proposed = _propose(result, poisoner, record, text, repository, yes)
    result.give({"record": str(path), "sha256": record.sha256, "text": str(text), **proposed})


def _propose(
    result: _result.Result, poisoner: Submission, record: Record, text: Path, repository: Path, yes: bool
) -> dict[str, str]:
    """Make the branch; push it if the author agrees, or say how. Returns what was made."""
    from lnbench.contribute import branch as branches
    from lnbench.contribute import pull_request

    root, title = branches.checkout(repository), pull_request.title(record)
    if root is None:
        result.say(
            f"\n{repository.resolve()} is not a clone of lnbench, so there is no branch. On GitHub, fork lnbench, add "
            f"your file as submissions/{poisoner.file}, and open a pull request titled {title!r} with the text above."
        )
        return {}
    branch = branches.make(root, poisoner)
    result.say(f"branch: {branch.name}, one commit on {branch.base}")
    if shutil.which("gh") is not None:
        asked = "Push it and open the pull request now?"
        if yes or (sys.stdin.isatty() and click.confirm(asked, default=False, err=True)):
            address = branches.publish(root, branch, title, text)
            result.say(f"pull request: {address}")
            return {"branch": branch.name, "pull_request": address}
        result.say("\nNothing was pushed. `lnbench submit --yes` does it, or by hand:")
    else:
        result.say("\nNothing was pushed: GitHub's `gh` is not installed. By hand, FORK being your fork's address:")
    for step in branches.steps(branch, title, text):
        result.say(f"  {step}")
    result.say("The second step is also a button on your fork's page, once the branch is there.")
    return {"branch": branch.name}
