"""`lnbench completion`: what a shell needs to complete verbs, options and names."""

from __future__ import annotations

import click


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script that lets a shell complete verbs, options and names.

    Names are those of tracks, attacks, defences, rows of the board and experiments. Put the line of your shell where it
    reads it at every start:

    \b
      eval "$(lnbench completion bash)"                  # ~/.bashrc
      eval "$(lnbench completion zsh)"                   # ~/.zshrc, after compinit
      lnbench completion fish | source                   # ~/.config/fish/config.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(ctx.find_root().command, {}, "lnbench", "_LNBENCH_COMPLETE").source())
