"""``weir topics``: create the Kafka topics of the catalogue."""

import click

_EXAMPLES = """
\b
Examples:
  weir topics
  WEIR_KAFKA__PARTITIONS=12 WEIR_KAFKA__REPLICATION=3 WEIR_KAFKA__BROKERS=kafka:9092 weir topics
"""


@click.command(epilog=_EXAMPLES)
def topics() -> None:
    """Create the Kafka topics that are missing, and check the partitions of those that exist.

    The worker does so, too, when it starts; this is for a deployment that wants them there before anything else runs.
    """
    from bridges.kafka.clients import ensure_topics, topic_config
    from bridges.process import settings as all_settings
    from streams.records.topics import ALL_TOPICS

    settings = all_settings.load()
    ensure_topics(settings)
    for spec in ALL_TOPICS:
        config = " ".join(f"{name}={value}" for name, value in topic_config(settings, spec).items())
        click.echo(f"{settings.topic(spec.name)}: {settings.kafka.partitions} partitions, {config}")
