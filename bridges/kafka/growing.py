"""Give all topics of a system more partitions: those of the catalogue, and the changelogs of its applications.

A sensor's readings go to the partition that its id has among all: with more of them to another one, where the sensor
begins anew, with the warm-up of its models. Its old rows stay where they are, and ticks close their windows.
"""

from bridges.kafka.kafka_admin import KafkaAdmin
from bridges.process.settings import Settings
from streams.errors import ConfigurationError
from streams.records.catalogue import CATALOGUE


def grow_topics(settings: Settings) -> dict[str, tuple[int, int]]:
    """Give each topic as many partitions as the settings say.

    Returns:
        Of each topic that had fewer, how many it had and has.

    Raises:
        ConfigurationError: If something is running, or a topic has more already.
        TransientError: If Kafka cannot be reached, or refuses.
    """
    admin = KafkaAdmin(settings)
    wanted, kafka = settings.kafka.partitions, settings.kafka
    own = {settings.topic(spec.name) for spec in CATALOGUE.topics}
    applications = [
        f"{kafka.namespace}{name}" for name in (settings.worker.application, settings.analysis.application)
    ]
    groups = {*applications, f"{applications[0]}-sinks"}
    for group in sorted(groups & set(admin.groups(kafka.namespace))):
        if members := admin.members_left(group, settings.worker.session_timeout_seconds):
            raise ConfigurationError(f"{members} workers of {group} are running: stop them, and the bridge")
    counts = {
        name: len(partitions)
        for name, partitions in admin.topics(kafka.namespace).items()
        if name in own or _is_changelog(name, applications)
    }
    if larger := sorted(name for name, count in counts.items() if count > wanted):
        raise ConfigurationError(
            f"topic {larger[0]} has {counts[larger[0]]} partitions, and no topic can be made smaller: "
            f"set WEIR_KAFKA__PARTITIONS={max(counts.values())}"
        )
    smaller = {name: (count, wanted) for name, count in counts.items() if count < wanted}
    admin.grow(dict.fromkeys(smaller, wanted))
    return smaller


def _is_changelog(name: str, applications: list[str]) -> bool:
    return name.endswith("-changelog") and name.startswith(tuple(f"{each}-" for each in applications))
