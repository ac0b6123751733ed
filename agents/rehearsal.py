"""A rehearsal: the whole worker beside the live one, on the same Kafka and MongoDB, unable to touch what is live.

    live         readings ......................... aggregates, anomalies ......... sensors, anomalies
                    | weir rehearsal start b
    rehearsal    rehearsal-b.readings ▶ worker ▶ rehearsal-b.aggregates, ... ▶ rehearsal_b_sensors, ...

Everything of a rehearsal carries its prefix: topics, consumer group, changelogs, collections, data folder. Dropping it
removes what carries the prefix, and nothing else.
"""

import re

from bridges.settings import Settings
from streams.documents import DESTINATIONS
from streams.errors import ConfigurationError
from streams.topics import ALL_TOPICS

_NAMESPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*\.", re.ASCII)
_FOR_EVER_DAYS = 36_500.0


def apart(live: Settings, namespace: str) -> Settings:
    """Return settings that differ from the live ones in every name that is written to.

    Args:
        live: The settings in force.
        namespace: Prefix of topics and of the application id: letters, digits and ``-``, then a dot.

    Raises:
        ConfigurationError: If anything written could have a name of the live system.
    """
    if not _NAMESPACE.fullmatch(namespace):
        raise ConfigurationError(
            f"a namespace must be letters, digits or - and end in a dot (rehearsal-b.), got {namespace!r}"
        )
    # No name may be the beginning of another's prefix: "a_" would be, of "a_b_", if "_" could be in a name.
    prefix = namespace.removesuffix(".") + "_"
    # Readings keep their ingest time: with the usual retention Kafka would delete old ones at once.
    kafka = live.kafka.model_copy(update={"namespace": namespace, "retention_days": _FOR_EVER_DAYS})
    mongo = live.mongo.model_copy(update={"collection_prefix": prefix})
    settings = live.model_copy(update={"kafka": kafka, "mongo": mongo})
    check_apart(live, settings)
    return settings


def check_apart(live: Settings, other: Settings) -> None:
    """Refuse settings under which anything live could be written to, or be taken for the other's when it is dropped.

    Raises:
        ConfigurationError: With the names that are the same.
    """
    namespace, prefix = other.kafka.namespace, other.mongo.collection_prefix
    if not namespace or not prefix:
        raise ConfigurationError(
            "a rehearsal needs a namespace and a prefix of collections: neither may be empty"
        )
    group = f"{live.kafka.namespace}{live.worker.application}"
    taken = [live.topic(spec.name) for spec in ALL_TOPICS] + [group]
    mine = [name for name in taken if name.startswith(namespace)]
    collections = [f"{live.mongo.collection_prefix}{each.collection}" for each in DESTINATIONS]
    mine += [name for name in collections if name.startswith(prefix)]
    if mine:
        raise ConfigurationError(
            f"namespace {namespace!r} belongs to the live system ({', '.join(mine)}): choose another"
        )
