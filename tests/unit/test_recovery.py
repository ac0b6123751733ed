"""Rows come back from a changelog: the newest value of each key, by partition, and nothing is kept twice."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import faust
import pytest
from faust.tables.recovery import ServiceStopped

from agents.lane.core.batch import Batch
from agents.lane.faust.recovery import RecoveryTable
from streams.errors import WeirError
from tests.support.memory_kafka import MemoryRecord


def fetched(partition: int, start: int, *pairs: tuple[bytes | None, bytes | None]) -> Any:
    """An event of recovery: one fetch of a changelog."""
    records: list[Any] = [
        MemoryRecord("changelog", partition, start + at, 0, key, value)
        for at, (key, value) in enumerate(pairs)
    ]
    batch = Batch("test-recovery-rows-changelog", partition, records, start, start + len(records))
    return SimpleNamespace(value=batch)


def table() -> RecoveryTable:
    """A table of an application that does not run."""
    app = faust.App("test-recovery", store="memory://")
    return RecoveryTable(app, name="rows", partitions=2)


def test_the_newest_value_of_each_key_comes_back_by_partition() -> None:
    rows = table()
    rows.apply_changelog_batch([fetched(0, 0, (b"a", b"1"), (b"b", b"1"), (b"a", b"2"))])
    rows.apply_changelog_batch([fetched(1, 0, (b"a", b"other")), fetched(0, 3, (b"b", b"2"))])
    assert rows.take_recovered()[0] == {0: {b"a": b"2", b"b": b"2"}, 1: {b"a": b"other"}}


def test_what_was_taken_is_not_kept() -> None:
    rows = table()
    rows.apply_changelog_batch([fetched(0, 0, (b"a", b"1"))])
    rows.take_recovered()
    rows.apply_changelog_batch([fetched(0, 1, (b"b", b"1"))])
    assert rows.take_recovered()[0] == {0: {b"b": b"1"}}


def test_a_fetch_does_not_wait_for_many_others_and_the_changelog_is_not_read_on_after_recovery() -> None:
    assert table().recovery_buffer_size == 2  # with 1, Faust reads on


def test_records_without_a_key_or_a_value_are_no_rows() -> None:
    rows = table()
    rows.apply_changelog_batch([fetched(0, 0, (None, b"1"), (b"a", None), (b"b", b"1"))])
    assert rows.take_recovered()[0] == {0: {b"b": b"1"}}


def test_what_cannot_be_taken_over_fails_the_recovery() -> None:
    rows = table()
    # Raised here it would only be logged, and Faust's recovery would never end.
    rows.apply_changelog_batch([cast(Any, SimpleNamespace(value=b"a record, not a batch"))])
    with pytest.raises(WeirError, match="changelog of rows could not be read back"):
        rows.take_recovered()


def test_a_fetch_that_does_not_continue_fails_the_recovery() -> None:
    rows = table()
    rows.expect(0, 100)
    rows.apply_changelog_batch([fetched(0, 100, (b"a", b"1"))])
    rows.apply_changelog_batch([fetched(0, 100, (b"a", b"1"), (b"a", b"2"))])  # overlapping is as good
    rows.apply_changelog_batch([fetched(0, 103, (b"a", b"3"))])
    with pytest.raises(
        WeirError, match="could not be read back: partition 0 was read up to 102, then from 103"
    ):
        rows.take_recovered()


def test_what_is_here_already_is_not_taken_again() -> None:
    rows = table()
    rows.expect(0, 101)  # Faust begins with the last record that is here
    rows.apply_changelog_batch([fetched(0, 100, (b"a", b"1"), (b"b", b"1"))])
    assert rows.take_recovered()[0] == {0: {b"b": b"1"}}


def test_what_belongs_to_another_table_is_ignored() -> None:
    rows = table()
    stray: Any = SimpleNamespace(
        value=Batch("another-changelog", 0, fetched(0, 0, (b"a", b"1")).value.records, 0, 1)
    )
    rows.apply_changelog_batch([stray])
    assert rows.take_recovered()[0] == {}


def recovery_of(name: str) -> Any:
    """The recovery of an application that does not run."""
    app: Any = faust.App(name, store="memory://")
    RecoveryTable(app, name="rows", partitions=2)
    return app.tables.recovery


async def test_a_kafka_that_does_not_answer_ends_the_worker_and_not_only_the_recovery() -> None:
    with pytest.raises(WeirError, match=r"not answered for 0\.01 s"):
        await recovery_of("test-unanswered")._wait(asyncio.Event().wait(), timeout=0.01)


async def test_a_worker_that_stops_ends_its_recovery_in_peace() -> None:
    recovery = recovery_of("test-stopped")
    recovery._stopped.set()
    with pytest.raises(ServiceStopped):
        await recovery._wait(asyncio.Event().wait(), timeout=10)
