"""One thread looks, however many ask, and nobody waits longer than they want to."""

import asyncio
from threading import Event

import pytest

from agents.web.shared_look import SharedLook


async def test_whoever_asks_while_it_is_looked_gets_the_same_answer() -> None:
    go_on, looks = Event(), list[int]()

    def look() -> int:
        looks.append(len(looks))
        assert go_on.wait(10)
        return len(looks)

    shared = SharedLook(look)
    with pytest.raises(TimeoutError):
        await shared.found(0.01)
    asked = [asyncio.create_task(shared.found(10)) for _ in range(5)]
    go_on.set()
    assert await asyncio.gather(*asked) == [1] * 5
    assert await shared.found(10) == 2, "who asks later is told of what is there then"


async def test_what_the_look_raises_is_raised_for_all_and_the_next_one_looks_again() -> None:
    fails = iter([True, False])

    def look() -> str:
        if next(fails):
            raise ValueError("Kafka is away")
        return "there"

    shared = SharedLook(look)
    with pytest.raises(ValueError, match="away"):
        await shared.found(10)
    assert await shared.found(10) == "there"
