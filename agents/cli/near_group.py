"""A group of commands that says which of them are near one that does not exist."""

import click

from bridges.process.near_names import did_you_mean


class NearGroup(click.Group):
    """A group of commands."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; one that does not exist is refused with the names that are near."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            error.message += did_you_mean(args[0], self.list_commands(ctx))
            raise
