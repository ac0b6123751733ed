"""The one door to Kafka for clients of librdkafka: each is made here, and told what all of them are told.

Only the bridge's producer, which must lose nothing whatever happens, has options of its own: `bridges.kafka.producer`.
"""

import logging
from typing import Any

from bridges.kafka.options import librdkafka_options
from bridges.process.settings import Settings

_LOG = logging.getLogger("librdkafka")
PARTITIONER = "murmur2_random"
"""Kafka's own default for keys, so that every producer puts a sensor into the same partition."""


def connect_admin(settings: Settings, *, quiet: bool = False, **options: Any) -> Any:
    """Make a client that asks about topics and groups, and changes them.

    Args:
        settings: Where Kafka is.
        quiet: Nothing is logged: for those who tell of an outage themselves.
        options: librdkafka's, with ``_`` for ``.``; ``error_cb`` as it is.
    """
    from confluent_kafka.admin import AdminClient

    return AdminClient({**librdkafka_options(settings), **_spoken(quiet), **_named(options)}, logger=_LOG)


def connect_reader(settings: Settings, group: str, *, quiet: bool = False, **options: Any) -> Any:
    """Make a consumer that is assigned what it reads: it joins no group and commits nothing.

    Args:
        settings: Where Kafka is.
        group: librdkafka demands a name; without subscription and commits no such group comes to be.
        quiet: Nothing is logged: for those who tell of an outage themselves.
        options: librdkafka's, with ``_`` for ``.``.
    """
    from confluent_kafka import Consumer

    return Consumer(
        {
            **librdkafka_options(settings),
            "group.id": group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "allow.auto.create.topics": False,
            **_spoken(quiet),
            **_named(options),
        },
        logger=_LOG,
    )


def connect_writer(settings: Settings, **options: Any) -> Any:
    """Make a producer that writes each record once, in order: for work that is flushed and then checked.

    It puts a key where the bridge and the worker put it: what is about one sensor stands in partitions of one number.

    Args:
        settings: Where Kafka is.
        options: librdkafka's, with ``_`` for ``.``.
    """
    from confluent_kafka import Producer

    return Producer(
        {
            **librdkafka_options(settings),
            "enable.idempotence": True,
            "linger.ms": 20,
            "partitioner": PARTITIONER,
            **_named(options),
        },
        logger=_LOG,
    )


def _named(options: dict[str, Any]) -> dict[str, Any]:
    return {name if name == "error_cb" else name.replace("_", "."): value for name, value in options.items()}


def _spoken(quiet: bool) -> dict[str, Any]:
    return {"log_level": 0} if quiet else {}
