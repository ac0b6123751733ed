"""Values of a changelog that are larger than a record may be: in parts, which stand in one transaction.

    key             a NUL, how many parts, and their digest
    key NUL #0      digest, first bytes
    key NUL #1      digest, next bytes ...

Compaction keeps the newest of each key: the newest head and the parts that have its digest belong together. Parts that
were written for a longer value before stay, and are left out. No row begins with a NUL (MessagePack: the number 0).
"""

from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

from streams.errors import DamagedRowError

LARGEST: Final = 256 * 1024
"""Bytes of a value, or of a part: half of the largest batch that the writer builds."""
_HEAD: Final = b"\0"
_PART: Final = b"\0#"
_DIGEST: Final = 8


def in_parts(key: bytes, value: bytes, largest: int = LARGEST) -> Iterator[tuple[bytes, bytes]]:
    """Yield the records in which a value is written: itself, if it is not too large.

    Args:
        key: Its key.
        value: What is to be written; it does not begin with a NUL.
        largest: Bytes of a record's value at most.

    >>> [key for key, _ in in_parts(b"s1", b"x" * 250, largest=100)]
    [b's1', b's1\\x00#0', b's1\\x00#1', b's1\\x00#2']
    """
    if len(value) <= largest:
        yield key, value
        return
    digest = blake2b(value, digest_size=_DIGEST).digest()
    step = largest - _DIGEST
    chunks = [value[at : at + step] for at in range(0, len(value), step)]
    yield key, _HEAD + len(chunks).to_bytes(4) + digest
    for number, chunk in enumerate(chunks):
        yield key + _PART + b"%d" % number, digest + chunk


def is_part(key: bytes) -> bool:
    """Tell whether the key is that of a part."""
    return _PART in key


def without_part(key: bytes) -> bytes:
    """Return the key of the value that a part belongs to; of any other key, itself.

    >>> without_part(b"s1\\0#12"), without_part(b"s1")
    (b's1', b's1')
    """
    return key.partition(_PART)[0]


def whole(newest: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Put values together again.

    Args:
        newest: The newest value of each key of a changelog; empty of parts afterwards.

    Returns:
        The same, with whole values and without parts.

    Raises:
        DamagedRowError: If parts of a value are missing: the table must be rebuilt (``weir reset``).
    """
    parts = {key: newest.pop(key) for key in [key for key in newest if is_part(key)]}
    for key, head in newest.items():
        if head.startswith(_HEAD):
            newest[key] = _joined(key, head, parts)
    return newest


def _joined(key: bytes, head: bytes, parts: dict[bytes, bytes]) -> bytes:
    try:
        return b"".join(_chunks(key, head, parts))
    except ValueError as error:
        raise DamagedRowError(key, error) from None


def _chunks(key: bytes, head: bytes, parts: dict[bytes, bytes]) -> Iterator[bytes]:
    digest = head[5:]
    for number in range(int.from_bytes(head[1:5])):
        part = parts.pop(key + _PART + b"%d" % number, b"")
        if len(digest) != _DIGEST or part[:_DIGEST] != digest:
            raise ValueError(f"part {number} of it is missing in the changelog")
        yield part[_DIGEST:]
