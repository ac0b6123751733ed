"""A map file as it is written: TOML, checked against this model before anything is done with it.

    name = "greenhouse"
    source = "https://example.org/manual, version 3"

    [[rule]]
    topic = "farm/{house}/{sensor}/data"
    sensor = "{house}:{sensor}"
    time = "measured.at"

A map holds names, paths and tables only: nothing in it can run, repeat or grow without a bound.
docs/reference/maps.md explains each field.
"""

import re
import tomllib
from typing import Annotated, Any, Literal

import msgspec

from streams.errors import ConfigurationError
from streams.payloads.formats.binary import BytesField
from streams.payloads.map_lists import put_in

MAX_FILE_BYTES = 262_144
_MAX_RULES = 200

Texts = str | list[str]
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
"""What a map, or a decoder, may be called."""
Others = Literal["all", "ignore", "refuse"]
Unit = Literal["auto", "s", "ms", "us", "ns"]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A table of a map file: a name that does not exist in it is an error.

    What a map leaves out is not written either: a later field with a default changes no map's fingerprint.
    """


class TimeField(_Part, frozen=True):
    """Where an event time stands and how it is written.

    Args:
        path: Where, seen from the element; ``$.`` begins at the root of the payload.
        unit: Of a number since the Unix epoch; ``auto`` takes it from the magnitude.
        format: Of a text, in the words of `datetime.strptime`; not set: RFC 3339 and what resembles it.
        zone: Of a local time without an offset: an IANA name, or ``nearest``: the offset (of those in use)
            that puts it nearest to its arrival, and only if it is then within five minutes of it.
        then: Path of the time of day, where ``path`` leads to the day alone; ``format`` is of both, a space between.
        age: Whether a number says how long before its arrival it was measured; ``unit`` is seconds if it is not set.
    """

    path: str
    unit: Unit = "auto"
    then: str = ""
    age: bool = False
    format: str = ""
    zone: str = ""


class Field(_Part, frozen=True):
    """What is done with the fields whose path matches.

    Args:
        name: Name of the quantity; not set: the path's.
        scale, offset: The value becomes ``value * scale + offset``.
        unit: The unit of the result, for people.
        words: Texts and the numbers they stand for, in place of the usual words.
        ignore: Pass over.
        counter: Refused: a rate needs the reading before, and a map knows of none.
        decimal: ``,`` where numbers in text have a decimal comma.
    """

    name: str = ""
    scale: float = 1.0
    offset: float = 0.0
    unit: str = ""
    words: dict[str, float] = {}
    ignore: bool = False
    counter: bool = False
    decimal: Literal[".", ","] = "."


class Series(_Part, frozen=True):
    """An array of values of one quantity, a fixed time apart.

    Args:
        values: Path of the array.
        quantity: Name of the quantity.
        step: Seconds between two values, or the path of the number that says so.
        step_unit: Unit of the number at that path.
        first: Whether the message's time is that of the first value (or of the last).
    """

    values: str
    quantity: str
    step: float | str
    step_unit: Literal["s", "ms", "us", "ns"] = "s"
    first: bool = True


class Table(_Part, frozen=True):
    """Rows or columns of values, whose names stand beside them: each row is read as an object.

    Args:
        at: Path of the object that holds the table; not set: the payload.
        names: Path of the names within it: an array of texts, or several texts; not set: the rows are objects already.
        rows: Path of the rows within it: arrays of values, or an array of such.
        columns: In place of both, path of an object whose fields are arrays of one length, a column each; what is no
            array there is the same in all rows.
        key: Name under which a row that is the value of a field has the field's name.
        name, value: Fields of rows that are objects: what names a value, and the value; the first of each that a row
            has. In place of all of them the row has the value under that name.
        apart: Fields that tell values of one name apart: the first of them that a row has is put behind the name.
        without: Names of which it may have none; otherwise it stays as it is.
    """

    at: str = ""
    names: str = ""
    rows: str = ""
    columns: str | None = None
    key: str = ""
    name: str | list[str] = ""
    value: str | list[str] = ""
    apart: list[str] = []
    without: list[str] = []


class Csv(_Part, frozen=True):
    """How separated values are read: lines of them, or pairs of a name and a value.

    Args:
        columns: Names of the columns; not set: the first line has them; ``*`` alone: they are numbered from 1.
        separator: One character.
        decimal: ``,`` where numbers have a decimal comma.
    """

    columns: list[str] = []
    separator: Annotated[str, msgspec.Meta(min_length=1, max_length=1)] = ","


class Rule(_Part, frozen=True):
    """One form of message: the topics it comes on and what is read from it.

    Args:
        topic: Template or templates of topics: levels are texts, ``+``, ``#``, ``{name}``, ``{name+}`` (one or
            more levels), ``{a,b}`` (one of these).
        what: ``readings``; ``presence``: a word says whether a device is there; ``names``: what numbers in other
            messages stand for; ``nothing``: passed over; ``refuse``: a dead letter.
        reason, why: Of that dead letter: what is wrong with such a message, and the remedy.
        format: How bytes become values: a name out of `streams.payloads.formats.readers`, or that of a decoder which an
            installed package brings.
        when: Paths that must all be there; otherwise the next rule is asked.
        without: Paths none of which may be there; otherwise the next rule is asked.
        only: Names of fields: the payload is an object and has no others; otherwise the next rule is asked.
        shape: What the payload must be; otherwise the next rule is asked.
        sensor: Templates of the sensor's id out of names of levels ``{sensor}`` and paths ``{.a.b}``, ``{$.a.b}``;
            the first that can be filled counts.
        joint: What stands in an id between the levels of ``{name+}``.
        quantity: Templates of the quantity's name, where the value is one number.
        named_in: Templates of group and node, within which numbers stand for names. Where ``what`` is ``names``, the
            number at ``value`` of each part stands for its ``quantity``; of readings a ``quantity`` that is a number is
            named so, as soon as its name was heard.
        each: Paths of the parts that are a reading each; not set: the payload is one.
        values: Paths of what holds the quantities in each part, the first that leads to an object counts; not set:
            the part itself.
        value: Path of the one number that ``quantity`` names.
        time: Paths of the event time, the first that is there counts; not set: arrival.
        zone: As in `TimeField`, for all of them.
        unset_clock: What becomes of a time that cannot be (1970): ``arrival`` takes that, ``refuse`` refuses.
        inline: Names of objects that are no part of a quantity's name: of ``data``, ``{"data": {"t": 1}}`` is ``t``.
        ignore: Paths that are no quantities.
        keep_others: Fields that ``fields`` does not name: ``all`` takes the numbers, ``ignore`` none of them,
            ``refuse`` refuses them by name.
        texts: Texts that are no numbers: ``ignore`` or ``refuse``.
        embedded: Paths of texts that are JSON themselves.
        tables: Values whose names stand beside them. ``each`` and what follows it see objects in place of the rows,
            ``when``, ``without`` and ``only`` the payload as it came.
        bytes_at: Path of a text that holds the bytes which ``bytes`` describes; not set: the payload itself.
        bytes_as: How that text is written.
        bytes_of: Number of the company whose manufacturer data ``bytes`` describes, where the bytes are a Bluetooth
            advertisement: offsets count from behind that number.
        tags: Of ``bytes`` with a ``tag``: whether a byte behind each tag says how many bytes follow (``with_length``);
            then tags that are not described are passed over.
        flatten: Whether the numbers in nested tables count.
        fields: Path patterns and what is done with them.
        series: Arrays of values with a step.
        bytes: Description of a payload of raw bytes.
        csv: Description of separated values.
        retained: What becomes of a message that the broker had kept, if it has no time of its own.
        quality: Paths of what says how good a value is: of ``false``, a text that begins with ``bad``, or a code of OPC
            UA that is bad nothing was measured.
        sequence: Path of the device's own counter.
        decimal: As in `Field`, for all.
        state: What a message says of its device's presence, whatever it holds.
        unknown_words: Of a presence topic: what becomes of a word that says nothing of presence, a dead letter or the
            next rule's.
        unmeasured: What becomes of a message in which there is no number: it is passed over, or the next rule's.
        telling: Words of physical quantities, one of which must be part of a quantity's name: what does not say by a
            name what it measures is the next rule's.
        gateway: Template of the id of what the device is reached by: when that goes, the device goes with it.
        session: Path of the number of the connection that a word of presence is about.
        once_within: Seconds within which the same values of the same sensor on another topic are the same reading:
            heard by two gateways, or published twice.
        last: Of what is passed over: only what no rule reads by its content, either.
        subscribe: Whether the bridge asks for these topics; otherwise the rule reads what comes anyway.
    """

    topic: Texts
    what: Literal["readings", "presence", "names", "nothing", "refuse"] = "readings"
    reason: Literal["unknown_topic", "bad_sensor_id", "bad_format"] = "unknown_topic"
    why: Annotated[str, msgspec.Meta(max_length=500)] = "the map refuses this topic"
    format: str = "auto"
    when: list[str] = []
    without: list[str] = []
    only: list[str] = []
    shape: Literal["any", "object", "array", "value"] = "any"
    sensor: Texts = "{sensor}"
    joint: Literal[":", "@-"] = ":"
    quantity: Texts = []
    named_in: list[str] = []
    each: Texts = ""
    values: Texts = ""
    value: str = ""
    time: str | TimeField | list[str | TimeField] = []
    zone: str = ""
    unset_clock: Literal["arrival", "refuse"] = "arrival"
    inline: list[str] = []
    ignore: list[str] = []
    keep_others: Others = "all"
    texts: Literal["ignore", "refuse"] = "ignore"
    embedded: list[str] = []
    tables: list[Table] = []
    flatten: bool = True
    fields: dict[str, Field] = {}
    series: list[Series] = []
    bytes: list[BytesField] = []
    bytes_at: str = ""
    bytes_as: Literal["hex", "base64"] = "base64"
    bytes_of: Annotated[int, msgspec.Meta(ge=0, le=65_535)] | None = None
    tags: Literal["", "with_length"] = ""
    csv: Csv = Csv()
    retained: Literal["read", "ignore", "refuse"] = "read"
    quality: Texts = []
    sequence: str = ""
    decimal: Literal[".", ","] = "."
    words: dict[str, float] = {}
    state: Literal["", "online", "offline"] = ""
    unknown_words: Literal["refuse", "next"] = "refuse"
    unmeasured: Literal["ignore", "next"] = "ignore"
    telling: list[str] = []
    gateway: str = ""
    session: str = ""
    once_within: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 0.0
    last: bool = False
    subscribe: bool = True


class Map(_Part, frozen=True):
    """A map file.

    Args:
        name: Short name: lower-case letters, digits and ``-``.
        about: What it reads, for people.
        source: Public documentation that the forms were taken from, and its version.
        rule: The forms of messages.
    """

    name: str
    rule: list[Rule]
    about: str = ""
    source: Texts = ""


def parse_map(text: str, where: str = "map") -> Map:
    """Read a map file.

    Args:
        text: The file's text.
        where: Its name, for messages.

    Raises:
        ConfigurationError: If it is not TOML, or not a map; the message names the field.

    >>> parse_map('name = "a"\\nrule = [{topic = "x/{sensor}"}]').rule[0].topic
    'x/{sensor}'
    """
    if len(text) > MAX_FILE_BYTES:
        raise ConfigurationError(f"{where}: a map must have at most {MAX_FILE_BYTES} characters")
    try:
        table: dict[str, Any] = tomllib.loads(text)
        found = msgspec.convert(put_in(table), Map)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{where}: a map must be TOML: {error}") from None
    except (msgspec.ValidationError, ConfigurationError) as error:
        raise ConfigurationError(f"{where}: {error}; see docs/reference/maps.md") from None
    if not NAME.fullmatch(found.name):
        raise ConfigurationError(
            f"{where}: name must be lower-case letters, digits and -, got {found.name[:80]!r}"
        )
    if not 1 <= len(found.rule) <= _MAX_RULES:
        raise ConfigurationError(f"{where}: a map must have 1 to {_MAX_RULES} rules, got {len(found.rule)}")
    return found


def texts(given: Texts) -> tuple[str, ...]:
    """Return one or several texts as a tuple."""
    return (given,) if isinstance(given, str) else tuple(given)
