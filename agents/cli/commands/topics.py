"""``weir topics``: create the Kafka topics of the catalogue."""

import click

_EXAMPLES = """
\b
Examples:
  weir topics
  WEIR_KAFKA__PARTITIONS=8 weir topics --grow
  WEIR_KAFKA__PARTITIONS=12 WEIR_KAFKA__REPLICATION=3 WEIR_KAFKA__BROKERS=kafka:9092 weir topics
"""


@click.command(epilog=_EXAMPLES)
@click.option(
    "--grow",
    is_flag=True,
    help="Give every topic, changelogs too, WEIR_KAFKA__PARTITIONS partitions; nothing may be running.",
)
def topics(grow: bool) -> None:
    """Create the Kafka topics that are missing, and check the partitions of those that exist.

    The worker does so, too, when it starts; this is for a deployment that wants them there before anything else runs.
    """
    from agents.rule_rows import changelogs_with_rules, put_rules_before
    from bridges.kafka.clients import ensure_topics, topic_configs
    from bridges.kafka.growing import grow_topics
    from bridges.process import settings as all_settings

    settings = all_settings.load()
    grown = grow_topics(settings) if grow else {}
    for topic, (was, now) in grown.items():
        click.echo(f"{topic}: {was} partitions, now {now}")
    ensure_topics(settings)
    with_rules = {each: grown[each] for each in changelogs_with_rules(settings) if each in grown}
    put = [
        put_rules_before(settings, dict.fromkeys(range(*new), 0), [each]) for each, new in with_rules.items()
    ]
    if any(put):
        click.echo("the rules in force are in force in the new partitions, too")
    for topic, values in topic_configs(settings).items():
        config = " ".join(f"{name}={value}" for name, value in values.items())
        click.echo(f"{topic}: {settings.kafka.partitions} partitions, {config}")
