"""Ask Kafka for the ids of topics: what tells a topic from one of the same name that was there before.

aiokafka knows the request for metadata up to version 5; ids are in version 10 (Kafka 2.8, KIP-516). Here is that one
version, of which only the id and the number of partitions are read. A broker that does not know it gives no ids.
"""

import base64
from collections.abc import Iterable
from io import BytesIO
from typing import Any, NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

_NO_ID = bytes(16)


class Described(NamedTuple):
    """A topic as Kafka has it now.

    Args:
        topic_id: Its id as Kafka's tools write it; empty if the broker gives none.
        partitions: How many it has.
    """

    topic_id: str
    partitions: int


class _Uuid(AbstractType[bytes]):  # type: ignore[misc]
    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        return data.read(16)


_NUMBERS = CompactArray(Int32)
_PARTITION = (
    ("error_code", Int16),
    ("partition", Int32),
    ("leader", Int32),
    ("leader_epoch", Int32),
    ("replicas", _NUMBERS),
    ("isr", _NUMBERS),
    ("offline_replicas", _NUMBERS),
    ("tags", TaggedFields),
)
_TOPIC = (
    ("error_code", Int16),
    ("topic", CompactString("utf-8")),
    ("topic_id", _Uuid),
    ("is_internal", Boolean),
    ("partitions", CompactArray(*_PARTITION)),
    ("authorized_operations", Int32),
    ("tags", TaggedFields),
)
_BROKER = (
    ("node_id", Int32),
    ("host", CompactString("utf-8")),
    ("port", Int32),
    ("rack", CompactString("utf-8")),
    ("tags", TaggedFields),
)


class _MetadataResponse10(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", CompactArray(*_BROKER)),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        ("topics", CompactArray(*_TOPIC)),
        ("authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _MetadataRequest10(RequestStruct):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _MetadataResponse10
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _WithIds(Request[_MetadataRequest10]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, topics: Iterable[str]) -> None:
        self._topics = list(topics)

    def build(self, request_struct_class: type[_MetadataRequest10]) -> _MetadataRequest10:
        return request_struct_class([(_NO_ID, topic, {}) for topic in self._topics], False, False, False, {})


async def describe_topics(client: AIOKafkaClient, topics: Iterable[str]) -> dict[str, Described]:
    """Return id and number of partitions of each topic that exists.

    Args:
        client: A connected client of aiokafka.
        topics: Their names.

    Raises:
        aiokafka.errors.KafkaError: If the broker does not answer.
    """
    names = list(topics)
    node = client.get_random_node()
    try:
        answer = await client.send(node, _WithIds(names))
        return {name: Described(_text(raw), len(parts)) for name, raw, parts in _found(answer)}
    except (IncompatibleBrokerVersion, NotImplementedError):
        old = await client.send(node, MetadataRequest(names, allow_auto_topic_creation=False))
        return {name: Described("", len(parts)) for error, name, _, parts in old.topics if not error}


def _found(answer: Any) -> Iterable[tuple[str, bytes, list[Any]]]:
    for error, name, raw, _, parts, *_ in answer.topics:
        if not error:
            yield name, raw, parts


def _text(raw: bytes) -> str:
    return "" if raw == _NO_ID else base64.urlsafe_b64encode(raw).decode().rstrip("=")
