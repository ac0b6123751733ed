"""Write a file wholly or not at all."""

import os
from pathlib import Path

from streams.errors import ConfigurationError


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that its name never stands for half of it.

    Raises:
        ConfigurationError: If it cannot be written there.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error}") from None
    finally:
        beside.unlink(missing_ok=True)
