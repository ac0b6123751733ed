"""Fetch some topics as their records come, while fetches of the others collect.

Kafka answers a fetch when there is as much as it asks for, or its wait is over; aiokafka has one under way for each
broker, with all partitions, so that an alarm among readings waits as long as they do. A fetch of its own needs a
connection of its own: a broker takes the requests of one connection one after the other.

    readings, aggregates …  ──▶ a megabyte, or after `fetch_wait_seconds` ─┐
                                                                           ├─▶ the consumer's buffer
    alarm-inputs, actions   ──▶ the first byte ────────────────────────────┘

To aiokafka's fetcher these partitions are led by a broker that is another than the others': what it decides for each
broker it decides for each of the two.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.fetch import FetchRequest

WAIT_MS: Final = 500
"""So long Kafka waits for the first byte; what is paused or sought meanwhile takes effect with the next fetch."""
CONNECTION: Final = "prompt"


@dataclass(frozen=True, slots=True)
class PromptNode:
    """A broker, as the leader of partitions that are fetched promptly.

    Args:
        node: Its id.
    """

    node: int


class PromptClient:
    """aiokafka's client, which sends what goes to a `PromptNode` through a connection of its own.

    Args:
        client: The client.
    """

    def __init__(self, client: AIOKafkaClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def send(self, node_id: Any, request: Any) -> Any:
        """Send a request; a fetch from a `PromptNode` is to be answered with the first byte."""
        if not isinstance(node_id, PromptNode):
            return await self._client.send(node_id, request)
        if isinstance(request, FetchRequest):
            request._min_bytes, request._max_wait_ms = 1, WAIT_MS
        return await self._client.send(node_id.node, request, group=CONNECTION)


def fetch_promptly(consumer: AIOKafkaConsumer, topics: Collection[str]) -> None:
    """Have a consumer that has started, and has no partitions yet, fetch some topics promptly.

    Args:
        consumer: The consumer.
        topics: Their names, with the namespace; may still grow until partitions are assigned.
    """
    fetcher = consumer._fetcher
    leader_of = fetcher._select_read_replica

    def select(tp: Any) -> Any:
        leader = leader_of(tp)
        if tp.topic not in topics or leader in (None, -1):
            return leader
        # Where a partition stands is asked of the broker, not fetched from it.
        assignment = consumer._subscription.subscription.assignment
        return PromptNode(leader) if assignment.state_value(tp).has_valid_position else leader

    fetcher._client = PromptClient(fetcher._client)
    fetcher._select_read_replica = select
