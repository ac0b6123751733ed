"""How far behind a worker is: also where it does not fetch, since what it is to write to does not keep up."""

from types import SimpleNamespace
from typing import Any, cast

from faust.types import TP

from agents.web.readiness import lag

PAUSED, LIVE = TP("readings", 0), TP("readings", 1)


class Consumer:
    """Stands where it was told; a fetch of the paused partition was long ago, and so is what it told of the end."""

    unacked = (SimpleNamespace(tp=PAUSED, acked=False, value=range(7)),)

    def assignment(self) -> set[TP]:
        return {PAUSED, LIVE}

    async def position(self, tp: TP) -> int:
        return {PAUSED: 100, LIVE: 500}[tp]

    def highwater(self, tp: TP) -> int | None:
        return {PAUSED: 100, LIVE: 520}[tp]


async def test_what_came_since_a_partition_was_paused_is_behind_too() -> None:
    app = SimpleNamespace(
        consumer=Consumer(),
        tables=SimpleNamespace(changelog_topics=set()),
        watch=SimpleNamespace(ends={PAUSED: 900, LIVE: 510}),
    )
    assert await lag(cast(Any, app)) == {"readings": {0: 800 + 7, 1: 20}}
