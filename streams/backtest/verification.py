"""Compare results that were emitted live with recomputed ones, byte for byte, while both stream by.

Within a partition the worker emits results in the order in which a replay makes them, except that a crash may have
repeated a stretch, with the same ids and bytes. So few results wait for their counterpart at any time, and memory is
small however long the range is:

    recomputed   a b c d e f g
    live         a b c | a b c d | e f x        c, then a crash: a b c again; g missing, x was never recomputed
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Protocol

from streams.errors import InputError
from streams.records.record_type import Identity, RecordType

REMEMBERED = 200_000
"""Results remembered after they matched, to know a repetition by: more than a worker holds between checkpoints."""
MOST_DIFFERENCES = 10_000
_SHOWN = 20


class SeriesRecord(Protocol):
    """A record that a replay makes again."""

    @property
    def sensor_id(self) -> str:
        """The sensor."""

    @property
    def quantity(self) -> str:
        """The quantity: with the sensor, the series."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One result in which live and replay differ.

    Args:
        event_time: Of the result.
        topic: Where it was emitted.
        partition: There.
        kind: ``missing`` (never emitted live), ``unexpected`` (not recomputed), ``different``.
        series: Sensor and quantity.
        live, recomputed: The bytes, where there are any.
        offset: Of the live record, if there is one.
    """

    event_time: float
    topic: str
    partition: int
    kind: str
    series: str
    live: bytes | None
    recomputed: bytes | None
    offset: int | None = None

    @property
    def order(self) -> tuple[float, str, str, int]:
        """By this the first difference is the first."""
        return self.event_time, self.series, self.topic, self.partition


@dataclass(slots=True)
class Agreement:
    """How far live and replay agree.

    Args:
        matched: Results with the same bytes.
        repeated: Live results that came again with the same bytes, after a crash.
        beyond: Live results of readings after the range that was recomputed: nothing is said about them.
        deleted: Recomputed results that are older than the oldest that their topic still has: nor about these.
        mismatches: How many results differ; ``missing``: how many of them were never emitted live.
        shown: The first mismatches, by event time.
    """

    matched: int = 0
    repeated: int = 0
    beyond: int = 0
    deleted: int = 0
    mismatches: int = 0
    missing: int = 0
    shown: list[Mismatch] = field(default_factory=list)

    def note(self, mismatch: Mismatch) -> None:
        """Count a mismatch, and keep it if it is one of the first."""
        self.mismatches += 1
        self.missing += mismatch.kind == "missing"
        self.shown.append(mismatch)
        if len(self.shown) > 2 * _SHOWN:
            self._keep_first()

    def merge(self, other: "Agreement") -> None:
        """Add another topic or partition."""
        self.matched += other.matched
        self.repeated += other.repeated
        self.beyond += other.beyond
        self.deleted += other.deleted
        self.mismatches += other.mismatches
        self.missing += other.missing
        self.shown += other.shown
        self._keep_first()

    def _keep_first(self) -> None:
        self.shown = sorted(self.shown, key=lambda mismatch: mismatch.order)[:_SHOWN]


class Comparison:
    """Compares the results of one topic and partition.

    Args:
        topic, partition: Where the live results come from.
        kind: The type of its records: what tells them apart, and their event times.
        wanted: Which results are compared; of both sides.
        on_missing: Called with each result that was never emitted live, and its bytes.
        remembered: See `REMEMBERED`.
    """

    def __init__(
        self,
        topic: str,
        partition: int,
        kind: RecordType[Any],
        wanted: Callable[[Any], bool] = lambda _: True,
        *,
        on_missing: Callable[[SeriesRecord, bytes], None] | None = None,
        remembered: int = REMEMBERED,
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.kind = kind
        self._wanted = wanted
        self._on_missing = on_missing
        self.agreement = Agreement()
        self._remembered = remembered
        self._expected: dict[Identity, bytes] = {}
        self._live: dict[Identity, tuple[bytes, int]] = {}
        self._matched: OrderedDict[Identity, bytes] = OrderedDict()
        self._last_matched = -1

    @property
    def waiting(self) -> int:
        """Recomputed results whose live counterpart has not come yet."""
        return len(self._expected)

    @property
    def ahead(self) -> int:
        """Live results that have not been recomputed yet."""
        return len(self._live)

    @property
    def hopeless(self) -> bool:
        """Whether so much differs that going on tells nothing new."""
        return self.agreement.mismatches > MOST_DIFFERENCES

    def recomputed(self, result: SeriesRecord, value: bytes) -> None:
        """Take a result that the replay made."""
        if not self._wanted(result):
            return
        key = self.kind.identity_of(result)
        known = self._matched.get(key)
        if known is not None:
            if known != _digest(value):
                self._differs(result, None, value, None)
            return
        live = self._live.pop(key, None)
        if live is None:
            self._expected[key] = value
        else:
            self._settle(key, result, live[0], value, live[1])

    def emitted(self, value: bytes, offset: int) -> None:
        """Take a result that was emitted live."""
        try:
            result = self.kind.read(value)
        except InputError:
            self.agreement.note(
                Mismatch(0.0, self.topic, self.partition, "different", "unreadable", value, None, offset)
            )
            return
        if not self._wanted(result):
            return
        key = self.kind.identity_of(result)
        expected = self._expected.pop(key, None)
        if expected is not None:
            self._settle(key, result, value, expected, offset)
            return
        known = self._matched.get(key)
        if known is None and key in self._live:
            known = _digest(self._live[key][0])
        if known is None:
            self._live[key] = value, offset
        elif known == _digest(value):
            self.agreement.repeated += 1
        else:
            self._differs(result, value, None, offset)

    def _settle(self, key: Identity, result: SeriesRecord, live: bytes, expected: bytes, offset: int) -> None:
        self._last_matched = max(self._last_matched, offset)
        if live == expected:
            self.agreement.matched += 1
        else:
            self._differs(result, live, expected, offset)
        self._matched[key] = _digest(live)
        if len(self._matched) > self._remembered:
            self._matched.popitem(last=False)

    def _differs(
        self, result: SeriesRecord, live: bytes | None, expected: bytes | None, offset: int | None
    ) -> None:
        self._note("different", result, live, expected, offset)

    def _note(
        self, kind: str, result: SeriesRecord, live: bytes | None, expected: bytes | None, offset: int | None
    ) -> None:
        series = f"{result.sensor_id}/{result.quantity}"
        self.agreement.note(
            Mismatch(
                self.kind.event_time_of(result), self.topic, self.partition, kind, series, live, expected, offset
            )
        )  # fmt: skip

    def give_up_waiting(self) -> None:
        """Take what was recomputed and has no counterpart for missing: all live results it could be are read."""
        for value in self._expected.values():
            result = self.kind.read(value)
            self._note("missing", result, None, value, None)
            if self._on_missing is not None:
                self._on_missing(result, value)
        self._expected = {}

    def finish(self, *, more_readings: bool) -> Agreement:
        """Judge what has no counterpart.

        Args:
            more_readings: Whether live results of readings after the range may have come meanwhile: those after
                the last one that matched are then not held against it.
        """
        self.give_up_waiting()
        for value, offset in self._live.values():
            if more_readings and offset > self._last_matched:
                self.agreement.beyond += 1
            else:
                self._note("unexpected", self.kind.read(value), value, None, offset)
        self._live = {}
        return self.agreement


def _digest(value: bytes) -> bytes:
    return blake2b(value, digest_size=8).digest()


def agreement_in_all(agreements: Iterable[Agreement]) -> Agreement:
    """Add agreements up."""
    whole = Agreement()
    for each in agreements:
        whole.merge(each)
    return whole
