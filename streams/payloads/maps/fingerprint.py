"""A fingerprint of all that decides what a message is read as: the same one, and the same bytes, the same readings.

It stands in the headers of each reading (`HEADER_MAPS`), so that readings of before and after a change of a map can be
told apart. What a Sparkplug birth has said, and when a message came, are no part of it: they stand in the log.
"""

from collections.abc import Iterable
from dataclasses import asdict
from hashlib import blake2b
from typing import Any

import msgspec

from streams.payloads.accepted import Limits
from streams.payloads.formats.own import Decoders
from streams.payloads.maps.model import Map

_BYTES = 8


def fingerprint_of(
    maps: Iterable[tuple[int, Map]], limits: Limits, zone: str, unmatched: str, decoders: Decoders
) -> bytes:
    """Return 8 bytes for the maps in force.

    Args:
        maps: In their order, each with where it comes from. What it is about, and its comments, are no part of it.
        limits: What is accepted.
        zone: Of local times without an offset.
        unmatched: What becomes of a message that nothing reads.
        decoders: Formats of installed packages, by package and version.

    >>> len({fingerprint_of([], Limits(), zone, "ignore", Decoders()) for zone in ("", "UTC", "")})
    2
    """
    bare = [(origin, msgspec.structs.replace(each, about="", source="")) for origin, each in maps]
    accepted = {name: _ordered(value) for name, value in asdict(limits).items()}
    packages = sorted(decoders.versions.items())
    whole = msgspec.json.encode([bare, accepted, zone, unmatched, packages])
    return blake2b(whole, digest_size=_BYTES, person=b"weir.maps").digest()


def _ordered(value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset) else value
