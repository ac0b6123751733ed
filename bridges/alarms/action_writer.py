"""Put what a person does into the log, where it takes effect."""

from bridges.kafka.confirmed_writing import write_confirmed
from bridges.kafka.partitioning import partition_of
from bridges.process.settings import Settings
from streams.records.alarm_records import Action
from streams.records.catalogue import CATALOGUE

_ACTIONS = CATALOGUE.of(Action)
CONFIRM_SECONDS = 30.0


def write_action(settings: Settings, action: Action) -> None:
    """Write an action, and wait until Kafka has it.

    Args:
        settings: Where Kafka is, and how many partitions topics have.
        action: Made by `streams.alarms.acting.action_of`.

    Raises:
        TransientError: If Kafka does not confirm it: it may be there all the same, and may be done again.
    """
    placed = ((action, each) for each in partitions_of(action, settings.kafka.partitions))
    write_confirmed(settings, _ACTIONS, placed, seconds=CONFIRM_SECONDS, remedy="do it again")


def partitions_of(action: Action, partitions: int) -> list[int]:
    """Return where an action has to stand: what is about no one sensor in each partition.

    Args:
        action: The action.
        partitions: How many there are.
    """
    key = _ACTIONS.key(action)
    return [partition_of(key, partitions)] if key else list(range(partitions))
