"""A group of commands that refuses what would be passed over: a command that does not exist, an option given twice."""

from collections import Counter

import click

from bridges.process.near_names import did_you_mean


class NearGroup(click.Group):
    """A group of commands."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command.

        One that does not exist is refused with the names that are near; an option that is given twice, too, if it
        takes one value: only the last one would count.
        """
        try:
            name, command, rest = super().resolve_command(ctx, args)
        except click.UsageError as error:
            error.message += did_you_mean(args[0], self.list_commands(ctx))
            raise
        if command is not None:
            _refuse_repeated(click.Context(command, info_name=name, parent=ctx, resilient_parsing=True), rest)
        return name, command, rest


def _refuse_repeated(ctx: click.Context, args: list[str]) -> None:
    _, _, order = ctx.command.make_parser(ctx).parse_args(list(args))
    for option, times in Counter(each for each in order if isinstance(each, click.Option)).items():
        if times > 1 and not (option.multiple or option.is_flag or option.count):
            raise click.UsageError(f"{option.opts[-1]} is given {times} times, and takes one value", ctx)
