"""Groups of verbs: called without a verb they say what there is, and end with 0."""

from __future__ import annotations

from typing import Any

import click


class Group(click.Group):
    """A group that, called without a verb, runs its default verb, or else prints its help.

    Args:
        default: the verb that options without a verb are meant for; None for none.
    """

    def __init__(self, *args: Any, default: str | None = None, **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.default = default

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default verb in where none is given."""
        own = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        if self.default is not None and (not args or (args[0].startswith("-") and args[0] not in own)):
            args = [self.default, *args]
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)
