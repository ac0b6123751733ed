"""``weir rehearsal``: run the whole worker on recorded readings beside the live one, and remove it again."""

from pathlib import Path

import click

from agents.cli.commands.simulator import Speed
from agents.cli.near_group import NearGroup
from agents.cli.replay_options import (
    ChosenReadings,
    progress_bar,
    published_text,
    reading_options,
    wide_console,
)

_EXAMPLES = """
\b
Examples:
  weir rehearsal start b --config b.toml --from 2026-10-01     last month's readings through a worker with b.toml
  weir rehearsal status                                        what there is, and how far it is
  weir rehearsal drop b                                        remove topics, group, collections and worker of it
"""


@click.group(cls=NearGroup, epilog=_EXAMPLES)
def rehearsal() -> None:
    """Rehearse a change: a worker of its own, with topics, state and collections of its own.

    It runs on the same Kafka and MongoDB, and everything it writes carries the prefix rehearsal-NAME: it cannot write
    to live topics or collections.
    """


@rehearsal.command()
@click.argument("name")
@reading_options
@click.option("--config", help="TOML file of what is different from the settings in force.")
@click.option(
    "--speed", type=Speed(), default="max", show_default=True, help="Times as fast as it came, or max."
)
@click.option("--skip-unreadable", is_flag=True, help="Pass over records that cannot be read.")
@click.option("--no-wait", is_flag=True, help="Do not wait until the worker has consumed everything.")
def start(
    name: str,
    readings: ChosenReadings,
    config: str | None,
    speed: float,
    skip_unreadable: bool,
    no_wait: bool,
) -> None:
    """Publish recorded readings for rehearsal NAME and run a worker on them; run it again to go on."""
    from agents.rehearsing import Rehearsal
    from bridges.backtest import configuration_files as configurations
    from bridges.process import settings as all_settings
    from bridges.replay.replaying import publish

    settings = all_settings.load()
    chosen = configurations.read(Path(config), settings) if config else None
    sections = None if chosen is None else {"windows": chosen.windows, "detection": chosen.detection}
    found = readings.open(settings)
    one = Rehearsal(settings, name)
    console = wide_console()
    with progress_bar(f"readings for {name}") as progress:
        done = publish(found, one.settings, speed=speed, skip_unreadable=skip_unreadable, progress=progress)
    console.print(published_text(done, one.namespace), highlight=False)
    one.start_worker(sections)
    if not no_wait:
        with progress_bar(f"worker of {name}") as progress:
            one.wait_until_consumed(progress)
    _show(name)


@rehearsal.command()
@click.argument("name", required=False)
def status(name: str | None) -> None:
    """Tell what there is of rehearsal NAME, or of all."""
    from agents.rehearsing import names_of_rehearsals
    from bridges.process import settings as all_settings

    names = [name] if name else names_of_rehearsals(all_settings.load())
    if not names:
        click.echo("there are no rehearsals")
    for each in names:
        _show(each)


@rehearsal.command()
@click.argument("name")
def drop(name: str) -> None:
    """Stop the worker of rehearsal NAME and remove its topics, consumer group, collections and data."""
    from agents.rehearsing import Rehearsal
    from bridges.process import settings as all_settings

    one = Rehearsal(all_settings.load(), name)
    removed = one.drop()
    if not (removed.topics or removed.groups or removed.collections or removed.folder):
        raise click.ClickException(f"there is no rehearsal {name}")
    click.echo(
        f"removed {len(removed.topics)} topics, {len(removed.groups)} consumer groups and "
        f"{len(removed.collections)} collections of {one.namespace}"
    )


def _show(name: str) -> None:
    from agents.rehearsing import Rehearsal
    from bridges.process import settings as all_settings

    found = Rehearsal(all_settings.load(), name).status()
    if found is None:
        raise click.ClickException(f"there is no rehearsal {name}")
    counts = ", ".join(f"{count:,} {topic}" for topic, count in found.records.items())
    at = f"process {found.worker}, views at {found.views}" if found.worker else "not running"
    behind = f"{found.behind:,} readings behind" if found.behind else "has consumed everything"
    click.echo(f"{found.name}: {counts}; worker {at}, {behind}")
