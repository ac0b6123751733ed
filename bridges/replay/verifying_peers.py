"""Live equals replay for peers: what is found follows from `peer-inputs` alone.

    peer-inputs, all partitions ──▶ compare_peers ──▶ recomputed, by the partition of their sensors ─┐
    anomalies of a partition ─────────────────────▶ emitted live ────────────────────────────────────┴─▶ equal?

The means in it are those of `aggregates`, which are compared by themselves. In which order the partitions of readings
came is known from nowhere else.
"""

from collections.abc import Iterator

from bridges.kafka.partitioning import partition_of
from bridges.process.settings import Settings
from bridges.sources.kafka_source import Log
from streams.errors import InputError
from streams.peers.comparing import PeerOutcome, Rows, compare_peers
from streams.peers.peer_plan import PeerPlan
from streams.records.catalogue import CATALOGUE
from streams.records.peer_records import PeerInput
from streams.records.types import Anomaly

_INPUTS = CATALOGUE.of(PeerInput)


def found_beside_peers(settings: Settings, plan: PeerPlan, ends: dict[int, int]) -> dict[int, list[Anomaly]]:
    """Compare again what the live worker has compared; returns what is found by the partition of its sensor.

    Args:
        settings: Of the live worker.
        plan: Who is compared.
        ends: By partition of the inputs, how far the live worker had worked through it.
    """
    partitions = settings.kafka.partitions
    found: dict[int, list[Anomaly]] = {}
    with Log(settings) as log:
        for partition, end in sorted(ends.items()):
            rows: Rows = {}
            outcome = PeerOutcome()
            compare_peers(plan, rows, _inputs(settings, log, partition, end), outcome)
            for each in outcome.anomalies:
                found.setdefault(partition_of(each.sensor_id.encode(), partitions), []).append(each)
    return found


def _inputs(settings: Settings, log: Log, partition: int, end: int) -> Iterator[tuple[int, PeerInput]]:
    topic = settings.topic(_INPUTS.topic.name)
    for messages in log.read(topic, partition, log.ends(topic, partition)[0], end):
        for message in messages:
            try:
                yield message.offset(), _INPUTS.read(message.value() or b"")
            except InputError:
                continue  # as the worker does: it sets it aside
