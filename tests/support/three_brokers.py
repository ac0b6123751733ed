"""Three Kafka brokers on this machine, each a controller too, with every record on three of them and two in sync."""

import asyncio
import os
import re
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from bridges.stack.child_process import LOOPBACK, free_port
from bridges.stack.kafka_server import KafkaServer
from tests.support.patience import PATIENCE

COUNT = 3
REPLICATED: dict[str, object] = {
    "default.replication.factor": COUNT,
    "min.insync.replicas": 2,
    "offsets.topic.replication.factor": COUNT,
    "transaction.state.log.replication.factor": COUNT,
    "transaction.state.log.min.isr": 2,
    "share.coordinator.state.topic.replication.factor": COUNT,
    "share.coordinator.state.topic.min.isr": 2,
    # A follower that is frozen leaves the set of those in sync after this; 30 s by default.
    "replica.lag.time.max.ms": 4000,
}
_LEADS = re.compile(r"Completed transition to Leader\(.*?epoch=(\d+)")


class Broker(KafkaServer):
    """One of them.

    Args:
        directory: For its data.
        number: From 1.
        controllers: The ports on which they talk to each other, by number; they stay over restarts.
    """

    def __init__(self, directory: Path, number: int, controllers: Sequence[int]) -> None:
        super().__init__(directory, heap_megabytes=256, say=print)
        self.number = number
        self._controllers = controllers

    def properties(self, controller: int) -> dict[str, object]:
        """Return its configuration."""
        voters = [f"{number}@{LOOPBACK}:{port}" for number, port in enumerate(self._controllers, start=1)]
        mine = self._controllers[self.number - 1]
        return {
            **super().properties(controller),
            **REPLICATED,
            "node.id": self.number,
            "listeners": f"PLAINTEXT://{LOOPBACK}:{self.port},CONTROLLER://{LOOPBACK}:{mine}",
            "controller.quorum.voters": ",".join(voters),
        }

    def freeze(self) -> None:
        """Stop it without ending it."""
        assert self.pid is not None
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self.pid is not None
        os.kill(self.pid, signal.SIGCONT)

    @property
    def led_in(self) -> int:
        """The newest epoch in which it led the controllers; 0 if it never did."""
        log = self.directory / "server.log"
        epochs = _LEADS.findall(log.read_text(errors="replace")) if log.exists() else []
        return max(map(int, epochs), default=0)


class Cluster:
    """The three.

    Args:
        folder: For their data.
    """

    def __init__(self, folder: Path) -> None:
        ports = [free_port() for _ in range(COUNT)]
        self.brokers = [Broker(folder / f"kafka-{n}", n, ports) for n in range(1, COUNT + 1)]

    @property
    def address(self) -> str:
        """What clients are told."""
        return ",".join(broker.address for broker in self.brokers)

    @property
    def controller(self) -> Broker:
        """The one that leads the controllers."""
        return max(self.brokers, key=lambda broker: broker.led_in)

    def start(self) -> None:
        """Start those that do not run, and wait until each has joined."""
        for broker in self.brokers:
            broker.launch()
        for broker in self.brokers:
            broker.start()

    def stop(self) -> None:
        """End all at once; a frozen one, too."""
        for broker in self.brokers:
            broker.kill()

    async def until_in_sync(self, seconds: float = PATIENCE) -> None:
        """Wait until every partition of every topic is in sync on all three."""
        admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        deadline = time.monotonic() + seconds
        while behind := await asyncio.to_thread(_behind, admin):
            assert time.monotonic() < deadline, f"not in sync after {seconds} s: {behind[:10]}"
            await asyncio.sleep(0.3)


def _behind(admin: AdminClient) -> list[str]:
    try:
        topics = admin.list_topics(timeout=10).topics
    except KafkaException as error:
        return [str(error)]
    return [
        f"{name}-{number}"
        for name, topic in topics.items()
        for number, partition in topic.partitions.items()
        if len(partition.isrs) < COUNT
    ]
