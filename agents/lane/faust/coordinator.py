"""The group's leader assigns only what it knows, and a failure of the group is heard.

aiokafka's leader assigns the topics of which it happens to have metadata. If Kafka could not be reached when a member
asked for them, it has none, and does not ask again for five minutes: every member is then assigned nothing, and reads
nothing. Here the leader asks until Kafka has told, as long as the group waits for it.
"""

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Any, Final

from aiokafka import AIOKafkaConsumer

from bridges.process.logs import get_logger
from streams.errors import WeirError

log = get_logger(__name__)

ASK_AGAIN_SECONDS: Final = 0.2
KNOWN_SECONDS: Final = 60.0
"""So long Kafka is asked, as long as a worker waits for it elsewhere. Kafka may elect another leader meanwhile."""


def assign_only_what_is_known(consumer: AIOKafkaConsumer) -> None:
    """Have a consumer, when it leads its group, assign once it knows the partitions of every topic of the group."""
    coordinator = consumer._coordinator
    assign = coordinator._perform_assignment

    async def assign_known(response: Any) -> Any:
        deadline = monotonic() + KNOWN_SECONDS
        while True:
            assignments = await assign(response)
            unknown = unknown_topics(coordinator._metadata_snapshot)
            if not unknown:
                return assignments
            if coordinator._closing.done():
                # What it assigned now would be kept: a static member is given the same again when it comes back.
                raise WeirError("this worker stops before it knows what to assign: another one will")
            if monotonic() > deadline:
                raise WeirError(
                    f"Kafka does not say which partitions {', '.join(unknown)} have: are they there?"
                )
            log.warning("group.topics_unknown", topics=unknown)
            await coordinator._client.force_metadata_update()
            await asyncio.sleep(ASK_AGAIN_SECONDS)

    coordinator._perform_assignment = assign_known


def unknown_topics(partitions: Mapping[str, int]) -> list[str]:
    """Return the topics that a leader knows nothing of.

    Args:
        partitions: By what aiokafka has assigned: how many each topic has that a member subscribes to.
    """
    return sorted(topic for topic, number in partitions.items() if not number)
