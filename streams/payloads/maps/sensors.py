"""Templates of ids and names, out of levels of the topic and fields of the payload.

    {house}:{.device.id}        a named level; a field of the part that is read
    {$.gateway}/{^.name}        from the root of the payload; from the object around the part
    {.tags.*}                   all texts there, in the order of their names, joined by colons

A template that has nothing to fill in gives no name, and the next one is tried.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from streams.errors import ConfigurationError
from streams.payloads.maps.names import id_part, joined, whole_id
from streams.payloads.maps.paths import Path, compile_path

Follow = Callable[[Path], Any]
_PART = re.compile(r"\{((?:[^{}]|\{[^{}]*\})+)\}")
_NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_LITERAL = re.compile(r"[A-Za-z0-9._:@-]*", re.ASCII)
# A hardware address, with the number of an endpoint perhaps; a name in the form of RFC 8141.
_WITH_COLONS = re.compile(r"(?:[0-9A-Fa-f]{2}:){5,7}[0-9A-Fa-f]{2}(?:-[0-9A-Za-z-]{1,16})?|urn:\S+", re.ASCII)


class Piece(msgspec.Struct, frozen=True, gc=False):
    """One piece of a template: a text, a name (of perhaps several levels) or a path."""

    text: str = ""
    name: str = ""
    many: bool = False
    path: Path | None = None


class NameTemplate(msgspec.Struct, frozen=True, gc=False):
    """A compiled template of an id or a name.

    Args:
        text: As it was written.
        pieces: Its pieces.
    """

    text: str
    pieces: tuple[Piece, ...]

    @property
    def of_topic(self) -> bool:
        """Whether levels of the topic are all it needs, so that it is the same for each message of a topic."""
        return all(piece.path is None for piece in self.pieces)

    @property
    def paths(self) -> list[Path]:
        """The fields of the payload that it needs."""
        return [piece.path for piece in self.pieces if piece.path is not None]


def compile_name(
    text: str, names: frozenset[str], what: str, many: frozenset[str] = frozenset()
) -> NameTemplate:
    """Compile a template.

    Args:
        text: The template.
        names: Names that levels of the topic and wildcards of paths have.
        what: What it is for, for messages.
        many: Those of the names that may be several levels.

    Raises:
        ConfigurationError: If it holds a name that there is not, or a character that an id may not hold.
    """
    pieces, at = [], 0
    for found in _PART.finditer(text):
        pieces += [Piece(text=text[at : found.start()])] if found.start() > at else []
        inner = found[1]
        if inner.startswith((".", "$", "^")):
            pieces.append(Piece(path=compile_path(inner.removeprefix("."))))
        elif _NAME.fullmatch(inner) and inner in names:
            pieces.append(Piece(name=inner, many=inner in many))
        else:
            raise ConfigurationError(
                f"{what} {text[:80]!r}: {{{inner[:40]}}} must be one of {', '.join(sorted(names)) or '(no names)'}, "
                "or a path that begins with a dot"
            )
        at = found.end()
    pieces += [Piece(text=text[at:])] if at < len(text) else []
    for piece in pieces:
        if not _LITERAL.fullmatch(piece.text):
            raise ConfigurationError(
                f"{what} {text[:80]!r} may hold letters, digits and . _ : @ - beside {{names}}"
            )
    if not pieces:
        raise ConfigurationError(f"{what} must not be empty")
    return NameTemplate(text, tuple(pieces))


def named_sensor(
    template: NameTemplate, names: Mapping[str, str], follow: Follow, joint: str = ":"
) -> str | None:
    """Fill a template in for a sensor's id; ``None`` if something of it is not there.

    Args:
        template: The template.
        names: Levels of the topic and names that paths kept.
        follow: Leads to what stands at a path.
        joint: What stands between the levels of a name of several.
    """
    pieces = template.pieces
    written = []
    for piece in pieces:
        if piece.text:
            written.append(piece.text)
            continue
        text = _filled(piece, names, follow)
        if not text:
            return None
        if piece.path is not None and not piece.path.plain:
            # One that is written with colons by itself is no other two joined by one.
            alone = len(pieces) == 1 and _WITH_COLONS.fullmatch(text) is not None
            written.append(":".join(id_part(part, alone=alone) for part in text.split("\0")))
            continue
        # Only what is one level and the whole id keeps its colons: elsewhere they join.
        written.append(
            joined(text.split("/"), joint) if piece.many else id_part(text, alone=len(pieces) == 1)
        )
    return whole_id("".join(written))


def plain_name(template: NameTemplate, names: Mapping[str, str], follow: Follow) -> tuple[str, ...] | None:
    """Fill a template in for a quantity's name, as a path; ``None`` if something of it is not there.

    Args:
        template: The template.
        names: What levels of the topic and wildcards of paths stood for, by their names.
        follow: Leads to what stands at a path.
    """
    written = []
    for piece in template.pieces:
        text = piece.text or _filled(piece, names, follow)
        if not text:
            return None
        written.append(text)
    return ("".join(written),)


def _filled(piece: Piece, names: Mapping[str, str], follow: Follow) -> str | None:
    if piece.path is None:
        return names.get(piece.name)
    if not piece.path.plain:
        return "\0".join(text for value in follow(piece.path) if (text := _text(value)))
    return _text(follow(piece.path))


def _text(value: Any) -> str | None:
    """Return what can be (part of) a name as a text."""
    if type(value) is str:
        return value[:512].strip()
    if type(value) is int and abs(value) < 10**20:
        return str(value)
    return str(int(value)) if type(value) is float and value.is_integer() and abs(value) < 1e15 else None
