"""Stretches of a real log are read again: what is committed, up to where it was asked for."""

import asyncio

import pytest
from aiokafka import AIOKafkaProducer

from agents.lane.log_reader import LogReader
from bridges.kafka.clients import ensure_topics
from bridges.process.settings import KafkaSettings, Settings


async def test_the_newest_of_each_key_and_a_stretch_come_back(kafka: str, unique_name: str) -> None:
    settings = Settings(kafka=KafkaSettings(brokers=kafka, namespace=f"{unique_name}.", partitions=1))
    await asyncio.to_thread(ensure_topics, settings)
    topic = settings.topic("labels")
    producer = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=unique_name)
    await producer.start()
    try:
        async with producer.transaction():
            for key, value in ((b"a", b"1"), (b"b", b"1"), (b"c", b"1"), (b"a", b"2")):
                await producer.send_and_wait(topic, value, key=key)
        with pytest.raises(RuntimeError, match="given up"):
            async with producer.transaction():
                await producer.send_and_wait(topic, b"never committed", key=b"a")
                raise RuntimeError("given up")
        async with producer.transaction():
            await producer.send_and_wait(topic, None, key=b"b")
            last = await producer.send_and_wait(topic, b"3", key=b"c")
    finally:
        await producer.stop()
    logs = LogReader({"bootstrap_servers": kafka})
    assert await logs.newest(topic, 0, through=last.offset) == {b"a": b"2", b"c": b"3"}
    assert await logs.newest(topic, 0, through=2) == {b"a": b"1", b"b": b"1", b"c": b"1"}
    assert await logs.newest(topic, 0, through=-1) == {}
    found = await logs.read(topic, 0, 1, through=3)
    assert [(record.offset, record.key, record.value) for record in found] == [
        (1, b"b", b"1"), (2, b"c", b"1"), (3, b"a", b"2"),
    ]  # fmt: skip
