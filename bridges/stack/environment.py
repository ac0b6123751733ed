"""The variables that point other programs at a local stack, kept in a file of its data folder."""

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bridges.stack.mongo_server import write_private

FILE = "stack.env"


def write_environment(data: Path, environment: Mapping[str, str]) -> Path:
    """Write the variables that point other programs at this stack, for ``set -a; . stack.env``."""
    text = "".join(f"{name}={shlex.quote(value)}\n" for name, value in environment.items())
    write_private(data / FILE, text)
    return data / FILE


def remove_environment(data: Path) -> None:
    """Forget the variables: the stack stops."""
    (data / FILE).unlink(missing_ok=True)


def read_environment(data: Path) -> dict[str, str]:
    """Return the variables of the stack that runs on a data folder; none when none runs."""
    try:
        text = (data / FILE).read_text(encoding="utf-8")
    except OSError:
        return {}
    pairs = (shlex.split(line)[0].partition("=") for line in text.splitlines() if line)
    return {name: value for name, _, value in pairs}


@contextmanager
def local_environment(data: Path) -> Iterator[set[str]]:
    """Use the stack that runs on a data folder, if one does, wherever the environment names nothing else.

    Args:
        data: The folder.

    Yields:
        The names of the variables that are the stack's.
    """
    added = {name: value for name, value in read_environment(data).items() if not _is_set(name)}
    os.environ.update(added)
    try:
        yield set(added)
    finally:
        for name in added:
            del os.environ[name]


def _is_set(variable: str) -> bool:
    base = variable.removesuffix("_FILE")
    return base in os.environ or f"{base}_FILE" in os.environ
