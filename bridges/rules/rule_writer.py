"""Put a change of rules into the log, where it takes effect: in every partition of `readings`, or in none."""

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from bridges.kafka.clients import ensure_topics
from bridges.kafka.connecting import connect_writer
from bridges.process.settings import Settings
from bridges.sources.rule_history import APPLIED, rule_history
from streams.errors import ConfigurationError, TransientError
from streams.records.catalogue import CATALOGUE
from streams.records.rule_records import RuleChange, RulesApplied
from streams.rules.rule_changes import newest_fingerprint

_CHANGES = CATALOGUE.of(RuleChange)
_TRANSACTION = "weir-rules"
_SECONDS = 30.0
_ASK_SECONDS = 0.1
# While the transaction is open, workers wait at its records: if this process dies meanwhile, Kafka ends it then.
_ABANDONED_MS = 10_000
_MOST_BYTES = 900_000
"""Of a change: Kafka takes a record of 1 MB, and a worker keeps it with some bytes more."""
_FIRST = 0
"""The partition of the topic `rules`: one, so that changes have an order."""


class RulesChanged(ConfigurationError):
    """Somebody has changed the rules since they were looked at: look at what is in force, and say it again."""


def write_change(settings: Settings, change: RuleChange, *, follows: str | None = None) -> RulesApplied:
    """Put a change in force, and wait until Kafka has it.

    Whoever does it at the same time is told: one of both changes comes after the other, or fails.

    Args:
        settings: Where Kafka is.
        change: Made by `streams.rules.rule_changes.change_to`.
        follows: Fingerprint of the change that it was made after, empty if there was none; ``None``: whatever it is.

    Raises:
        RulesChanged: If another change has come meanwhile.
        TransientError: If Kafka does not take it: nothing is changed then, unless it does not answer to the end of it.
            Or if it does not show it.
        ConfigurationError: If topics have another number of partitions than the settings say, or a rule compares peers
            and no worker does, or the rules do not fit into a record.
    """
    from confluent_kafka import KafkaException

    if any(rule.compares_peers for rule in change.rules) and not settings.peer_plan().used:
        raise ConfigurationError(
            "rules of peers (above_peers, below_peers) need the stage that compares them, which does not run: set "
            "WEIR_DETECTION__PEER_RULES=true for all workers and here, and start them anew"
        )
    if (size := len(_CHANGES.encode(change))) > _MOST_BYTES:
        raise ConfigurationError(
            f"the rules take {size:,} bytes, more than the {_MOST_BYTES:,} that fit into a record: name sensors by "
            "patterns where a place, machine, group or kind has thousands of them, or take fewer rules"
        )
    ensure_topics(settings)
    producer = connect_writer(
        settings,
        transactional_id=f"{settings.kafka.namespace}{_TRANSACTION}",
        transaction_timeout_ms=_ABANDONED_MS,
        message_timeout_ms=_ABANDONED_MS,
    )
    try:
        producer.init_transactions(_SECONDS)
        # From here on nobody else can commit a change without making this commit fail.
        if follows is not None:
            check_newest(rule_history(settings), follows)
        producer.begin_transaction()
        applied = RulesApplied(change, _written(producer, settings, change))
        producer.produce(settings.topic(APPLIED.topic.name), APPLIED.encode(applied), None, _FIRST)
        producer.commit_transaction(_SECONDS)
    except KafkaException as error:
        _abort(producer)
        raise TransientError(
            f"Kafka did not take the rules ({error.args[0]}): see weir rules list, and apply them again"
        ) from None
    _await_shown(settings, change)
    return applied


def check_newest(history: Sequence[RulesApplied], follows: str) -> None:
    """Hold that a change is the newest.

    Args:
        history: All changes, in their order.
        follows: Fingerprint of the change; empty: there has been none.

    Raises:
        RulesChanged: If it is another.
    """
    newest = newest_fingerprint(history)
    if newest != follows:
        raise RulesChanged(
            f"rules were changed meanwhile, to {newest or 'none'}: see what is in force, and apply again"
        )


def _await_shown(settings: Settings, change: RuleChange) -> None:
    """Wait until readers are shown a change: Kafka takes the end of a transaction before it has told its partitions.

    Raises:
        TransientError: If they are not.
    """
    deadline = time.monotonic() + _SECONDS
    while all(each.change.fingerprint != change.fingerprint for each in rule_history(settings)):
        if time.monotonic() > deadline:
            raise TransientError(
                f"Kafka has taken the rules, but does not show them after {_SECONDS:.0f} s: see weir rules list"
            )
        time.sleep(_ASK_SECONDS)


def _written(producer: Any, settings: Settings, change: RuleChange) -> dict[int, int]:
    """Write a change into each partition, and return where it stands.

    Raises:
        KafkaException: If one does not take it.
    """
    from confluent_kafka import KafkaException

    offsets: dict[int, int] = {}
    errors: list[Any] = []

    def delivered(error: Any, message: Any) -> None:
        if error is None:
            offsets[message.partition()] = message.offset()
        else:
            errors.append(error)

    topic, value = settings.topic(_CHANGES.topic.name), _CHANGES.encode(change)
    for partition in range(settings.kafka.partitions):
        producer.produce(topic, value, None, partition, on_delivery=delivered)
    left = producer.flush(_SECONDS)
    if errors or left:
        raise KafkaException(errors[0] if errors else "no answer")
    return dict(sorted(offsets.items()))


def _abort(producer: Any) -> None:
    from confluent_kafka import KafkaException

    with suppress(KafkaException):  # Kafka ends it by itself
        producer.abort_transaction(_SECONDS)
