"""Whether each pattern of the settings, and each rule in the log, takes any series: looked at once a minute.

A pattern with a slip in it (``boiler-*/temprature``) sets limits for nothing, and nobody would notice.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from agents.web.tables import owned_rows
from bridges.process.logs import get_logger
from streams.detection.log_rules import PartitionRules, rules_of

if TYPE_CHECKING:
    from agents.app import WorkerApp
    from streams.detection.sensor_models import SensorModels
    from streams.records.rows import Row

log = get_logger(__name__)

_LOOK_SECONDS = 60.0
_PART = 500


class PatternWatch:
    """The patterns that take no series of this worker.

    Args:
        app: The Faust application.

    Attributes:
        idle: Of the last look, in their order; ``None`` while there was none, or the last one failed. A pattern before
            which another one takes all of its series is idle, too.
    """

    def __init__(self, app: "WorkerApp") -> None:
        self._app = app
        self._plan = app.settings.detection.plan()
        self._next_look = time.monotonic() + _LOOK_SECONDS
        self._looking: asyncio.Task[None] | None = None
        self.idle: tuple[str, ...] | None = None

    def look_if_due(self) -> None:
        """Begin to look at all series, if it is time to and pages are served; nobody waits for it."""
        app = self._app
        if time.monotonic() < self._next_look or app.rebalancing or not app.is_recovered:
            return
        if app.conf.web_enabled and app.models is not None:
            self._next_look = time.monotonic() + _LOOK_SECONDS
            self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        try:
            self.idle = await self._found()
        except Exception as error:
            # Nothing is told of what is not known; the next look may succeed.
            self.idle = None
            log.error("patterns.not_looked_at", error=repr(error))

    async def _found(self) -> tuple[str, ...]:
        """Look for the patterns that take no series."""
        left = dict.fromkeys(self._plan.patterns)
        partitions = [
            (rules_of(rows), list(rows.items())) for rows in owned_rows(self._app, self._app.models)
        ]
        for rules, _ in partitions:
            left.update(dict.fromkeys(() if rules is None else rules.patterns))
        number = 0
        for rules, rows in partitions:
            for sensor_id, row in rows:
                if not left:
                    break
                for pattern in self._taking(rules, sensor_id, row):
                    left.pop(pattern, None)
                number += 1
                if number % _PART == 0:
                    await asyncio.sleep(0)
        return tuple(left)

    def _taking(
        self, rules: PartitionRules | None, sensor_id: str, row: "Row[SensorModels]"
    ) -> Iterator[str]:
        """Yield the patterns that take a series of a sensor."""
        for quantity, _ in row.state.items():
            if (pattern := self._plan.pattern_for(sensor_id, quantity)) is not None:
                yield pattern
            if rules is not None and (rule := rules.rule_of(sensor_id, quantity)) is not None:
                yield rule[0]
