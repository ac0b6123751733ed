"""The hops of one reading, in words: through which it went, where it stands, and where it ends.

    device ─▶ log ─▶ worker ─▶ window, late reading, anomaly, alarm ─▶ dead letter, store

Made of what was found of it (`streams.reading_trace`): a hop that nobody could look at is not known, and never passed.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from streams.reading_trace import WRONG, TracedReading, TracedWindow, WindowState
from streams.records.catalogue import CATALOGUE
from streams.records.types import HEADER_MQTT_TOPIC, Reading
from streams.signals.wire import iso

WINDOW_WORDS: Final = {
    WindowState.COUNTED: "counts it, among {count:,}",
    WindowState.SUPPLEMENTED: "counts it in a supplement: it came late; {count:,} in all",
    WindowState.TOO_OLD: "does not count it: it came too late",
    WindowState.WAITING: "waits: the worker has not worked it through yet",
    WindowState.OPEN: "is not closed yet",
    WindowState.NOT_IN_IT: "is there ({count:,} readings), and what it says of itself does not admit this one",
    WindowState.MISSING: "must have closed, and is not there",
    WindowState.UNKNOWN: "not known: nobody could look",
}
"""What is known of a window, after its name."""
_READINGS: Final = CATALOGUE.of(Reading)


class HopState(StrEnum):
    """How a reading stands at a hop."""

    PASSED = "passed"
    """It went through."""
    WAITING = "waiting"
    """It has not come there yet."""
    APART = "apart"
    """It was put aside there on purpose, with a name: a repetition, or too late."""
    WRONG = "wrong"
    """It must have gone through, and did not."""
    UNKNOWN = "unknown"
    """Nobody could look."""


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """One hop of a reading.

    Args:
        name: Of the hop: ``device``, ``log``, ``worker``, ``window``, ``late``, ``anomaly``, ``alarm``,
            ``dead_letter``, ``store``.
        state: How it stands there.
        text: That in words.
        at: When, in seconds since the Unix epoch; ``None``: not known.
        topic, partition, offset: The record that tells of it; empty and ``None`` where none does.
        id: Of the window, anomaly, alarm or dead letter; of the reading itself at the store.
        quantity: Of which series; empty: of the whole reading.
    """

    name: str
    state: HopState
    text: str
    at: float | None = None
    topic: str = ""
    partition: int | None = None
    offset: int | None = None
    id: str = ""
    quantity: str = ""


class ReadingEnd(msgspec.Struct, frozen=True):
    """Where a reading ends.

    Args:
        state: The worst of its hops, as far as that counts for the whole.
        text: In a sentence.
    """

    state: HopState
    text: str


def hops_of(it: TracedReading, windows: Sequence[TracedWindow]) -> list[Hop]:
    """Return the hops of a reading, in the order in which it goes through them.

    Args:
        it: What was found of it.
        windows: What is known of each of its windows: `TracedReading.windows`.
    """
    return [
        *_into_the_log(it),
        _worker(it),
        *(_window(it, each) for each in windows),
        *_beside(it),
        _store(it),
    ]


def _into_the_log(it: TracedReading) -> Iterator[Hop]:
    topic = next(filter(None, (each.headers.get(HEADER_MQTT_TOPIC, "") for each in it.places)), "")
    where = f" and sent to {topic}" if topic else ""
    yield Hop(name="device", state=HopState.PASSED, text=f"measured{where}", at=it.reading.collected_at)
    if not it.places:
        yield Hop(
            name="log",
            state=HopState.UNKNOWN,
            text="not found in the log: deleted there, or nobody could look",
        )
    for number, place in enumerate(it.places):
        yield Hop(
            name="log",
            state=HopState.APART if number else HopState.PASSED,
            text="came again: it counts once" if number else "taken into the log by the bridge",
            at=place.ingested_at,
            topic=_READINGS.topic.name,
            partition=place.partition,
            offset=place.offset,
        )


def _worker(it: TracedReading) -> Hop:
    if it.worked_through is None:
        return Hop(
            name="worker", state=HopState.UNKNOWN, text="not known whether the worker has worked it through"
        )
    if it.worked_through:
        return Hop(name="worker", state=HopState.PASSED, text="worked through by the worker")
    return Hop(name="worker", state=HopState.WAITING, text="waits in the log for the worker")


def _window(it: TracedReading, window: TracedWindow) -> Hop:
    states = {
        WindowState.COUNTED: HopState.PASSED,
        WindowState.SUPPLEMENTED: HopState.PASSED,
        WindowState.TOO_OLD: HopState.APART,
        WindowState.UNKNOWN: HopState.UNKNOWN,
    }
    otherwise = HopState.WRONG if window.state in WRONG else HopState.WAITING
    span = f"window of {window.quantity} {iso(window.start)} to {iso(window.end)}"
    return _written(
        it,
        window.id,
        Hop(
            name="window",
            state=states.get(window.state, otherwise),
            text=f"{span}: {WINDOW_WORDS[window.state].format(count=window.count)}",
            id=window.id,
            quantity=window.quantity,
        ),
    )


def _beside(it: TracedReading) -> Iterator[Hop]:
    for late in it.late.values():
        text = "came too late for any window" if late.too_old else "came after its window had closed"
        hop = Hop(name="late", state=HopState.APART, text=text, quantity=late.quantity)
        yield _written(it, f"late {late.quantity}", hop)
    for anomaly in it.anomalies.values():
        until = "open" if anomaly.cleared_at is None else f"cleared {iso(anomaly.cleared_at)}"
        text = f"an anomaly of {anomaly.quantity} was open: raised {iso(anomaly.raised_at)}, {until}"
        hop = Hop(name="anomaly", state=HopState.PASSED, text=text, id=anomaly.id, quantity=anomaly.quantity)
        yield _written(it, anomaly.id, hop)
    for alarm in it.alarms.values():
        text = f"alarm: {alarm.severity}, {alarm.state}"
        hop = Hop(name="alarm", state=HopState.PASSED, text=text, id=alarm.id, quantity=alarm.quantity)
        yield _written(it, alarm.id, hop)
    for letter in it.letters:
        text = f"dead letter: {letter['reason']}: {letter['detail']}"
        yield Hop(name="dead_letter", state=HopState.WRONG, text=text, id=letter["id"])


def _written(it: TracedReading, what: str, hop: Hop) -> Hop:
    """Return a hop with the record that tells of it, if that is known."""
    found = it.written.get(what)
    if found is None:
        return hop
    return msgspec.structs.replace(
        hop, at=found.at, topic=found.topic, partition=found.partition, offset=found.offset
    )


def _store(it: TracedReading) -> Hop:
    count = it.documents.get(_READINGS.collection)
    if count is None:
        return Hop(name="store", state=HopState.UNKNOWN, text="not known whether MongoDB has it")
    if count:
        return Hop(name="store", state=HopState.PASSED, text="stored in MongoDB", id=it.id)
    if it.worked_through:
        text = "not in MongoDB: not yet, or deleted there since"
        return Hop(name="store", state=HopState.UNKNOWN, text=text)
    return Hop(name="store", state=HopState.WAITING, text="not in MongoDB yet")


def ending_of(hops: Sequence[Hop]) -> ReadingEnd:
    """Tell where a reading ends, by its hops: what is wrong first, then what is not known, then what waits.

    >>> ending_of([Hop(name="store", state=HopState.PASSED, text="stored in MongoDB")]).text
    'stored'
    """
    of = {name: [each for each in hops if each.name == name] for name in {each.name for each in hops}}
    copies = len(of.get("log", ())) - 1
    again = f"; it came {copies + 1} times and counts once" if copies > 0 else ""
    if letters := of.get("dead_letter"):
        return ReadingEnd(HopState.WRONG, f"ends as a {letters[0].text}")
    if wrong := next((each for each in hops if each.state is HopState.WRONG), None):
        return ReadingEnd(HopState.WRONG, f"is lost at a hop: {wrong.text}")
    if unknown := next((each for each in hops if each.state is HopState.UNKNOWN), None):
        return ReadingEnd(HopState.UNKNOWN, f"not all of it is known: {unknown.text}")
    if any(each.state is HopState.WAITING and each.name == "worker" for each in hops):
        return ReadingEnd(HopState.WAITING, "waits in the log for the worker")
    windows = of.get("window", ())
    if any(each.state is HopState.WAITING for each in hops):
        return ReadingEnd(HopState.WAITING, f"stored, and its window is not closed yet{again}")
    if windows and all(each.state is HopState.APART for each in windows):
        return ReadingEnd(HopState.APART, f"stored, and in no window: it came too late{again}")
    return ReadingEnd(HopState.PASSED, f"stored{', and counted by its windows' if windows else ''}{again}")
