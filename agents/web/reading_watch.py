"""Watch that an application reads what it was given: one that does not is not ready, and says so.

It asks Kafka where the logs end, apart from what fetches: whatever has stopped that, it is seen.
"""

import asyncio
import math
import time
from typing import TYPE_CHECKING, Any, Final

from aiokafka.errors import KafkaError
from faust.exceptions import ConsumerNotStarted
from faust.types import TP

from agents.web.standstill import Standstill, given_to_nobody
from bridges.process.logs import get_logger

if TYPE_CHECKING:
    from agents.lane.lane_app import LaneApp

log = get_logger(__name__)

ASK_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 5.0
STILL_SECONDS: Final = 60.0
"""As long as a worker waits for Kafka before it ends: until then it may have a reason."""


class ReadingWatch:
    """Watches one application.

    Args:
        app: It.
    """

    def __init__(self, app: "LaneApp") -> None:
        self._app = app
        self._standstill = Standstill[TP](STILL_SECONDS)
        self._answered_at = math.inf  # nobody has asked
        self._told = ""
        self.ends: dict[TP, int] = {}
        """Where each partition ended when Kafka was last asked: a fetch does not tell while a partition is paused."""
        app.task(self._watch)

    def why_not(self) -> str:
        """Return why nothing is read although it should be; an empty text when it is."""
        now = time.monotonic()
        if nobody := self._given_to_nobody():
            return f"no worker of the group was given a partition of {', '.join(nobody)}"
        if still := self._standstill.partitions(now):
            names = ", ".join(f"{tp.topic}-{tp.partition}" for tp in sorted(still))
            return f"nothing has been read of {names} for {STILL_SECONDS:g} s, although more is there"
        if now - self._answered_at >= STILL_SECONDS:
            return f"Kafka has not answered for {STILL_SECONDS:g} s"
        return ""

    async def _watch(self) -> None:
        self._answered_at = time.monotonic()
        while not self._app.should_stop:
            await asyncio.sleep(ASK_SECONDS)
            if self._app.rebalancing or not self._app.is_recovered:
                self._standstill.forget()
                self._answered_at = time.monotonic()  # readiness says what is going on
            else:
                await self._look()
            self._tell("" if any(ask() for ask in self._app.why_not) else self.why_not())

    def _tell(self, reason: str) -> None:
        """Log once that nothing is read; what has another reason is told of by that."""
        if reason and reason != self._told:
            log.warning("reading.stands_still", reason=reason)
        self._told = reason

    async def _look(self) -> None:
        consumer: Any = self._app.consumer
        owned = self._sources(consumer.assignment())
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                ends = dict(await consumer.highwaters(*owned)) if owned else {}
        except (TimeoutError, KafkaError, ConsumerNotStarted):
            return
        self.ends = ends
        now = self._answered_at = time.monotonic()
        self._standstill.look({tp: consumer.position_now(tp) for tp in owned}, ends, now)

    def _sources(self, partitions: Any) -> list[TP]:
        return sorted(tp for tp in partitions if tp.topic in self._app.topics.acking_topics)

    def _given_to_nobody(self) -> list[str]:
        assignor: Any = self._app.assignor
        shares = [*assignor.external_topic_distribution.values(), *assignor.changelog_distribution.values()]
        # Known of a group with tables, once there was an assignment.
        return given_to_nobody(self._app.topics.acking_topics, shares) if shares else []
