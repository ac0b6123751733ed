"""A topic has another id than one of the same name before it: asked over the wire, and of Kafka's own client."""

import asyncio
import time

from aiokafka import AIOKafkaConsumer
from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient, NewTopic

from bridges.kafka.topic_ids import describe_topics
from tests.support.patience import PATIENCE


async def described(kafka: str, *topics: str):
    async with AIOKafkaConsumer(bootstrap_servers=kafka) as consumer:
        return await describe_topics(consumer._client, topics)


async def test_a_topic_made_anew_has_another_id_and_the_id_is_that_of_kafkas_own_tools(
    kafka: str, unique_name: str
) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    ids = []
    for partitions in (3, 5):
        admin.create_topics([NewTopic(unique_name, partitions, 1)])[unique_name].result(20)
        while not (found := await described(kafka, unique_name, "there-is-none")):
            await asyncio.sleep(0.1)
        assert {name: each.partitions for name, each in found.items()} == {unique_name: partitions}
        told = admin.describe_topics(TopicCollection([unique_name]))[unique_name].result(20)
        own = str(told.topic_id).replace("+", "-").replace("/", "_")  # as Kafka's tools write it
        assert found[unique_name].topic_id == own
        ids.append(found[unique_name].topic_id)
        admin.delete_topics([unique_name])[unique_name].result(20)
        until_gone(admin, unique_name)
    assert len(set(ids)) == 2
    assert all(ids)


def until_gone(admin: AdminClient, topic: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while topic in admin.list_topics(timeout=10).topics:
        assert time.monotonic() < deadline
        time.sleep(0.1)
