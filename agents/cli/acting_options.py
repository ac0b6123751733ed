"""What the commands share that put something into the log: who does it, the settings that say where, JSON."""

import getpass
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bridges.process.settings import Settings

by_option = click.option("--by", default=getpass.getuser, show_default="your user name", help="Who does it.")
json_option = click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
json_lines_option = click.option(
    "--json", "as_json", is_flag=True, help="For programs: one JSON object a line."
)


def load_settings() -> "Settings":
    """Return the settings; they are read when a command runs, not when it is shown.

    Raises:
        ConfigurationError: If one is wrong.
    """
    from bridges.process.settings import load

    return load()
