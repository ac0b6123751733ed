"""The command line: ``weir COMMAND``, also ``python -m agents COMMAND``.

Each module of `agents.cli.commands`, and of a room in it, is one command: a `click.Command` of the module's name. They
import what is heavy inside their functions, so that ``weir --help`` answers at once and a broken part breaks only the
commands that need it.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import click

from agents.cli import commands
from agents.cli.near_group import NearGroup
from streams.errors import ConfigurationError, WeirError

FORMER_NAMES = {"analyse": "analysis", "simulate": "simulator"}
"""Names that commands had before they were called as their processes are: still understood, no longer listed."""


class Commands(NearGroup):
    """The commands, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the modules in `agents.cli.commands`, with ``-`` for ``_``."""
        return sorted(dict(_modules()))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of that name and return its command."""
        cmd_name = FORMER_NAMES.get(cmd_name, cmd_name)
        module = dict(_modules()).get(cmd_name)
        if module is None:
            return None
        command: click.Command = getattr(importlib.import_module(module), cmd_name.replace("-", "_"))
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error that Weir raises on purpose is told in its own words, without a traceback.

        The exit code is 2 if an operator must change something, otherwise 1.
        """
        try:
            return super().invoke(ctx)
        except WeirError as error:
            failure = click.ClickException(str(error))
            failure.exit_code = 2 if isinstance(error, ConfigurationError) else 1
            raise failure from error


def _modules() -> Iterator[tuple[str, str]]:
    """Yield each command's name and the module that it is in."""
    for found in pkgutil.walk_packages(commands.__path__, f"{commands.__name__}."):
        if not found.ispkg:
            yield found.name.rpartition(".")[2].replace("_", "-"), found.name


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="weir", prog_name="weir")
def main() -> None:
    """Weir measures streams of sensor readings: windows, online anomaly detection, replay.

    Settings are environment variables WEIR_<SECTION>__<NAME>, or a TOML file named by WEIR_CONFIG.
    """
