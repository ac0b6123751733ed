"""The files that pages for people load, beside their own: few, small, and none from elsewhere.

Charts are uPlot's. Python's registry has it only inside another package; of that nothing is imported, and what is taken
is held to the hash of uPlot's own release (docs/decisions/0026-a-browser-from-packages.md).
"""

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path
from typing import Final, NamedTuple

from streams.errors import ConfigurationError


class Asset(NamedTuple):
    """A file.

    Args:
        content: Its bytes.
        content_type: Of HTTP.
    """

    content: bytes
    content_type: str


_TYPES: Final = {"js": "text/javascript", "css": "text/css"}
_OWN: Final = ("counts.js", "design.css", "elements.js", "kept.js", "places.js", "plots.js", "trial.js")
_CARRIER: Final = "youplot"
# uPlot 1.6.31: path in the package that carries it, and SHA-256 of the file that its authors have released.
_CARRIED: Final = {
    "uplot.js": (
        "youplot/vendor/uplot.iife.min.js",
        "2d27e8ad3d228164525ce213f9dc716f39b4e3aee0cc773fb3491c96cf4921a2",
    ),
    "uplot.css": (
        "youplot/vendor/uplot.min.css",
        "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    ),
}
ASSETS: Final = (*_OWN, *_CARRIED)


@cache
def read_asset(name: str) -> Asset:
    """Return a file.

    Args:
        name: One of `ASSETS`.

    Raises:
        ConfigurationError: If it is not installed, or is not what was released.
    """
    content = _carried(*_CARRIED[name]) if name in _CARRIED else files(__name__).joinpath(name).read_bytes()
    return Asset(content, _TYPES[name.rpartition(".")[2]])


def _carried(path: str, sha256: str) -> bytes:
    try:
        content = Path(str(distribution(_CARRIER).locate_file(path))).read_bytes()
    except (PackageNotFoundError, OSError) as error:
        raise ConfigurationError(f"{path} is not installed ({error}): install requirements.lock") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ConfigurationError(f"{path} is not the file that uPlot has released: install requirements.lock")
    return content
