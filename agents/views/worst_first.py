"""Sensors in the order in which somebody has to look at them, over everything that is known: 100,000 are no pause.

    0 critical alarm   1 warning   2 info   3 anomaly open   4 disconnected   5 silent   6 late   7 online   8 unknown
    └──────── of this moment: few ────────┘ └──────── of the last look at devices, in lists that are in order ───────┘

A page takes what it shows from the front and looks at nothing behind it; only a search looks at every name. What is
shelved, suppressed or out of service does not come first: somebody has said that it need not.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Final

from agents.views.alarm_pages import open_alarms, with_open_anomalies
from agents.views.sensor_choice import SensorChoice
from agents.views.watching.ranked import Ranked, in_states
from streams.alarms.inhibiting import AlarmState
from streams.device_states import DeviceState
from streams.place_counts import ANOMALY_RANK, RANKS

if TYPE_CHECKING:
    from agents.app import WorkerApp
    from agents.views.watching.device_watch import DeviceWatch

CALLING: Final = (AlarmState.UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED, AlarmState.RETURNED)
"""States in which an alarm calls for somebody."""


class WorstFirst:
    """The order of this worker's sensors.

    Args:
        app: The Faust application.
        devices: What is known of each, and whether it is there.
    """

    def __init__(self, app: "WorkerApp", devices: "DeviceWatch") -> None:
        self._app = app
        self._devices = devices

    def page(
        self,
        names: Callable[[], Iterable[str]],
        after: Ranked,
        limit: int,
        choice: SensorChoice,
    ) -> list[Ranked]:
        """List sensors, the worst first: at most ``limit`` and one more, if there are more.

        Args:
            names: Returns sensors that have rows: some may be newer than the last look at devices.
            after: Only those behind this place.
            limit: How many.
            choice: Which sensors.
        """
        is_meant = self._devices.chooser(choice)
        in_order = self._in_order(names, after, choice.states)
        found = (each for each in in_order if each > after and is_meant(each.sensor_id))
        return list(islice(found, limit + 1))

    def _in_order(
        self, names: Callable[[], Iterable[str]], after: Ranked, wanted: frozenset[DeviceState]
    ) -> Iterator[Ranked]:
        raised = self._raised()
        for rank, sensor_id in sorted((rank, sensor_id) for sensor_id, rank in raised.items()):
            yield Ranked(rank, sensor_id)
        told = self._devices.told

        def newer() -> Iterable[str]:
            """List what the last look did not see yet."""
            return sorted(each for each in names() if each not in told)

        in_order = in_states(self._devices.in_state, after, wanted, newer)
        yield from (each for each in in_order if each.sensor_id not in raised)

    def _raised(self) -> Mapping[str, int]:
        """Return the rank of each sensor of which an alarm calls, or an anomaly is open."""
        raised = {sensor_id: ANOMALY_RANK for sensor_id, _ in with_open_anomalies(self._app)}
        for alarm in open_alarms(self._app):
            if alarm.state in CALLING:
                rank = RANKS.index(alarm.severity)
                raised[alarm.sensor_id] = min(rank, raised.get(alarm.sensor_id, rank))
        return raised
