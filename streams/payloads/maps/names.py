"""Names of other systems as ids and quantities of Weir, so that two names never become one id.

    Cellar freezer   ->  Cellar@_freezer        a sensor's id: every character that it may not hold is written
    küche            ->  k@fc.che               with @, which stands for itself as @@
    kitchen/air      ->  kitchen:air            levels of a topic are joined by a colon,
    kitchen:air      ->  kitchen@:air           so that a colon in a name is another

A quantity is a field of a document and has letters, digits, ``_`` and ``-`` only: what else a name holds becomes
``_``. Two fields of one message that would become the same quantity are told, not merged.
"""

import re
from functools import lru_cache
from hashlib import blake2b

_PLAIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
_KEPT = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_LONGEST_ID = 128
_LONG_WORD = 5
_LONGEST_QUANTITY = 64
_PLAIN_QUANTITY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}", re.ASCII)
_OTHERS = re.compile(r"[^A-Za-z0-9_-]+", re.ASCII)
# Written out where a reader of a chart would miss them: pm2.5 (µg/m³), temperature °C, ä, ö, ü.
_SPELT = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "µ": "u", "μ": "u"}
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", re.ASCII)
_OF_NAMES = frozenset({
    "id", "uid", "uuid", "guid", "serial", "sn", "mac", "ssid", "bssid", "imei", "imsi", "iccid", "eui", "version",
    "firmware", "fw", "fwv", "revision", "hostname", "ip",
})  # fmt: skip
_NUMBERED = frozenset({"serial", "part", "meter", "device", "model", "order", "article"})
_RESERVED = frozenset({"sensor_id", "collected_at", "sequence", "metadata", "reading"})


@lru_cache(maxsize=4096)
def id_part(name: str, *, alone: bool = False) -> str:
    """Write a name so that it can be (part of) a sensor's id; different names stay different.

    Args:
        name: As the other system has it.
        alone: Whether it is the whole id: then a colon stays as it is (``A4:C1:38:00:00:01``).

    >>> id_part("Cellar freezer"), id_part("a:b"), id_part("a:b", alone=True)
    ('Cellar@_freezer', 'a@:b', 'a:b')
    """
    if _PLAIN_ID.fullmatch(name):
        return name
    return "".join(_written(character, alone) for character in name)


def _written(character: str, alone: bool) -> str:
    if character in _KEPT or (alone and character == ":"):
        return character
    match character:
        case "@" | ":":
            return "@" + character
        case " ":
            return "@_"
    return f"@{ord(character):x}."


def joined(parts: list[str], joint: str = ":") -> str:
    """Join the levels of a name: a slash of theirs is a colon of ours.

    >>> joined(["kitchen", "air:1"])
    'kitchen:air@:1'
    """
    return joint.join(id_part(part) for part in parts)


def whole_id(text: str) -> str:
    """Make a sensor's id of quoted parts: it begins with a letter or digit and has at most 128 characters.

    >>> whole_id("_a")
    '0@._a'
    """
    if not text[:1].isalnum() or not text[:1].isascii():
        text = f"0@.{text}"
    if len(text) <= _LONGEST_ID:
        return text
    digest = blake2b(text.encode(errors="surrogatepass"), digest_size=10, person=b"weir.longid").hexdigest()
    return f"{text[:100]}@h{digest}"


@lru_cache(maxsize=16_384)
def quantity_name(path: tuple[str, ...]) -> str:
    """Name the quantity at a path of an object; empty if nothing of it can be a name.

    >>> quantity_name(("leaf", "wetness")), quantity_name(("pm2.5",)), quantity_name(("Temperatur °C",))
    ('leaf_wetness', 'pm2_5', 'Temperatur_C')
    """
    text = "_".join(path)
    if not _PLAIN_QUANTITY.fullmatch(text):
        text = _OTHERS.sub("_", text.translate(_SPELT)).strip("_")
        if text and not text[0].isalpha():
            text = f"q{text}" if text[0].isdigit() else f"q_{text}"
    if len(text) > _LONGEST_QUANTITY:
        digest = blake2b(text.encode(), digest_size=4, person=b"weir.longname").hexdigest()
        text = f"{text[:55]}-{digest}"
    return f"{text}_" if text in _RESERVED else text


@lru_cache(maxsize=4096)
def names_something(field: str) -> bool:
    """Whether a field holds by its name what names something, or a version: a text in it is no number, whatever it is.

    >>> names_something("PN532_UID"), names_something("deviceId"), names_something("humid"), names_something("grid")
    (True, True, False, False)
    """
    words = [word.lower() for word in _WORD.findall(field)]
    if not words:
        return False
    return (
        words[-1] in _OF_NAMES
        or words[-1].endswith("version")
        or (words[-1] in ("number", "no", "nr") and len(words) > 1 and words[-2] in _NUMBERED)
    )


@lru_cache(maxsize=4096)
def says_what(quantity: str, words: frozenset[str]) -> bool:
    """Whether a quantity's name says what is measured: one of its words is one of those given.

    A word of five letters or more may also begin or end a longer one. ``current`` counts only at the end, but for
    letters and numbers of phases: elsewhere it means *now*.

    >>> words = frozenset({"temperature", "temp", "current"})
    >>> [says_what(name, words) for name in ("roomTemperature2", "roomtemperature", "current_l1")]
    [True, True, True]
    >>> [says_what(name, words) for name in ("current_version", "template")]
    [False, False]
    """
    found = [word.lower() for word in _WORD.findall(quantity)]
    if "current" in found and [word for word in found if len(word) > 1][-1] != "current":
        found = [word for word in found if word != "current"]
    if not words.isdisjoint(found):
        return True
    long = tuple(word for word in words if len(word) >= _LONG_WORD and word != "current")
    return any(word.startswith(long) or word.endswith(long) for word in found)
