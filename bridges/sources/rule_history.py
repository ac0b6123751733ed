"""All changes of rules, as the topic `rules` has them: where each stands in `readings`, who made it, when and why."""

from bridges.kafka.topic_reader import read_whole
from bridges.process.logs import get_logger
from bridges.process.settings import Settings
from streams.errors import InputError
from streams.records.catalogue import CATALOGUE
from streams.records.rule_records import RulesApplied

APPLIED = CATALOGUE.of(RulesApplied)
_READ_SECONDS = 60.0
_log = get_logger(__name__)


def rule_history(settings: Settings) -> list[RulesApplied]:
    """Return all changes in their order; none if there is no such topic yet.

    Args:
        settings: Where Kafka is.

    Raises:
        TransientError: If Kafka cannot be reached, or they could not be read to their end.
    """
    found: list[RulesApplied] = []

    def take(value: bytes) -> None:
        try:
            found.append(APPLIED.read(value))
        except InputError as error:
            _log.warning("rules.unreadable", detail=error.detail)

    read_whole(settings, APPLIED.topic, take, seconds=_READ_SECONDS)
    return found
