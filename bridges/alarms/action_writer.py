"""Put what a person does into the log, where it takes effect."""

from collections.abc import Iterable

from bridges.kafka.confirmed_writing import write_confirmed
from bridges.kafka.partitioning import partition_of
from bridges.process.settings import Settings
from streams.records.alarm_records import Action
from streams.records.catalogue import CATALOGUE

_ACTIONS = CATALOGUE.of(Action)
CONFIRM_SECONDS = 30.0


def write_actions(settings: Settings, actions: Iterable[Action]) -> None:
    """Write actions, and wait until Kafka has them.

    Args:
        settings: Where Kafka is, and how many partitions topics have.
        actions: Made by `streams.alarms.acting.action_of`.

    Raises:
        TransientError: If Kafka does not confirm all: they may be there all the same, and may be done again.
    """
    placed = (
        (action, each) for action in actions for each in partitions_of(action, settings.kafka.partitions)
    )
    write_confirmed(settings, _ACTIONS, placed, seconds=CONFIRM_SECONDS, remedy="do it again")


def partitions_of(action: Action, partitions: int) -> list[int]:
    """Return where an action has to stand: what is about no one sensor in each partition.

    Args:
        action: The action.
        partitions: How many there are.
    """
    key = _ACTIONS.key(action)
    return [partition_of(key, partitions)] if key else list(range(partitions))
