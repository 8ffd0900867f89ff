"""`lnbench tracks`: what there is to be scored on."""

from __future__ import annotations

import click

from lnbench.cli import _options


@click.group("tracks", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """List, show and validate tracks."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_tracks)


@command.command("list")
def list_tracks() -> None:
    """One line per track that ships with lnbench."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from lnbench.protocol import track as tracks

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("track", "what", "k", "victims", "splits × seeds", "calibrated"):
        table.add_column(name, overflow="fold")
    for name in tracks.names():
        track = tracks.load(name)
        table.add_row(
            name + (" (default)" if name == tracks.DEFAULT else ""),
            track.title,
            str(track.noise.budget),
            ", ".join(victim.name for victim in track.victims),
            f"{track.replication.splits} × {track.replication.seeds}",
            "yes" if track.calibrated else "not yet: cannot rank",
        )
    console = Console()
    console.width = console.width if console.is_terminal else 120
    console.print(table)


@command.command("show")
@click.argument("track", required=False)
def show(track: str | None) -> None:
    """Everything that can move a score on TRACK, as its file says it.

    \b
      lnbench tracks show digits-9to0
    """
    chosen = _options.load_track(track)
    click.echo(f"# {chosen.name}, version {chosen.version}, sha256 {chosen.sha256}")
    click.echo("\n".join(_lines(chosen.document)))


@command.command("validate")
@click.argument("files", metavar="FILE|TRACK...", nargs=-1, required=True)
def validate(files: tuple[str, ...]) -> None:
    """Check track files against the rules; the first fault ends with exit code 2."""
    for name in files:
        chosen = _options.load_track(name)
        calibrated = "" if chosen.calibrated else ", not calibrated"
        click.echo(f"{name}: valid, sha256 {chosen.sha256}{calibrated}")


def _lines(table: object, prefix: str = "") -> list[str]:
    """A parsed TOML document, one `path.to.key = value` a line."""
    if isinstance(table, dict):
        return [
            line for key, value in table.items() for line in _lines(value, f"{prefix}.{key}" if prefix else str(key))
        ]
    if isinstance(table, list) and table and isinstance(table[0], dict):
        return [line for i, value in enumerate(table) for line in _lines(value, f"{prefix}[{i}]")]
    import json

    return [f"{prefix} = {json.dumps(table, ensure_ascii=False)}"]
