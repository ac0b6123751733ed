"""Write a file wholly or not at all, and make folders that are nobody else's business."""

import os
from pathlib import Path

from streams.errors import ConfigurationError

OUR_FOLDER = ".weir"
_PRIVATE = 0o700


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


def private_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, for this user alone.

    A data folder holds passwords, logs and readings. A ``.weir`` that others may enter (as earlier versions made it)
    is closed to them; folders of other names that are there already are left as they are.

    Raises:
        ConfigurationError: If it cannot be made.
    """
    try:
        for folder in (*reversed(path.parents), path):
            if not folder.is_dir():
                folder.mkdir(mode=_PRIVATE, exist_ok=True)
            elif folder.name == OUR_FOLDER and _is_open(folder):
                folder.chmod(_PRIVATE)
    except OSError as error:
        raise ConfigurationError(f"cannot make the folder {path}, name another: {error}") from None


def _is_open(folder: Path) -> bool:
    """Tell whether a folder of this user is open to others."""
    found = folder.stat()
    return found.st_uid == os.getuid() and bool(found.st_mode & 0o077)
