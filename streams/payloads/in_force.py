"""The maps in force: which rule reads a topic, and what becomes of a message.

topic ──▶ one's own maps ──▶ those of installed packages ──▶ Weir's own form and the built-in maps ──▶ nothing reads it
          the most specific first, in each; a rule whose ``when`` does not fit lets the next one try
"""

import re
from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from streams.errors import ConfigurationError, InputError, Reason, shown
from streams.payloads.accepted import Limits
from streams.payloads.addresses import parse
from streams.payloads.arrivals import Arrivals
from streams.payloads.event_times import NEAREST, zone_named
from streams.payloads.flat import Item, check_elements, decode, decode_at, items_of
from streams.payloads.formats.own import Decoders
from streams.payloads.formats.readers import KnownDocuments
from streams.payloads.heard import Heard
from streams.payloads.known_presence import KnownPresence
from streams.payloads.maps.births import Births
from streams.payloads.maps.compiled import Came, CompiledRule
from streams.payloads.maps.decoded import Decoded, Passed, Refused
from streams.payloads.maps.fingerprint import fingerprint_of
from streams.payloads.maps.model import Map
from streams.payloads.maps.template import covers, union
from streams.payloads.topic_routes import Candidate, Origin, Routes
from streams.payloads.unread import UnreadTopics
from streams.records.types import Birth

_EMPTY = "empty: it clears a retained message"
_BEGINS_JSON = re.compile(rb'\s*[\[{]\s*["\[{]')

Unmatched = Literal["dead_letter", "ignore"]


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
        self._max_payload_bytes = self.limits.max_payload_bytes
        self.routes = Routes(self.limits)
        """Who may read a topic."""
        self._own_form = self.routes.own_form
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
        self._built_in_filters = self.filters(built_in_only=True)
        self._not_built_in = {rule for rule, origin in self.rules if origin is not Origin.BUILT_IN}

    def _add(self, map_: Map, origin: Origin) -> None:
        for number, rule in enumerate(map_.rule):
            try:
                compiled = CompiledRule(rule, map_.name, self._zone, self._decoders.readers)
            except ConfigurationError as error:
                raise ConfigurationError(f"map {map_.name!r}, rule {number + 1}: {error}") from None
            self.rules.append((compiled, origin))
            self.routes.add(compiled, origin, len(self.rules))

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
        rest: Decoded | None = None
        damaged: Refused | None = None
        known: KnownDocuments = {}
        for candidate in self.routes.of(topic):
            if candidate.rule is None:
                return None
            came = self._came(candidate, ingest_time, retained=retained, explain=explain)
            try:
                outcome = self._by(candidate.rule, topic, payload, came, known)
            except InputError as error:
                if candidate.by_content:
                    continue  # of any topic: what it cannot read is not its own
                refused = [Refused("", error.reason, error.detail)]
                problem = problem or Decoded(candidate.rule.map_name, refused=refused)
                if candidate.rule.decides:
                    return problem
                continue
            if outcome is not None and candidate.rule.rule.last:
                rest = rest or outcome
            elif outcome is not None:
                # What passes over all that is left of a topic does not pass over what another rule could not read.
                return problem if problem is not None and candidate.rule.passes_over else outcome
        if not payload and problem is None:
            return Decoded("", ignored=[Passed("", _EMPTY)])
        # Of a system that is known its map says what is passed over.
        for entry in self.routes.asked_last(topic, payload, by_name=rest is None):
            try:
                if entry.rule.lacks(entry.rule.documents(payload, known)):
                    continue
                if (fitting := entry.candidate(topic.decode())) is None:
                    continue
                came = self._came(fitting, ingest_time, retained=retained, explain=explain)
                outcome = self._by(entry.rule, topic, payload, came, known)
            except InputError as error:
                # Of any topic: what it cannot read is not its own.
                if error.reason is Reason.NOT_JSON:
                    damaged = damaged or Refused("", error.reason, error.detail)
                continue
            if outcome is not None:
                return outcome
        if problem is None and rest is not None and damaged is not None and _BEGINS_JSON.match(payload):
            # What is passed over is what says nothing of a device: of half a message nobody knows that.
            return Decoded(rest.map, refused=[damaged])
        return problem or rest or self._nothing(topic, payload, ingest_time)

    def _came(self, candidate: Candidate, ingest_time: float, *, retained: bool, explain: bool) -> Came:
        return Came(
            candidate.names,
            candidate.sensor,
            ingest_time,
            retained,
            self.limits,
            self.arrivals,
            self.births,
            explain,
        )

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
        known: KnownDocuments,
    ) -> Decoded | None:
        """Let a rule read a message; ``None`` if it does not fit."""
        if rule.only_reads and payload:
            documents = rule.documents(payload, known)
            return rule.read(documents, came) if rule.fits(documents) else None
        if rule.rule.what in ("nothing", "refuse") and not rule.rule.when and rule.rule.shape == "any":
            return rule.read([], came)
        if not payload and rule.rule.what == "presence":
            return rule.withdrawn(came)
        if not payload:
            return Decoded(rule.map_name, ignored=[Passed("", _EMPTY)])
        documents = rule.documents(payload, known)
        if not rule.fits(documents):
            return None
        birth: Birth | None = None
        unborn: list[int | None] = []
        if rule.rule.format == "sparkplug":
            documents, birth, unborn = self._name_metrics(documents[0], came)
        outcome = rule.read(documents, came)
        if rule.rule.unmeasured == "next" and not (outcome.readings or outcome.of_bad_quality):
            return None
        if not rule.tells(outcome):
            return None
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
        why = _own_form_behind_levels(topic)
        why = why or f"no map reads such a message on the topic {topic[:80].decode(errors='replace')!r}"
        passed_over = self._unmatched == "ignore" or self._is_only_built_in(topic)
        self.unread.take(topic, payload, ingest_time, dead_letter=not passed_over)
        if passed_over:
            return Decoded("", ignored=[Passed("", why)])
        return Decoded("", refused=[Refused("", Reason.UNKNOWN_TOPIC, why)])

    def _is_only_built_in(self, topic: bytes) -> bool:
        """Whether filters of built-in maps bring the topic, and no other map reads it."""
        text = topic.decode(errors="replace")
        if any(
            rule in self._not_built_in for rule in (candidate.rule for candidate in self.routes.of(topic))
        ):
            return False
        return any(covers(filter_, text) for filter_ in self._built_in_filters)


def _own_form_behind_levels(topic: bytes) -> str:
    """Say what to set for a topic of Weir's own form with levels before it; empty if it is none."""
    try:
        parse(topic, "ignored")
    except InputError:
        return ""
    try:
        parse(topic)
    except InputError as error:
        return error.detail
    return ""


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
