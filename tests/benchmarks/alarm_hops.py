"""Where the time from a reading to its alarm goes, by the times at which the records on its way were made."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from bridges.looking.log_search import LogSearch
from bridges.process.settings import Settings
from bridges.sources.kafka_source import Log
from streams.records.alarm_records import Alarm, AlarmInput
from streams.records.catalogue import CATALOGUE
from streams.records.types import Reading

HOPS: Final = ("to detection", "to the alarm", "to who reads it")
"""A fetch and detection; the first commit, a fetch, and the alarm; the second commit."""


def hops(settings: Settings, told: Mapping[str, float]) -> dict[str, list[float]]:
    """Return by hop how long it took for each probe (seconds).

    Args:
        settings: Where its records are.
        told: By the sensor of each probe, when its alarm was read (seconds since the Unix epoch).
    """
    times = [made_at(settings, kind, told) for kind in (Reading, AlarmInput, Alarm)]
    ways = [(*(made[sensor] for made in times), at) for sensor, at in told.items()]
    return {hop: [way[number + 1] - way[number] for way in ways] for number, hop in enumerate(HOPS)}


def made_at(settings: Settings, kind: type, sensors: Collection[str]) -> dict[str, float]:
    """Return when the first record of each sensor was made (seconds since the Unix epoch)."""
    found: dict[str, float] = {}
    topic = CATALOGUE.of(kind).topic.name
    with Log(settings) as log:
        search = LogSearch(settings, log)
        for message in search.messages(topic, search.partitions(topic), None):
            sensor = (message.key() or b"").decode()
            if sensor in sensors:
                found.setdefault(sensor, message.timestamp()[1] / 1000)
    return found


def shares(seconds: Sequence[float]) -> dict[float, float]:
    """Return the median, and the 95th and 99th of a hundred."""
    ordered = sorted(seconds)
    return {share: ordered[int(len(ordered) * share)] for share in (0.5, 0.95, 0.99)}
