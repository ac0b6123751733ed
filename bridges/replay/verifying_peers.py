"""Live equals replay for peers: what is found follows from `peer-inputs` alone.

    peer-inputs, all partitions ──▶ compare_peers ──▶ recomputed, of the sensors of one partition ─┐
    anomalies of that partition ──────────────────▶ emitted live ──────────────────────────────────┴─▶ equal?

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


def found_beside_peers(settings: Settings, plan: PeerPlan, ends: dict[int, int], home: int) -> list[Anomaly]:
    """Compare again what the live worker has compared.

    Args:
        settings: Of the live worker.
        plan: Who is compared.
        ends: By partition of the inputs, how far the live worker had worked through it.
        home: The partition whose sensors are wanted.
    """
    found: list[Anomaly] = []
    with Log(settings) as log:
        for partition, end in sorted(ends.items()):
            rows: Rows = {}
            outcome = PeerOutcome()
            compare_peers(plan, rows, _inputs(settings, log, partition, end), outcome)
            found += outcome.anomalies
    partitions = settings.kafka.partitions
    return [each for each in found if partition_of(each.sensor_id.encode(), partitions) == home]


def _inputs(settings: Settings, log: Log, partition: int, end: int) -> Iterator[tuple[int, PeerInput]]:
    topic = settings.topic(_INPUTS.topic.name)
    for messages in log.read(topic, partition, log.ends(topic, partition)[0], end):
        for message in messages:
            try:
                yield message.offset(), _INPUTS.read(message.value() or b"")
            except InputError:
                continue  # as the worker does: it sets it aside
