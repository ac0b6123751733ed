"""The files that pages for people load, beside their own: few, small, and none from elsewhere."""

from importlib.resources import files
from typing import Final, NamedTuple


class Asset(NamedTuple):
    """A file.

    Args:
        content: Its bytes.
        content_type: Of HTTP.
    """

    content: bytes
    content_type: str


_TYPES: Final = {"js": "text/javascript", "css": "text/css"}


def _read(name: str) -> Asset:
    return Asset(files(__name__).joinpath(name).read_bytes(), _TYPES[name.rpartition(".")[2]])


ASSETS: Final = {name: _read(name) for name in ("kept.js", "trial.js")}
