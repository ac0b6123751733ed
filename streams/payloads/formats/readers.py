"""The formats that there are, each with the function that reads it."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from streams.errors import ConfigurationError, InputError, shown
from streams.payloads.formats.binary import BytesField, Layout, read_cbor, read_msgpack
from streams.payloads.formats.graphite import read_graphite
from streams.payloads.formats.influx import read_influx
from streams.payloads.formats.json import read_json_lines
from streams.payloads.formats.measures import read_smartrest, read_ultralight
from streams.payloads.formats.own import Reader
from streams.payloads.formats.senml import read_senml
from streams.payloads.formats.sparkplug import read_sparkplug
from streams.payloads.formats.tagged import TaggedLayout, read_cayenne_lpp
from streams.payloads.formats.texts import read_auto, read_csv, read_pairs, read_value

_READERS: Mapping[str, Reader] = {
    "auto": read_auto, "json": read_json_lines, "value": read_value, "influx": read_influx, "senml": read_senml,
    "cbor": read_cbor, "msgpack": read_msgpack, "sparkplug": read_sparkplug, "ultralight": read_ultralight,
    "smartrest": read_smartrest, "cayenne-lpp": read_cayenne_lpp, "graphite": read_graphite,
}  # fmt: skip

FORMATS = (*_READERS, "bytes", "csv", "pairs")
"""The formats that Weir reads; installed packages may bring others."""


KnownDocuments = dict[Reader, list[Any] | InputError]
"""What the bytes of one message are by each format that has read them; or why they are none of it."""


def read_once(reader: Reader, payload: bytes, known: KnownDocuments, *, to_change: bool) -> list[Any]:
    """Read bytes, unless it is known what they are, or that they are not of this format.

    Args:
        reader: Reads the format.
        payload: The bytes.
        known: What has been read of them; added to.
        to_change: Whether documents are wanted that nobody else has: the caller changes them.

    Raises:
        InputError: If they are not of this format.
    """
    if (found := known.get(reader)) is not None:
        if isinstance(found, InputError):
            raise InputError(found.reason, found.detail)
        if not to_change:
            return found
    try:
        found = reader(payload)
    except InputError as error:
        # Another one, without a traceback: that would hold what it is kept in.
        known[reader] = InputError(error.reason, error.detail)
        raise
    if not to_change:
        known[reader] = found
    return found


class BytesLayout(Protocol):
    """How numbers lie in raw bytes."""

    @property
    def read(self) -> Reader:
        """Reads them."""


def layout_of(fields: Sequence[BytesField], *, has_lengths: bool) -> BytesLayout | None:
    """Return how numbers lie in bytes; ``None`` if nothing is described.

    Args:
        fields: The numbers, at their places or behind their tags.
        has_lengths: Whether a byte behind each tag says how many bytes follow.

    Raises:
        ConfigurationError: If the description contradicts itself.
    """
    if not fields:
        return None
    if has_lengths or any(field.tag for field in fields):
        return TaggedLayout(fields, has_lengths=has_lengths)
    return Layout(fields)


def reader_of(
    name: str,
    layout: BytesLayout | None,
    columns: list[str],
    separator: str,
    decoders: Mapping[str, Reader],
) -> Reader:
    """Return the function that reads a format.

    Args:
        name: Of the format.
        layout: Of raw bytes.
        columns, separator: Of separated values, and of pairs.
        decoders: Formats that installed packages bring.

    Raises:
        ConfigurationError: If there is no such format, or what it needs is not described.
    """
    if name == "csv":
        return lambda payload: read_csv(payload, columns, separator)
    if name == "pairs":
        return lambda payload: read_pairs(payload, separator)
    if name == "bytes":
        if layout is None:
            raise ConfigurationError("bytes must describe at least one field where format is bytes")
        return layout.read
    if (found := _READERS.get(name) or decoders.get(name)) is not None:
        return found
    raise ConfigurationError(
        f"format must be one of {', '.join(FORMATS)}, or a decoder of an installed package "
        f"({', '.join(sorted(decoders)) or 'there is none'}), got {shown(name)}; see `weir plugin list`"
    )
