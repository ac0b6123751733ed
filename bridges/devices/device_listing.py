"""List devices with their presence: as the worker tells it, or from Kafka alone if no worker answers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec

from bridges.devices.device_presence import presence_on_kafka
from bridges.devices.device_registry import devices_on_kafka
from bridges.looking.sensor_listing import asked_pages
from bridges.process.settings import Settings
from streams.device_states import (
    DeviceState,
    as_registered,
    check_states,
    stands_in,
    told_of,
    told_of_by_topics,
)
from streams.errors import TransientError

_PAGE = 1000
_BY_SILENCE = frozenset({DeviceState.SILENT, DeviceState.LATE})


class DeviceListing(NamedTuple):
    """Devices by id.

    Args:
        rows: As plain values.
        problem: Why the worker was not asked to the end; empty if it was.
    """

    rows: list[dict[str, Any]]
    problem: str


def devices_as_told(settings: Settings, where: Mapping[str, str], states: Sequence[str]) -> DeviceListing:
    """List devices.

    Args:
        settings: Where worker and Kafka are.
        where: Only those whose ``place``, ``machine`` or ``group`` is that, where it is not empty.
        states: Only those in one of these states; empty: in any.

    Raises:
        ConfigurationError: If a state is none.
        TransientError: If neither the worker nor Kafka answers, or the worker does not and would have to.
    """
    check_states(states)
    chosen = {name: text for name, text in where.items() if text}
    path = f"/api/devices?{urlencode({**chosen, 'state': ','.join(states), 'limit': _PAGE})}"
    try:
        told = asked_pages(settings, path)
        return DeviceListing([{"sensor_id": row.pop("key"), **row} for row in told], "")
    except TransientError as error:
        if _BY_SILENCE & set(states):
            raise
        return DeviceListing(list(_on_kafka(settings, where, states)), str(error))


def _on_kafka(
    settings: Settings, where: Mapping[str, str], states: Sequence[str]
) -> Iterator[dict[str, Any]]:
    devices, presence = devices_on_kafka(settings), presence_on_kafka(settings)
    for sensor_id in sorted({*devices, *told_of_by_topics(presence)}):
        told = told_of(presence.get(sensor_id), None, None, 0.0)
        device = devices.get(sensor_id)
        if (not states or told.state in states) and stands_in(device, where):
            reason = (
                "" if told.state is DeviceState.UNKNOWN else told.reason
            )  # whether it sends was not asked
            yield {
                "sensor_id": sensor_id,
                **msgspec.to_builtins(told),
                "reason": reason,
                **as_registered(device),
            }
