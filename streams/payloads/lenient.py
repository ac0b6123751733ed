"""Weir's own form where it is not plain: what can be read counts, and each field that cannot is named.

    {"collected_at": "2024-09-09T14:01:09Z", "temperature": nan, "door": true, "pm2.5": 12, "mode": "heat"}
                                              not measured        1             pm2_5        refused, by name

`flat` reads what is plain, which is nearly everything, and asks here for the rest. What both can read they read alike.
"""

from functools import lru_cache
from typing import Any

from streams.errors import InputError, Reason, shown
from streams.payloads.accepted import Limits
from streams.payloads.addresses import Address, TopicKind
from streams.payloads.arrivals import Arrivals
from streams.payloads.event_times import zone_named
from streams.payloads.formats.json import read_json_lines
from streams.payloads.formats.texts import read_auto
from streams.payloads.maps.clocks import Clock
from streams.payloads.maps.decoded import Decoded
from streams.payloads.maps.gathering import Gatherer, Notes
from streams.payloads.maps.merging import Merged
from streams.payloads.maps.model import Rule
from streams.payloads.maps.names import id_part, whole_id
from streams.payloads.maps.paths import Path, get

OWN_FORM = "weir"
"""What `Decoded.map` says of Weir's own form."""
# What devices call their event time, where it is not called ``collected_at``.
_TIMES = ["collected_at", "timestamp", "Timestamp", "time", "Time", "ts", "datetime"]
_NO_VALUES = ["sensor_id", "collected_at", "sequence"]


class _Own:
    """The rule by which the own form is read, compiled for one set of limits."""

    def __init__(self, limits: Limits) -> None:
        rule = Rule(topic="sensors/{sensor}/reading", time=list(_TIMES), unset_clock="refuse", texts="refuse")
        self.clock = Clock(rule, zone_named(limits.zone or "UTC"))
        ignored = [f'"{name}"' for name in sorted(limits.ignored_fields) if '"' not in name]
        self.gatherer = Gatherer(rule, [*_NO_VALUES, *ignored])
        self.gatherer_without_times = Gatherer(rule, [*_NO_VALUES, *_TIMES, *ignored])


@lru_cache(maxsize=8)
def _own(limits: Limits) -> _Own:
    return _Own(limits)


def read_own(
    address: Address,
    payload: bytes,
    ingest_time: float,
    limits: Limits,
    *,
    retained: bool = False,
    arrivals: Arrivals | None = None,
    explain: bool = False,
) -> Decoded:
    """Read a reading, several, or one quantity as devices write them.

    Args:
        address: What the topic names: readings or a value.
        payload: The bytes as they came.
        ingest_time: When (seconds since the Unix epoch).
        limits: What is accepted.
        retained: Whether the broker had kept the message.
        arrivals: Event times of what has none.
        explain: Whether `Decoded.ignored` is wanted.

    Raises:
        InputError: If the message as a whole cannot be read.
    """
    notes = Notes(wanted=explain)
    merged = Merged(arrivals or Arrivals(), ingest_time)
    reader = _Reader(_own(limits), address, ingest_time, limits, notes, merged)
    if address.kind is TopicKind.VALUE:
        reader.value(read_auto(payload)[0])
    else:
        for number, document in enumerate(documents := read_json_lines(payload)):
            if isinstance(document, InputError):
                notes.refuse((), document)
            else:
                reader.document(document, (f"[{number}]",) if len(documents) > 1 else ())
    if merged.without_time and retained:
        # It was measured at an unknown time before, and comes again with every new subscription.
        raise InputError(Reason.MISSING_TIME, "what has no time of its own must not be retained")
    return Decoded(OWN_FORM, merged.readings(), [], notes.ignored, notes.refused)


class _Reader:
    """One message being read."""

    def __init__(
        self, own: _Own, address: Address, ingest_time: float, limits: Limits, notes: Notes, merged: Merged
    ) -> None:
        self._own = own
        self._address = address
        self._ingest_time = ingest_time
        self._limits = limits
        self._notes = notes
        self._merged = merged

    def document(self, document: Any, way: tuple[str, ...]) -> None:
        """Read one JSON text: an object, or an array of objects."""
        if type(document) is list:
            if not document:
                self._notes.refuse(
                    way, InputError(Reason.MISSING_VALUE, "an array must hold at least one reading")
                )
            for number, element in enumerate(document):
                self._object(element, (*way, f"[{number}]"))
        else:
            self._object(document, way)

    def value(self, document: Any) -> None:
        """Read what stands on the topic of one quantity: a number, a text, or an object with a ``value``."""
        fields = document if type(document) is dict else {"value": document}
        values: dict[str, float] = {}
        if "value" not in fields:
            raise InputError(
                Reason.BAD_VALUE, f"{self._address.quantity} must be a bare number, got {shown(document)}"
            )
        self._own.gatherer.take_one(fields["value"], self._address.quantity, values, self._notes)
        if values:
            self._merged.add(self._address.sensor_id, self._time(fields), values)

    def _object(self, table: Any, way: tuple[str, ...]) -> None:
        try:
            if type(table) is not dict:
                raise InputError(Reason.WRONG_SHAPE, f"a reading must be a JSON object, got {shown(table)}")
            sensor = self._sensor(table.get("sensor_id"))
            sequence = self._sequence(table.get("sequence"))
            time = self._time(table)
            values: dict[str, float] = {}
            gatherer = self._own.gatherer
            if table.get("collected_at") is None:
                gatherer = self._own.gatherer_without_times
            before = len(self._notes.refused)
            gatherer.take(table, gatherer.node(), values, self._notes)
            if values:
                self._merged.add(sensor, time, values, sequence)
            elif len(self._notes.refused) == before and not table.keys() - {*_NO_VALUES, *_TIMES}:
                raise InputError(Reason.MISSING_VALUE, "a reading must have at least one quantity")
        except InputError as error:
            self._notes.refuse(way, error)

    def _time(self, table: dict[str, Any]) -> float | None:
        def follow(path: Path) -> Any:
            return get(path, table)

        time, _, _ = self._own.clock.read(follow, self._ingest_time, self._limits)
        return time

    def _sensor(self, name: Any) -> str:
        address = self._address
        if type(name) is int:
            name = str(name)
        if name is None and address.sensor_id:
            return address.sensor_id
        if type(name) is not str or not name:
            raise InputError(
                Reason.BAD_SENSOR_ID,
                f"sensor_id must be a text in the payload, or in the topic, got {shown(name)}",
            )
        if not address.sensor_id:
            try:
                return address.identity(name)
            except InputError:
                return address.identity(whole_id(id_part(name)))
        if name != address.own_name:
            raise InputError(
                Reason.SENSOR_MISMATCH,
                f"sensor_id must be that of the topic, {address.own_name!r}, got {shown(name)}",
            )
        return address.sensor_id

    def _sequence(self, value: Any) -> int | None:
        if value is None or (type(value) is int and 0 <= value < 2**63):
            return value
        error = InputError(Reason.BAD_VALUE, f"must be a whole number >= 0, got {shown(value)}")
        self._notes.refuse(("sequence",), error)
        return None
