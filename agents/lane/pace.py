"""When checkpoints are made: each second of all, and at once of what somebody waits for, within a share of the time.

One partition follows the other: whoever waits for a result waits for the checkpoint of one of them at most, not for
that of all.
"""

import asyncio
from collections.abc import Set
from typing import Final, Protocol

from agents.lane.core.allowance import Allowance

AWAITED_SHARE: Final = 0.2
AWAITED_SECONDS: Final = 0.5
"""However many results are waited for, checkpoints that they make take at most a fifth of the time, but half a second
without a rest: an alarm needs two of them, one behind the other."""


class Checkpointing(Protocol):
    """Whose checkpoints are made.

    Args:
        interval: Seconds between those of all.
        awaited: Set while somebody waits for a result.
    """

    interval: float
    awaited: asyncio.Event

    @property
    def stops(self) -> bool:
        """Tell whether there are to be no more."""

    @property
    def partitions_held(self) -> set[int]:
        """Return the partitions of which something is held."""

    async def checkpoint(self, partitions: Set[int] | None = None, *, awaited: bool = False) -> None:
        """Make a checkpoint."""


class Pace:
    """Makes checkpoints until it is told to stop.

    Args:
        lane: Whose.
    """

    def __init__(self, lane: Checkpointing) -> None:
        self._lane = lane
        self._now = asyncio.get_running_loop().time
        self._allowance = Allowance(share=AWAITED_SHARE, most=AWAITED_SECONDS, now=self._now())

    async def keep(self) -> None:
        """Make them; what one raises ends it."""
        lane, due = self._lane, self._now() + self._lane.interval
        while not lane.stops:
            if await self._awaited_before(due):
                await self._awaited_one()
                continue
            for partition in sorted(lane.partitions_held):
                if lane.awaited.is_set() and not self._allowance.rest(self._now()):
                    await self._awaited_one()
                await lane.checkpoint({partition})
            due = self._now() + lane.interval

    async def _awaited_one(self) -> None:
        begun = self._now()
        await self._lane.checkpoint(awaited=True)
        self._allowance.spend(self._now() - begun, self._now())

    async def _awaited_before(self, due: float) -> bool:
        """Wait until everything is due, or, after a rest, until somebody waits for a result; tells whether it is that.

        Args:
            due: When everything is, by the loop's clock.
        """
        try:
            async with asyncio.timeout_at(due):
                await asyncio.sleep(self._allowance.rest(self._now()))
                await self._lane.awaited.wait()
        except TimeoutError:
            return False
        return True
