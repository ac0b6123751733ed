"""What the commands that look share: where a local stack is, and JSON for programs."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from agents.cli.acting_options import json_option

F = TypeVar("F", bound=Callable[..., Any])


def local_stack_option(command: F) -> F:
    """Add ``--data``; while a local stack runs on that folder, its addresses are used."""

    @wraps(command)
    def at_the_local_stack(*args: Any, data: Path, **named: Any) -> Any:
        from bridges.stack.environment import local_environment

        with local_environment(data):
            return command(*args, **named)

    return click.option(
        "--data", type=click.Path(file_okay=False, path_type=Path), default=Path(".weir"), show_default=True,
        help="Data folder of `weir up`: while it runs, its addresses are used where the settings name none.",
    )(at_the_local_stack)  # type: ignore[return-value]  # fmt: skip


def looking_options(command: F) -> F:
    """Add ``--data`` and ``--json``, for one object."""
    return json_option(local_stack_option(command))
