"""Ticks: one per partition when due, and none that would close windows whose readings are still to come."""

from typing import cast

import pytest
from confluent_kafka import KafkaError

from bridges.bridge.ticker import Ticker
from bridges.kafka.producer import KafkaProducer, Outgoing
from bridges.mqtt.hearing import Hearing
from streams.records.types import MOST_STEADY, Tick, decode_reading, decode_readings, encode


class RecordingProducer:
    """Keep what is sent, and let the test decide when it is stored."""

    def __init__(self) -> None:
        self.known: list[int] = [0, 1, 2]
        self.sent: list[Outgoing] = []

    def partitions(self, topic: str, timeout: float) -> list[int]:
        return self.known

    def send(self, record: Outgoing) -> None:
        self.sent.append(record)

    def settle(self, error: KafkaError | None = None) -> list[Outgoing]:
        """Settle all that was sent, and return it."""
        sent, self.sent = self.sent, []
        for record in sent:
            record.settled(record, error)
        return sent


class Bench:
    """A ticker with a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.jumped = 0.0
        self.producer = RecordingProducer()
        self.ticker = Ticker(
            cast(KafkaProducer, self.producer),
            "readings",
            5.0,
            lambda: 1000.0 + self.now + self.jumped,
            lambda: self.now,
        )

    def after(self, seconds: float, *, caught_up: bool = True) -> list[int]:
        """Move the clock, give the ticker its turn, and return the partitions that got a tick."""
        self.now += seconds
        self.ticker.tick(caught_up=caught_up)
        return [record.partition for record in self.producer.settle()]

    def steady_after(self, seconds: float, hearing: Hearing = Hearing.CERTAIN) -> int | None:
        """Move the clock, and return what the tick that comes then says of the bridge."""
        self.now += seconds
        self.ticker.tick(caught_up=True, hearing=hearing)
        (said,) = {decode_reading(record.value) for record in self.producer.settle()}
        assert isinstance(said, Tick)
        return said.steady


def test_each_partition_gets_a_tick_when_it_is_due() -> None:
    bench = Bench()
    assert bench.after(4.9) == []
    assert bench.after(0.1) == [0, 1, 2]
    assert bench.after(4.9) == []
    assert bench.after(0.2) == [0, 1, 2]
    assert bench.ticker.stored == 6


def test_a_tick_carries_the_ingest_time_of_its_record() -> None:
    bench = Bench()
    bench.now += 5.0004
    bench.ticker.tick(caught_up=True)
    for record in bench.producer.settle():
        assert decode_reading(record.value) == Tick(tick_at=1105.0, steady=0)
        assert (record.key, record.time_ms) == (None, 1_105_000)


def test_no_tick_passes_readings_that_still_wait_with_the_broker() -> None:
    bench = Bench()
    assert bench.after(6, caught_up=False) == []  # just started, with a backlog
    assert bench.after(1, caught_up=True) == [0, 1, 2]
    bench.ticker.hold_back()
    assert bench.after(6, caught_up=False) == []
    assert bench.after(3, caught_up=False) == []


def test_under_a_steady_load_ticks_come_again_after_ten_seconds() -> None:
    bench = Bench()
    assert bench.after(9.9, caught_up=False) == []
    assert bench.after(0.2, caught_up=False) == [0, 1, 2]
    assert bench.after(5, caught_up=False) == [0, 1, 2]


def test_ticks_do_not_pile_up_while_kafka_is_away() -> None:
    bench = Bench()
    bench.now += 5
    bench.ticker.tick(caught_up=True)
    for _ in range(10):
        bench.now += 5
        bench.ticker.tick(caught_up=True)
    assert len(bench.producer.settle()) == 3
    assert bench.after(5) == [0, 1, 2]


def test_a_tick_that_is_refused_is_not_counted() -> None:
    bench = Bench()
    bench.now += 5
    bench.ticker.tick(caught_up=True)
    bench.producer.settle(KafkaError(KafkaError.INVALID_TIMESTAMP))
    assert bench.ticker.stored == 0
    assert "INVALID_TIMESTAMP" in bench.ticker.problem
    assert bench.after(5) == [0, 1, 2]
    assert bench.ticker.problem == ""


def test_a_refused_tick_is_made_anew_a_second_later_with_the_time_of_then() -> None:
    bench = Bench()
    bench.now += 5
    bench.ticker.tick(caught_up=True)
    refused = bench.producer.settle(KafkaError(KafkaError.INVALID_TIMESTAMP))
    assert all(record.momentary for record in refused)  # the producer does not send it again
    assert bench.after(0.9) == []
    bench.now += 0.1
    bench.ticker.tick(caught_up=True)
    anew = bench.producer.settle()
    assert [decode_reading(record.value) for record in anew] == [Tick(tick_at=1106.0, steady=0)] * 3


def test_new_partitions_are_found_and_old_ones_kept_when_kafka_does_not_answer() -> None:
    bench = Bench()
    assert bench.after(5) == [0, 1, 2]
    bench.producer.known = [0, 1, 2, 3]
    assert bench.after(30) == [0, 1, 2]
    assert bench.after(31) == [0, 1, 2, 3]
    bench.producer.known = []
    assert bench.after(61) == [0, 1, 2, 3]


def test_a_tick_says_for_how_long_the_bridge_has_heard_everything() -> None:
    bench = Bench()
    assert [bench.steady_after(5) for _ in range(3)] == [0, 5, 10]
    bench.ticker.hold_back()  # a new connection, or a pause
    assert [bench.steady_after(5) for _ in range(2)] == [0, 5]
    assert [bench.steady_after(5, Hearing.BROKEN) for _ in range(2)] == [0, 0]
    assert [bench.steady_after(5) for _ in range(2)] == [0, 5]


def test_while_nothing_comes_from_the_broker_a_tick_does_not_say_that_all_was_heard() -> None:
    bench = Bench()
    assert [bench.steady_after(5) for _ in range(3)] == [0, 5, 10]
    assert [bench.steady_after(5, Hearing.UNCERTAIN) for _ in range(2)] == [0, 0]
    assert bench.steady_after(5) == 25, "it answered: nothing was missed"


@pytest.mark.parametrize("seconds", [61.0, -3600.0])
def test_a_clock_that_jumped_and_a_process_that_stood_still_begin_that_anew(seconds: float) -> None:
    bench = Bench()
    assert [bench.steady_after(5) for _ in range(3)] == [0, 5, 10]
    bench.jumped += seconds
    assert [bench.steady_after(5) for _ in range(2)] == [0, 5]


def test_a_tick_that_says_so_is_decoded_as_fast_as_others() -> None:
    tick = Tick(tick_at=1_725_890_469.123, steady=MOST_STEADY)
    assert decode_readings([encode(tick), encode(Tick(5.0))]) == [tick, Tick(5.0)]
