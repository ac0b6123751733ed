"""Payloads to try a decoder on: what devices send, and what no device should, the same for each seed.

samples, stock forms ──▶ every beginning of them ──▶ bytes changed, cut, doubled, joined ──▶ grown to 64 kB
"""

import random
from collections.abc import Sequence

LONGEST = 65_536
"""Bytes of the largest payload that is made: how a decoder grows is seen by then. Samples may be larger."""
_GROWN = (1024, 8192, LONGEST)
_MOST_BEGINNINGS = 200
# Lengths, signs and ends of ranges, as a field of a length or a count has them at its worst.
_EXTREMES = (
    b"\0",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\0\0",
    b"\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\xff" * 4,
    b"\xff" * 8,
)
_STOCK = (
    b"21.5", b"ON", b"nan", b"-", b"1e999", b"9" * 5000, b"\xef\xbb\xbf{}", b"{", b"[", b'"', b"{}", b"[]", b"null",
    b'{"t": 21.5, "h": 40}', b'{"t": {"u": [1, 2, {"v": null}]}}', b'[{"t": 1}, {"t": 2}]', b'{"a": 1}\n{"a": 2}',
    b'{"t": NaN}', b'{"t": "21,5", "on": true}', b"t,h\n21.5,40\n", b"w,site=roof t=21.5 1795149960000000000",
    b"\xa1\x61t\x18\xf0", b"\x81\xa1t\xcb@5\x80\0\0\0\0\0", b"\x08\x96\x01\x12\x03abc", b"<t>21.5</t>", b"\0" * 64,
    b"\xff" * 64, b"\xc3\x28", "grün \u2028 𝔘".encode(), b"a" * 300, b"%s%n{0}${x}", bytes(range(256)),
)  # fmt: skip
_UNITS = (b"\0", b"\xff", b"[", b'{"a":', b"1", b",", b"\n", b'"', b"\\", b"a=1,", b"\x9f", b"\x81")


def corpus(samples: Sequence[bytes], count: int, seed: int) -> list[bytes]:
    """Make the payloads, each once.

    Args:
        samples: What devices send; each is tried as it is, however large.
        count: How many changed ones are made, beside the fixed ones.
        seed: Decides the changes.
    """
    draw = random.Random(seed)
    forms = [*samples, *_STOCK]
    found = [b"", *(bytes([number]) for number in range(256)), *forms]
    for form in forms:
        step = max(1, len(form) // _MOST_BEGINNINGS)
        found += [form[:length] for length in range(1, len(form), step)]
    for unit in (*samples, *_UNITS):
        found += [(unit * (size // len(unit) + 1))[:size] for size in _GROWN if unit]
    found += [draw.randbytes(size) for size in _GROWN]
    # Half of the changes begin at what a device sends: elsewhere a decoder refuses most at the first byte.
    found += [_changed(draw, samples if samples and number % 2 else forms, forms) for number in range(count)]
    return list(dict.fromkeys([*samples, *(payload[:LONGEST] for payload in found)]))


def _changed(draw: random.Random, from_: Sequence[bytes], forms: Sequence[bytes]) -> bytes:
    """Change one form in one to four places."""
    payload = bytearray(draw.choice(from_))
    for _ in range(draw.randint(1, 4)):
        at = draw.randint(0, len(payload))
        end = min(len(payload), at + draw.randint(1, 8))
        match draw.randint(0, 6):
            case 0 if at < len(payload):
                payload[at] ^= 1 << draw.randint(0, 7)
            case 1 if at < len(payload):
                payload[at] = draw.randint(0, 255)
            case 2:
                extreme = draw.choice(_EXTREMES)
                payload[at : at + len(extreme)] = extreme
            case 3:
                del payload[at:end]
            case 4:
                payload[at:at] = payload[at:end] * draw.randint(1, 50)
            case 5:
                payload[at:at] = draw.randbytes(draw.randint(1, 8))
            case _:
                payload[at:] = draw.choice(forms)[-draw.randint(1, 64) :]
    return bytes(payload)
