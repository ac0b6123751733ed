"""Whether each pattern of the settings, and each rule in the log, takes what it should: looked at once a minute.

A pattern with a slip in it (``boiler-*/temprature``) sets limits for nothing, and nobody would notice. A rule by place,
machine, group or kind names the sensors that the registry of devices had when it was applied: it may have others now.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from agents.web.tables import owned_rows
from bridges.process.logs import get_logger
from streams.detection.log_rules import PartitionRules, rules_of
from streams.rules.rule_devices import asked_of, outdated

if TYPE_CHECKING:
    from agents.app import WorkerApp
    from agents.views.watching.device_watch import DeviceWatch
    from streams.detection.sensor_models import SensorModels
    from streams.records.rows import Row

log = get_logger(__name__)

_LOOK_SECONDS = 60.0
_PART = 500


class PatternWatch:
    """The patterns that take no series of this worker, and the rules that take others than they should.

    Args:
        app: The Faust application.
        devices: Whose registry of devices is asked.

    Attributes:
        outdated: Rules in the log that take other sensors than the registry says now, in words, of the last look;
            ``None`` while that is not known.
        idle: Of the last look, in their order; ``None`` while there was none, or the last one failed. A pattern before
            which another one takes all of its series is idle, too.
    """

    def __init__(self, app: "WorkerApp", devices: "DeviceWatch") -> None:
        self._app = app
        self._devices = devices
        self._plan = app.settings.detection.plan()
        self._next_look = time.monotonic() + _LOOK_SECONDS
        self._looking: asyncio.Task[None] | None = None
        self.idle: tuple[str, ...] | None = None
        self.outdated: tuple[str, ...] | None = None
        self._compared: tuple[int, tuple[str, ...]] | None = None

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
            self.outdated = await self._found_outdated()
        except Exception as error:
            # Nothing is told of what is not known; the next look may succeed.
            self.idle = self.outdated = None
            log.error("patterns.not_looked_at", error=repr(error))

    async def _found_outdated(self) -> tuple[str, ...] | None:
        """Look for rules that take other sensors than the registry says."""
        changes = {
            rules.change.fingerprint: rules.change
            for rows in owned_rows(self._app, self._app.models)
            if (rules := rules_of(rows)) is not None
        }
        asking = [rule for change in changes.values() for rule in change.rules if asked_of(rule)]
        if not asking:
            return ()
        if not self._devices.has_names:
            return None
        # A rule takes 0.2 s of processor time where there are 100,000 devices: not again while nothing changes.
        compared = (self._devices.names_taken, tuple(changes))
        if compared != self._compared or self.outdated is None:
            devices = list(self._devices.devices.values())
            found = await asyncio.to_thread(outdated, dict.fromkeys(asking), devices)
            self._compared = compared
            return tuple(map(str, found))
        return self.outdated

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
