"""The outbox: large writes, a few at once, acknowledged in the order they came."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.mongo.outbox import Outbox, Refused
from bridges.mongo.write_outcome import Written


class Parcel:
    """A delivery that remembers what happened to it."""

    def __init__(self, number: int, size: int, acknowledged: list[int]) -> None:
        self.number = number
        self.documents: list[dict[str, Any]] = [{"_id": f"{number}.{each}"} for each in range(size)]
        self.refused: Refused = ()
        self._acknowledged = acknowledged

    async def written(self, refused: Refused) -> None:
        self.refused = refused

    def acknowledge(self) -> None:
        self._acknowledged.append(self.number)


class Shelf:
    """Where documents go; writes take as many turns of the loop as told, so that they overtake each other."""

    def __init__(self, turns: list[int] | None = None) -> None:
        self.writes: list[list[dict[str, Any]]] = []
        self.open = asyncio.Event()
        self.open.set()
        self._turns = turns or [0]

    async def write(self, documents: list[dict[str, Any]]) -> Written:
        turns = self._turns[len(self.writes) % len(self._turns)]
        self.writes.append(documents)
        for _ in range(turns):
            await asyncio.sleep(0)
        await self.open.wait()
        return Written(stored=len(documents))


@asynccontextmanager
async def running(outbox: Outbox) -> AsyncIterator[Outbox]:
    task = asyncio.create_task(outbox.run())
    try:
        yield outbox
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("did not happen")


@given(
    sizes=st.lists(st.integers(0, 7), max_size=20),
    turns=st.lists(st.integers(0, 9), min_size=1, max_size=5),
    batch=st.integers(1, 10),
    writers=st.integers(1, 4),
)
def test_every_delivery_is_written_once_and_acknowledged_in_order(
    sizes: list[int], turns: list[int], batch: int, writers: int
) -> None:
    async def deliver() -> None:
        shelf, acknowledged, told = Shelf(turns), list[int](), list[int]()
        parcels = [Parcel(number, size, acknowledged) for number, size in enumerate(sizes)]

        async def reached(deliveries: Sequence[Parcel]) -> None:
            assert acknowledged == told  # nothing is acknowledged before it has been told
            await asyncio.sleep(0)
            told.extend(each.number for each in deliveries)
            assert len(told) > len(acknowledged)

        outbox = Outbox(shelf.write, reached=reached, batch=batch, writers=writers, linger_seconds=0, room=15)
        async with running(outbox):
            for parcel in parcels:
                await outbox.put(parcel)
            assert await outbox.settle(5)
        assert acknowledged == told == list(range(len(sizes)))
        written = [each["_id"] for write in shelf.writes for each in write]
        assert sorted(written) == sorted(each["_id"] for parcel in parcels for each in parcel.documents)
        assert (outbox.documents_in, outbox.unwritten) == (0, 0)

    asyncio.run(deliver())


async def test_what_gathers_during_a_write_goes_in_one_write() -> None:
    shelf, acknowledged = Shelf(), list[int]()
    shelf.open.clear()
    async with running(Outbox(shelf.write, writers=1, linger_seconds=0)) as outbox:
        await outbox.put(Parcel(0, 1, acknowledged))
        await until(lambda: len(shelf.writes) == 1)
        for number in range(1, 50):
            await outbox.put(Parcel(number, 1, acknowledged))
        assert acknowledged == []
        shelf.open.set()
        await outbox.settle(5)
    assert [len(write) for write in shelf.writes] == [1, 49]
    assert acknowledged == list(range(50))


async def test_a_full_outbox_makes_put_wait_until_something_is_written() -> None:
    shelf, acknowledged = Shelf(), list[int]()
    shelf.open.clear()
    async with running(Outbox(shelf.write, linger_seconds=0, room=10)) as outbox:
        await outbox.put(Parcel(0, 10, acknowledged))
        waiting = asyncio.create_task(outbox.put(Parcel(1, 1, acknowledged)))
        await until(lambda: len(shelf.writes) == 1)
        assert not waiting.done()
        shelf.open.set()
        await waiting
        assert await outbox.settle(5)
    assert acknowledged == [0, 1]


async def test_what_is_forgotten_is_never_acknowledged_and_the_outbox_goes_on() -> None:
    shelf, acknowledged = Shelf(), list[int]()
    shelf.open.clear()
    async with running(Outbox(shelf.write, batch=3, writers=2, linger_seconds=0, room=9)) as outbox:
        for number in range(3):
            await outbox.put(Parcel(number, 3, acknowledged))
        waiting = asyncio.create_task(outbox.put(Parcel(3, 3, acknowledged)))
        await until(lambda: len(shelf.writes) == 2)
        assert not await outbox.settle(0.01)
        assert await outbox.forget() == 9
        shelf.open.set()
        await waiting
        assert await outbox.settle(5)
    assert acknowledged == [3]


async def test_refused_documents_come_back_to_the_delivery_they_came_in() -> None:
    acknowledged = list[int]()
    parcels = [Parcel(number, 2, acknowledged) for number in range(3)]
    parcels[2].documents[0]["_id"] = parcels[1].documents[1]["_id"]  # the same reading, delivered twice

    async def write(documents: list[dict[str, Any]]) -> Written:
        return Written(refused=[(each, "too odd") for each in documents if each["_id"] == "1.1"])

    async with running(Outbox(write)) as outbox:
        for parcel in parcels:
            await outbox.put(parcel)
        assert await outbox.settle(5)
    assert [len(parcel.refused) for parcel in parcels] == [0, 1, 1]
    assert acknowledged == [0, 1, 2]


async def test_a_write_that_fails_for_a_reason_of_our_own_stops_the_outbox_without_acknowledging() -> None:
    acknowledged = list[int]()

    async def write(documents: list[dict[str, Any]]) -> Written:
        raise ZeroDivisionError("a bug")

    outbox = Outbox(write, linger_seconds=0)
    task = asyncio.create_task(outbox.run())
    await outbox.put(Parcel(0, 1, acknowledged))
    with pytest.raises(ZeroDivisionError):
        await task
    with pytest.raises(ZeroDivisionError):
        await outbox.put(Parcel(1, 1, acknowledged))
    assert not await outbox.settle(5)
    assert acknowledged == []
