"""The maps in force: which rule reads a topic, and what becomes of a message.

topic ──▶ one's own maps ──▶ those of installed packages ──▶ Weir's own form and the built-in maps ──▶ nothing reads it
          the most specific first, in each; a rule whose ``when`` does not fit lets the next one try
"""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any, Literal

import msgspec

from streams.errors import ConfigurationError, InputError, Reason, shown
from streams.payloads.accepted import Limits
from streams.payloads.addresses import Address, parse
from streams.payloads.arrivals import Arrivals
from streams.payloads.event_times import NEAREST, zone_named
from streams.payloads.flat import Item, check_elements, decode, decode_at, items_of
from streams.payloads.formats.own import Decoders, Reader
from streams.payloads.known_presence import KnownPresence
from streams.payloads.maps.births import Births
from streams.payloads.maps.compiled import Came, CompiledRule
from streams.payloads.maps.decoded import Decoded, Passed, Refused
from streams.payloads.maps.fingerprint import fingerprint_of
from streams.payloads.maps.heard import Heard
from streams.payloads.maps.model import Map
from streams.payloads.maps.template import Template, covers, union
from streams.payloads.unread import UnreadTopics
from streams.records.types import Birth

_OWN_FORM_RANK = (3, 1, 1)
# Topics whose rules are remembered; about 400 bytes each beside the topic.
_MAX_REMEMBERED_BYTES = 8_388_608
_ENTRY_BYTES = 400

# Last level of a topic on which a device is asked for something: a map that Weir brings reads there only what it names.
_ASKING = frozenset({"set", "get", "cmd", "command"})

Unmatched = Literal["dead_letter", "ignore"]


class Origin(IntEnum):
    """Where a map comes from; the larger is asked first."""

    BUILT_IN = 0
    INSTALLED = 1
    OWN = 2


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """A rule that may read a topic; ``None`` is Weir's own form.

    Args:
        rule: The rule.
        names: The levels of the topic that it names.
        sensor: The sensor's id, if these decide it.
        by_content: Whether it is asked of any topic, and knows its messages by what is in them.
    """

    rule: CompiledRule | None
    names: Mapping[str, str]
    sensor: str | None = None
    by_content: bool = False


class MapsInForce:
    """All maps in force.

    Args:
        own: Maps of the operator's; they come before everything else.
        built_in: Maps that Weir brings.
        installed: Maps of installed packages.
        decoders: Formats of installed packages.
        limits: What is accepted.
        zone: Of local times without an offset, where a map names none; empty: ``nearest``.
        unmatched: What becomes of a message that nothing reads.

    Raises:
        ConfigurationError: If a map cannot be compiled, or two have the same name.
    """

    def __init__(
        self,
        own: Iterable[Map] = (),
        built_in: Iterable[Map] = (),
        *,
        installed: Iterable[Map] = (),
        decoders: Decoders | None = None,
        limits: Limits | None = None,
        zone: str = "",
        unmatched: Unmatched = "dead_letter",
    ) -> None:
        self.limits = limits or Limits()
        self._zone = zone_named(zone or NEAREST)
        self._unmatched = unmatched
        self.arrivals = Arrivals()
        self.births = Births()
        self.presence = KnownPresence()
        self.unread = UnreadTopics()
        """What nothing has read."""
        self._heard = Heard()
        self._decoders = decoders or Decoders()
        self.rules: list[tuple[CompiledRule, Origin]] = []
        self._by_first: dict[str, list[_Entry]] = {}
        self._max_payload_bytes = self.limits.max_payload_bytes
        self._own_form: dict[bytes, Address] = {}
        self._routes: dict[bytes, tuple[Candidate, ...]] = {}
        self._remembered = 0
        names: dict[str, Origin] = {}
        in_force: list[tuple[Origin, Map]] = []
        for maps, origin in ((own, Origin.OWN), (installed, Origin.INSTALLED), (built_in, Origin.BUILT_IN)):
            for each in maps:
                if (before := names.get(each.name)) is Origin.OWN and origin is not Origin.OWN:
                    continue  # one's own map of that name stands in for the other
                if before is not None:
                    raise ConfigurationError(f"two maps have the name {each.name!r}")
                names[each.name] = origin
                in_force.append((origin, each))
                self._add(each, origin)
        self.names = sorted(names)
        self.fingerprint = fingerprint_of(in_force, self.limits, zone, unmatched, self._decoders)
        """Of all that decides what a message is read as."""
        self._not_built_in = {rule for rule, origin in self.rules if origin is not Origin.BUILT_IN}
        self._built_in_filters = self.filters(built_in_only=True)

    def _add(self, map_: Map, origin: Origin) -> None:
        for number, rule in enumerate(map_.rule):
            try:
                compiled = CompiledRule(rule, map_.name, self._zone, self._decoders.readers)
            except ConfigurationError as error:
                raise ConfigurationError(f"map {map_.name!r}, rule {number + 1}: {error}") from None
            self.rules.append((compiled, origin))
            for template in compiled.templates:
                entry = _Entry((origin, template.rank, -len(self.rules)), template, compiled)
                for first in template.firsts:
                    self._by_first.setdefault(first, []).append(entry)

    def filters(self, *, built_in_only: bool = False) -> list[str]:
        """Return the MQTT topic filters that bring what the maps read, none that another covers."""
        return union(
            [
                filter_
                for rule, origin in self.rules
                if rule.rule.subscribe
                and rule.rule.what != "nothing"
                and not (built_in_only and origin is not Origin.BUILT_IN)
                for template in rule.templates
                for filter_ in template.filters
            ]
        )

    def route(self, topic: bytes) -> tuple[Candidate, ...]:
        """Return who may read a topic, in the order in which they are asked."""
        if (found := self._routes.get(topic)) is not None:
            return found
        found = tuple(self._candidates(topic))
        cost = len(topic) + _ENTRY_BYTES
        if self._remembered + cost > _MAX_REMEMBERED_BYTES:
            self._routes.clear()
            self._own_form.clear()
            self._remembered = 0
        self._remembered += cost
        self._routes[topic] = found
        if found and found[0].rule is None and (address := self._address(topic)) is not None:
            self._own_form[topic] = address
        return found

    def _candidates(self, topic: bytes) -> Iterable[Candidate]:
        try:
            text = topic.decode()
        except UnicodeDecodeError:
            return [Candidate(None, {})]
        found: list[tuple[tuple[Any, ...], Candidate]] = []
        asks = text.rpartition("/")[2] in _ASKING
        for entry in (*self._by_first.get(text.partition("/")[0], ()), *self._by_first.get("", ())):
            if asks and entry.order[0] is Origin.BUILT_IN and entry.reads_any:
                continue
            if match := entry.template.pattern.fullmatch(text):
                names = match.groupdict()
                sensor = entry.rule.sensor_of(names)
                found.append((entry.order, Candidate(entry.rule, names, sensor, entry.by_content)))
        if self._address(topic) is not None:
            found.append(((Origin.BUILT_IN, _OWN_FORM_RANK, 0), Candidate(None, {})))
        return [candidate for _, candidate in sorted(found, key=lambda each: each[0], reverse=True)]

    def _address(self, topic: bytes) -> Address | None:
        try:
            return parse(topic, self.limits.prefix)
        except InputError:
            return None

    def read(
        self,
        topic: bytes,
        payload: bytes,
        ingest_time: float,
        *,
        retained: bool = False,
        explain: bool = False,
    ) -> Decoded | None:
        """Say what becomes of a message; ``None`` if it has Weir's own form, which `flat` reads.

        Args:
            topic, payload: As they came.
            ingest_time: When (seconds since the Unix epoch).
            retained: Whether the broker had kept the message.
            explain: Whether `Decoded.ignored` is wanted.
        """
        if len(payload) > self.limits.max_payload_bytes:
            why = f"payload must have at most {self.limits.max_payload_bytes} bytes, got {len(payload)}"
            return Decoded("", refused=[Refused("", Reason.TOO_LARGE, why)])
        if len(topic) > self.limits.max_topic_bytes:  # those that are remembered are bounded by their number
            why = (
                f"topic must have at most {self.limits.max_topic_bytes} bytes (WEIR_BRIDGE__MAX_TOPIC_BYTES), "
                f"got {len(topic)}: {shown(topic)}"
            )
            return Decoded("", refused=[Refused("", Reason.TOO_LARGE, why)])
        problem: Decoded | None = None
        read: dict[Reader, list[Any]] = {}
        for candidate in self.route(topic):
            if candidate.rule is None:
                return None
            came = Came(
                candidate.names,
                candidate.sensor,
                ingest_time,
                retained,
                self.limits,
                self.arrivals,
                self.births,
                explain,
            )
            try:
                outcome = self._by(candidate.rule, topic, payload, came, read)
            except InputError as error:
                if candidate.by_content:
                    continue  # of any topic: what it cannot read is not its own
                refused = [Refused("", error.reason, error.detail)]
                problem = problem or Decoded(candidate.rule.map_name, refused=refused)
                if candidate.rule.decides:
                    return problem
                continue
            if outcome is not None:
                # What passes over all that is left of a topic does not pass over what another rule could not read.
                return problem if problem is not None and candidate.rule.passes_over else outcome
        return problem or self._nothing(topic, payload, ingest_time)

    def decode(
        self, topic: bytes, payload: bytes, ingest_time: float, *, retained: bool = False
    ) -> list[Item]:
        """Read a message: what goes on from it, as `flat.decode` does.

        Args:
            topic, payload: As they came.
            ingest_time: When (seconds since the Unix epoch).
            retained: Whether the broker had kept the message.

        Raises:
            InputError: If the message as a whole cannot be read. Nothing else is raised, whatever the bytes are.
        """
        address = self._own_form.get(topic)
        if address is not None and len(payload) <= self._max_payload_bytes:
            return decode_at(address, payload, ingest_time, self.limits, retained, self.arrivals)
        outcome = self.read(topic, payload, ingest_time, retained=retained)
        if outcome is not None:
            check_elements(len(outcome.readings), self.limits)
            items = items_of(outcome, payload)
            if outcome.presence:
                items += self.presence.take(outcome.presence, topic, retained=retained)
            return items
        return decode(topic, payload, ingest_time, self.limits, retained=retained, arrivals=self.arrivals)

    def _by(
        self,
        rule: CompiledRule,
        topic: bytes,
        payload: bytes,
        came: Came,
        read: dict[Reader, list[Any]],
    ) -> Decoded | None:
        """Let a rule read a message; ``None`` if it does not fit."""
        if rule.rule.what in ("nothing", "refuse") and not rule.rule.when:
            return rule.read([], came)
        if not payload and rule.rule.what == "presence":
            return rule.withdrawn(came)
        if not payload:
            return Decoded(rule.map_name, ignored=[Passed("", "empty: it clears a retained message")])
        documents = rule.documents(payload, read)
        if not rule.fits(documents):
            return None
        birth: Birth | None = None
        unborn: list[int | None] = []
        if rule.rule.format == "sparkplug":
            documents, birth, unborn = self._name_metrics(documents[0], came)
        outcome = rule.read(documents, came)
        if birth is not None:
            outcome = msgspec.structs.replace(outcome, births=[birth])
        if unborn:
            return _with_unborn(outcome, unborn)
        if rule.rule.once_within and outcome.readings:
            return self._heard.once(outcome, topic, came.ingest_time, rule.rule.once_within)
        return outcome

    def _name_metrics(
        self, document: dict[str, Any], came: Came
    ) -> tuple[list[Any], Birth | None, list[int | None]]:
        """Put metrics under their names; return the document, the birth that it is, and aliases without a name."""
        metrics = document["metrics"]
        birth = self.births.learn(came.names, metrics, came.ingest_time)
        parts, unborn = self.births.parts(came.names, metrics)
        named = {**document, "parts": parts}
        del named["metrics"]
        return [named], birth, unborn

    def _nothing(self, topic: bytes, payload: bytes, ingest_time: float) -> Decoded:
        """Say that nothing reads a message: a dead letter, unless a built-in map only asked for too much."""
        why = f"no map reads such a message on the topic {topic[:80].decode(errors='replace')!r}"
        passed_over = self._unmatched == "ignore" or self._is_only_built_in(topic)
        self.unread.take(topic, payload, ingest_time, dead_letter=not passed_over)
        if passed_over:
            return Decoded("", ignored=[Passed("", why)])
        return Decoded("", refused=[Refused("", Reason.UNKNOWN_TOPIC, why)])

    def _is_only_built_in(self, topic: bytes) -> bool:
        """Whether filters of built-in maps bring the topic, and no other map reads it."""
        text = topic.decode(errors="replace")
        if any(rule in self._not_built_in for rule in (candidate.rule for candidate in self.route(topic))):
            return False
        return any(covers(filter_, text) for filter_ in self._built_in_filters)


class _Entry(msgspec.Struct, frozen=True, gc=False):
    """A template in the order in which it is asked."""

    order: tuple[Origin, tuple[int, ...], int]
    template: Template
    rule: CompiledRule

    @property
    def by_content(self) -> bool:
        """Whether it fits any topic, and what is in a message says whether the rule reads it."""
        return self.template.filters == ("#",) and bool(self.rule.rule.when)

    @property
    def reads_any(self) -> bool:
        """Whether it reads topics whatever their last level is."""
        return self.rule.rule.what == "readings" and not self.template.ends_in_text


def _with_unborn(outcome: Decoded, aliases: list[int | None]) -> Decoded:
    """Refuse metrics whose alias no birth has named, each by its alias."""
    refused = [
        Refused(
            f"alias {alias}",
            Reason.BAD_QUANTITY,
            "has no name: no birth of its node was heard since the start (a rebirth names it)",
        )
        for alias in aliases
    ]
    return msgspec.structs.replace(outcome, refused=[*outcome.refused, *refused])
