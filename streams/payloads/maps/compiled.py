"""A rule, compiled: what it needs to know of a message's topic and bytes to make readings of them.

    bytes ──format──▶ documents ──each──▶ parts ──┬─ sensor, event time
                                                  └─ values ──▶ quantities ──▶ merged by sensor and time

What is wrong with one field is noted with its path, and the others go on; what is wrong with a whole part, too.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import tzinfo
from functools import cache, partial
from types import MappingProxyType
from typing import Any

import msgspec

from streams.errors import ConfigurationError, InputError, Reason, shown
from streams.payloads.accepted import Limits
from streams.payloads.arrivals import Arrivals
from streams.payloads.event_times import Zone, zone_of
from streams.payloads.formats.own import Reader
from streams.payloads.formats.readers import KnownDocuments, layout_of, read_once, reader_of
from streams.payloads.maps.births import Births
from streams.payloads.maps.clocks import Clock, ZoneOfAll
from streams.payloads.maps.decoded import Decoded, Passed, PresenceWord, Refused
from streams.payloads.maps.embedded import unpack, unpack_bytes
from streams.payloads.maps.gathering import Gatherer, Notes
from streams.payloads.maps.merging import Merged
from streams.payloads.maps.model import Rule, texts
from streams.payloads.maps.named_rows import TableReader
from streams.payloads.maps.names import says_what
from streams.payloads.maps.numbered import NumberedNames
from streams.payloads.maps.paths import (
    MISSING,
    NO_NAMES,
    Path,
    Reached,
    compile_path,
    find,
    first_names,
    get,
    reach,
    seen_from,
    shown_way,
)
from streams.payloads.maps.sensors import compile_name, named_sensor, plain_name
from streams.payloads.maps.spread import Spread
from streams.payloads.maps.template import Template, compile_template
from streams.payloads.maps.words import State, is_bad, presence_of, word_of

# Of a row: as many as a reading may have quantities, and some that are none.
_MOST_COLUMNS = 1024
Part = tuple[Any, Reached]
"""A document, and the place in it of which a reading is made."""


Measured = tuple[tuple[str, ...], Callable[[Path], Any], str, dict[str, float], Sequence[Spread]]
"""What one part of a message measured, before its time is read: where it stands, what leads to what stands at a path,
the sensor's id, its values by quantity, and the arrays of values in it, a fixed time apart."""


class Came(msgspec.Struct, frozen=True, gc=False):
    """A message's circumstances.

    Args:
        names: Levels of its topic that the template names.
        sensor: The sensor's id, if the topic alone names it.
        ingest_time: When it came (seconds since the Unix epoch).
        retained: Whether the broker had kept it.
        limits: What is accepted.
        arrivals: Event times of what has none.
        births: What numbers and aliases stand for.
        explain: Whether somebody wants to know what was passed over.
    """

    names: Mapping[str, str]
    sensor: str | None
    ingest_time: float
    retained: bool
    limits: Limits
    arrivals: Arrivals
    births: Births
    explain: bool = False


class CompiledRule:
    """One rule of a map, ready to read messages.

    Args:
        rule: The rule.
        map_name: Name of the map it is of.
        zone: Of local times, where the rule names none.
        decoders: Formats that installed packages bring.

    Raises:
        ConfigurationError: If something in the rule cannot be understood, or contradicts something else.
    """

    def __init__(
        self, rule: Rule, map_name: str, zone: Zone, decoders: Mapping[str, Reader] = MappingProxyType({})
    ) -> None:
        self.rule = rule
        self.map_name = map_name
        self._measures = rule.what == "readings"
        self.only_reads = (
            self._measures
            and rule.format != "sparkplug"
            and rule.unmeasured != "next"
            and not rule.telling
            and not rule.once_within
        )
        """Whether it makes readings, and nothing has to be known or done beside."""
        self.templates: list[Template] = [compile_template(text) for text in texts(rule.topic)]
        if not self.templates:
            raise ConfigurationError("topic must have at least one template")
        self._when = [compile_path(text) for text in rule.when]
        firsts = [names for path in self._when if (names := first_names(path))]
        self._when_keys = frozenset().union(*(names for names in firsts if len(names) == 1))
        self._when_choices = [names for names in firsts if len(names) > 1]
        self._without = [compile_path(text) for text in rule.without]
        self._only = frozenset(rule.only)
        self._telling = frozenset(word.lower() for word in rule.telling)
        self._each = [compile_path(text) for text in texts(rule.each)]
        self._values = [compile_path(text) for text in texts(rule.values)]
        self._value = compile_path(rule.value)
        self._clock = Clock(rule, zone)
        names = self._names()
        many = frozenset(name for template in self.templates for name in template.many)
        self._sensors = [compile_name(text, names, "sensor", many) for text in texts(rule.sensor)]
        self._quantities = [compile_name(text, names, "quantity") for text in texts(rule.quantity)]
        self._numbered = NumberedNames(rule, names, many) if rule.named_in else None
        self._embedded = [compile_path(text) for text in rule.embedded]
        self._tables = [TableReader(table) for table in rule.tables]
        self._is_one_part = not self._tables and not any(each.steps for each in self._each)
        self._spreads = [Spread(series) for series in rule.series]
        self._sequence = compile_path(rule.sequence) if rule.sequence else None
        self._quality = [compile_path(text) for text in texts(rule.quality)]
        self._gateway = compile_name(rule.gateway, names, "gateway", many) if rule.gateway else None
        self._session = compile_path(rule.session) if rule.session else None
        self._words = {word.lower(): value for word, value in rule.words.items()}
        named_by = [path for template in (*self._sensors, *self._quantities) for path in template.paths]
        self._gatherer = Gatherer(rule, self._not_values(), seen_from(self._values, named_by))
        self._bytes_at = compile_path(rule.bytes_at)
        self._changes_documents = bool(self._embedded or rule.bytes_at)
        self._layout = layout_of(rule.bytes, has_lengths=rule.tags == "with_length")
        self._read_bytes = reader_of(
            rule.format, self._layout, rule.csv.columns, rule.csv.separator, decoders
        )

    def sensor_of(self, names: Mapping[str, str]) -> str | None:
        """Return the sensor's id if the levels of the topic alone decide it."""
        for template in self._sensors:
            if not template.of_topic:
                return None
            if found := named_sensor(template, names, lambda _: MISSING, self.rule.joint):
                return found
        return None

    def can_name(self, template: Template) -> bool:
        """Whether topics of a template can fill in one of the templates of the sensor's id."""
        given = template.names | {step.capture for path in self._each for step in path.steps if step.capture}
        return any(
            all(not piece.name or piece.name in given for piece in each.pieces) for each in self._sensors
        )

    def _names(self) -> frozenset[str]:
        """Return the names that topics of the rule have, and those that its paths keep."""
        of_topics = frozenset().union(*(template.names for template in self.templates))
        if self.rule.what in ("nothing", "refuse", "names"):
            return of_topics | {"sensor"}
        return of_topics | {step.capture for path in self._each for step in path.steps if step.capture}

    def _not_values(self) -> list[str]:
        """Return patterns, seen from where the values are, of what is a time or read in another way."""
        paths = [*self._clock.paths]
        paths += [self._sequence] if self._sequence is not None else []
        paths += [path for spread in self._spreads for path in spread.paths]
        paths += [path for path in self._each if path.steps and "" in texts(self.rule.each)]
        return seen_from(self._values, paths)

    def documents(self, payload: bytes, known: KnownDocuments) -> list[Any]:
        """Read the bytes, and the texts in them that are JSON or bytes themselves.

        Args:
            payload: The bytes.
            known: What other rules have read of them.

        Raises:
            InputError: If they are not of the rule's format.
        """
        found = read_once(self._read_bytes, payload, known, to_change=self._changes_documents)
        if self._embedded:
            found = [each if isinstance(each, InputError) else unpack(each, self._embedded) for each in found]
        if self._layout is not None and self.rule.bytes_at:
            found = [unpack_bytes(each, self._bytes_at, self._layout, self.rule) for each in found]
        return found

    @property
    def decides(self) -> bool:
        """Whether what it cannot read is no other rule's: its topics are of presence alone."""
        return self.rule.what == "presence" and self.rule.unknown_words == "refuse"

    @property
    def passes_over(self) -> bool:
        """Whether it passes over a message, whatever is in it."""
        return self.rule.what == "nothing" and not self.rule.when

    def lacks(self, documents: list[Any]) -> bool:
        """Whether the fields of the first document tell that it cannot fit: what `fits` says, sooner."""
        first = documents[0]
        if type(first) is not dict:
            return bool(self._only or self._when_keys or self._when_choices)
        if not self._when_keys <= first.keys() or (self._only and not first.keys() <= self._only):
            return True
        return any(names.isdisjoint(first) for names in self._when_choices)

    def tells(self, outcome: Decoded) -> bool:
        """Whether one of the quantities says what it measures, where the rule asks for it."""
        return not self._telling or any(
            says_what(quantity, self._telling)
            for found in outcome.readings
            for quantity in found.reading.values
        )

    def fits(self, documents: list[Any]) -> bool:
        """Whether the first document has the rule's shape, what ``when`` names, and nothing that ``only`` does not."""
        first = documents[0]
        if self.rule.shape != "any" and _shape(first) != self.rule.shape:
            return False
        if self._only and not (type(first) is dict and first.keys() <= self._only):
            return False
        if self._without and any(next(find(path, first), None) is not None for path in self._without):
            return False
        if self.rule.what == "presence" and not self.decides and self._state(first) is None:
            return False
        return not self._when or all(next(find(path, first), None) is not None for path in self._when)

    def read(self, documents: list[Any], came: Came) -> Decoded:
        """Make of a message's documents what the rule says.

        Raises:
            InputError: If the message as a whole cannot be read.
        """
        if self._measures:
            return self._readings(documents, came)
        match self.rule.what:
            case "nothing":
                return Decoded(self.map_name, ignored=[Passed("", "the map passes over this topic")])
            case "refuse":
                return Decoded(self.map_name, refused=[Refused("", Reason(self.rule.reason), self.rule.why)])
            case "presence":
                return self._presence(documents, came)
        assert self.rule.what == "names"
        births = (
            []
            if self._numbered is None
            else self._numbered.learn(documents[0], came.names, came.births, came.ingest_time)
        )
        return Decoded(self.map_name, births=births, ignored=[Passed("", "what numbers stand for")])

    def _readings(self, documents: list[Any], came: Came) -> Decoded:
        notes = Notes(wanted=came.explain)
        merged = Merged(came.arrivals, came.ingest_time)
        if len(documents) == 1 and self._is_one_part and not isinstance(document := documents[0], InputError):
            only = self._measured(document, Reached(document, (), NO_NAMES), came, notes)
        else:
            parts = [part for each in documents for part in self._parts(each, notes)]
            if len(parts) > 1:
                self._add_all(parts, came, notes, merged)
                return self._outcome(documents, came, notes, merged)
            only = self._measured(*parts[0], came, notes) if parts else None
        if only is not None:
            self._add(only, came, notes, merged, None)
        return self._outcome(documents, came, notes, merged)

    def _add_all(self, parts: Sequence[Part], came: Came, notes: Notes, merged: Merged) -> None:
        """Make readings of several parts: what was measured first, since local times of one sensor have one zone."""
        measured = [each for part in parts if (each := self._measured(*part, came, notes)) is not None]
        of_sensor: defaultdict[str, list[Measured]] = defaultdict(list)
        for each in measured:
            of_sensor[each[2]].append(each)
        zones = {
            sensor: cache(partial(self._zone_of, some, came)) if len(some) > 1 else None
            for sensor, some in of_sensor.items()
        }
        for each in measured:
            self._add(each, came, notes, merged, zones[each[2]])

    def _outcome(self, documents: list[Any], came: Came, notes: Notes, merged: Merged) -> Decoded:
        found = merged.readings()
        presence = self._presence(documents, came).presence if self.rule.state else []
        outcome = Decoded(
            self.map_name, found, presence, notes.ignored, notes.refused, of_bad_quality=notes.of_bad_quality
        )
        if merged.without_time and came.retained and self.rule.retained != "read":
            return self._retained(outcome)
        if not found and not notes.refused and not came.explain:
            outcome.ignored.append(Passed("", "nothing in it was measured"))
        return outcome

    def _retained(self, outcome: Decoded) -> Decoded:
        kept = [found for found in outcome.readings if found.clock == "device"]
        why = "retained, and without a time: it was measured at an unknown time before"
        if self.rule.retained == "refuse":
            refused = [*outcome.refused, Refused("", Reason.MISSING_TIME, why)]
            return msgspec.structs.replace(outcome, readings=kept, refused=refused)
        return msgspec.structs.replace(outcome, readings=kept, ignored=[*outcome.ignored, Passed("", why)])

    def _parts(self, document: Any, notes: Notes) -> Iterator[Part]:
        """Yield the parts of a document of which each is a reading, with the document as its tables make it."""
        if isinstance(document, InputError):
            notes.refuse((), document)
            return
        for table in self._tables:
            document = table.read(document, notes)
        for each in self._each:
            places = find(each, document) if each.steps else [Reached(document, (), NO_NAMES)]
            for place in places:
                yield document, place

    def _zone_of(self, measured: Sequence[Measured], came: Came) -> tuple[tzinfo, bool] | None:
        """Return the zone of the local times of one sensor in a message."""
        moments = (self._clock.local_time(follow) for _, follow, *_ in measured)
        return zone_of((each for each in moments if each is not None), came.ingest_time)

    def _measured(self, document: Any, place: Reached, came: Came, notes: Notes) -> Measured | None:
        """Return what one part of a document measured, and of which sensor; `None` if that is nothing."""
        names = {**came.names, **place.names} if place.names else came.names
        follow = partial(reach, document, place)
        try:
            for path in self._quality:
                if is_bad(quality := follow(path)):
                    notes.bad(place.way, quality)
                    return None
            values: dict[str, float] = {}
            self._gather(place, names, follow, values, notes, came)
            spread = [each for each in self._spreads if each.is_in(follow)] if self._spreads else ()
            if not values and not spread:
                return None
            return place.way, follow, came.sensor or self._sensor(names, follow), values, spread
        except InputError as error:
            notes.refuse(place.way, error)
            return None

    def _add(
        self, measured: Measured, came: Came, notes: Notes, merged: Merged, zone_of_all: ZoneOfAll | None
    ) -> None:
        """Make a reading, or several, of what one part measured."""
        way, follow, sensor, values, spread = measured
        try:
            time, why, reckoned = self._clock.read(follow, came.ingest_time, came.limits, zone_of_all)
            if why and came.explain:
                notes.ignored.append(Passed(shown_way(way), f"arrival instead of its time: {why}"))
            sequence = self._number_of(follow)
            if values:
                merged.add(sensor, time, values, sequence, arrival=reckoned)
            for one in spread:
                one.add_to(merged, sensor, time, follow, notes, way, arrival=reckoned)
        except InputError as error:
            notes.refuse(way, error)

    def _sensor(self, names: Mapping[str, str], follow: Callable[[Path], Any]) -> str:
        for template in self._sensors:
            if found := named_sensor(template, names, follow, self.rule.joint):
                return found
        wanted = " or ".join(template.text for template in self._sensors)
        raise InputError(Reason.BAD_SENSOR_ID, f"the sensor must be named by {wanted}")

    def _gather(
        self,
        place: Reached,
        names: Mapping[str, str],
        follow: Callable[[Path], Any],
        values: dict[str, float],
        notes: Notes,
        came: Came,
    ) -> None:
        gatherer = self._gatherer
        if self._quantities:
            value = follow(self._value)
            if not self._value.plain:
                value = value[0] if value else MISSING  # the first of its choices
            if value is MISSING:
                if not place.names:
                    return
                if type(place.value) in (dict, list) or not (self._value.plain or _is_named(place)):
                    notes.passed(place.way, f"there is no {self._value.text} in it")
                    return
                value = place.value  # what stands under its name without more is the number itself
            for template in self._quantities:
                if (name := plain_name(template, names, follow)) is not None:
                    named = (
                        self._numbered.name(name[0], names, follow, came.births)
                        if self._numbered
                        else name[0]
                    )
                    gatherer.take_one(value, named, values, notes, given=bool(template.paths))
                    return
            wanted = " or ".join(template.text for template in self._quantities)
            raise InputError(Reason.BAD_QUANTITY, f"the quantity must be named by {wanted}")
        is_null = False
        for path in self._values:
            if is_null and not path.steps:
                return  # there is a place for quantities, and nothing in it: what stands around it are none
            value = follow(path) if path.steps else place.value
            if type(value) is list and gatherer.names_elements:
                value = {f"[{number}]": element for number, element in enumerate(value[:_MOST_COLUMNS])}
            if type(value) is dict:
                gatherer.take(value, gatherer.node(), values, notes)
                return
            is_null = is_null or value is None
            if not path.steps and value is not None and not self._spreads:
                raise InputError(Reason.WRONG_SHAPE, f"must be an object of quantities, got {shown(value)}")

    def _number_of(self, follow: Callable[[Path], Any]) -> int | None:
        if self._sequence is None:
            return None
        value = follow(self._sequence)
        return value if type(value) is int and 0 <= value < 2**63 else None

    def _state(self, document: Any) -> State | None:
        return self.rule.state or presence_of(word_of(document, self._value), self._words)

    def _presence(self, documents: list[Any], came: Came) -> Decoded:
        """Say what a message says of presence; one without a word of it cannot be read."""
        document = documents[0] if documents else None
        if isinstance(document, InputError):
            raise document
        state = self._state(document)
        if state is None:
            why = f"presence must be a word such as online or offline, got {shown(document)}"
            return Decoded(self.map_name, refused=[Refused("", Reason.BAD_VALUE, why)])

        def follow(path: Path) -> Any:
            return get(path, document)

        word = PresenceWord(
            came.sensor or self._sensor(came.names, follow),
            state,
            came.ingest_time,
            word_of(document, self._value) or "",
            "" if self._gateway is None else named_sensor(self._gateway, came.names, follow) or "",
            self._number_at(self._session, document),
        )
        return Decoded(self.map_name, presence=[word])

    def _number_at(self, path: Path | None, document: Any) -> int | None:
        found = next(find(path, document), None) if path is not None else None
        return found.value if found is not None and type(found.value) is int and found.value >= 0 else None

    def withdrawn(self, came: Came) -> Decoded:
        """Say what an empty message on a topic of presence says: the retained word is cleared."""
        if came.sensor is None:
            return Decoded(self.map_name, ignored=[Passed("", "empty: it clears a retained message")])
        return Decoded(self.map_name, presence=[PresenceWord(came.sensor, "withdrawn", came.ingest_time)])


def _is_named(place: Reached) -> bool:
    """Whether a part stands under a name, and is no element of an array."""
    return bool(place.way) and not place.way[-1].startswith("[")


def _shape(document: Any) -> str:
    if type(document) is dict:
        return "object"
    return "array" if type(document) is list else "value"
