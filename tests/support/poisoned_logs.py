"""Logs that stages read, with records in between in which a stage is made to fail."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from bridges.process.settings import Settings, WindowSettings
from streams.records.types import Anomaly, GroupBucket, Reading, Tick, encode
from tests.support.lane_world import AnyStage, Record

SETTINGS = Settings(windows=WindowSettings(size_seconds=10, grace_seconds=0, idle_seconds=10))
MOMENT = 1_725_890_400
POISON = 666.0


def readings() -> Iterator[bytes]:
    for step in range(60):
        for sensor in ("a", "b", "c"):
            at = float(MOMENT + step)
            if sensor == "c" and step % 20 > 14:
                continue  # silent for a while
            yield encode(Reading(sensor, at, {"t": 20.0 + step % 5, "u": float(step)}))
        if step % 10 == 9:
            yield encode(Tick(float(MOMENT + step)))


def anomalies() -> Iterator[bytes]:
    for number in range(60):
        at = float(MOMENT + number)
        yield encode(
            Anomaly(
                f"{number:024}",
                f"s{number % 3}",
                "t",
                "raised",
                at,
                at,
                0.9,
                1.0,
                None,
                None,
                None,
                "above",
                "",
                1,
            )
        )


def buckets() -> Iterator[bytes]:
    for number in range(40):
        for sensor in ("a", "b"):
            yield encode(GroupBucket("boilers", "t", sensor, 5_000_000 + number, float(number % 7)))


def poison_reading(number: int) -> bytes:
    return encode(Reading("b", MOMENT + number + 0.5, {"t": POISON, "u": 1.0}))


def poison_anomaly(number: int) -> bytes:
    at = MOMENT + number + 0.5
    return encode(
        Anomaly("f" * 24, "s1", "t", "raised", at, at, 0.9, POISON, None, None, None, "above", "", 1)
    )


def poison_bucket(number: int) -> bytes:
    return encode(GroupBucket("boilers", "t", "a", 5_000_000 + number, POISON))


def log_of(
    values: Iterable[bytes], poison: Callable[[int], bytes], places: Iterable[int]
) -> tuple[list[Record], set[int]]:
    """Number records, and put poison in between; return the log and the offsets of the poison."""
    offset, bad, found = 0, set(), []
    wanted = set(places)
    for number, value in enumerate(values):
        found.append(Record(offset, value, MOMENT * 1000))
        offset += 1
        if number in wanted:
            found.append(Record(offset, poison(number), MOMENT * 1000))
            bad.add(offset)
            offset += 1
    return found, bad


def fails_in_run(stage: AnyStage) -> AnyStage:
    """Make a stage fail after it has taken poison into its rows, and before it has taken in the next."""

    def run(plan: Any, rows: Any, records: Any) -> Any:
        def with_fault() -> Iterator[Any]:
            for record in records:
                yield record
                if b"666.0" in encode(record[-1]):
                    raise RuntimeError("a fault that nobody thought of")

        return stage.run(plan, rows, with_fault())

    return replace(stage, run=run)
