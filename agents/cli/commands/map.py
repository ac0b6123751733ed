"""``weir map``: what becomes of a device's messages, before anything is connected."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agents.cli.near_group import NearGroup

if TYPE_CHECKING:
    from bridges.maps.suggesting import Suggestion
    from bridges.maps.trying import Sample
    from streams.payloads.maps.decoded import Decoded

_EXAMPLES = """
\b
Examples:
  weir map list
  weir map try --topic zigbee2mqtt/freezer --payload '{"temperature": -18.4, "battery": 87}'
  weir map try --file messages.jsonl --json
  weir map try --map greenhouse.toml --topic farm/7/t --payload-file payload.bin
  weir map check maps/*.toml
  weir map suggest --listen 60s
"""


@click.group(cls=NearGroup, name="map", epilog=_EXAMPLES)
def map() -> None:  # noqa: A001 - the command's name
    """Show what the maps in force make of messages, check maps, and find out what a broker's topics need.

    A map says in TOML how a device's topics and payloads become readings; docs/reference/maps.md explains the form.
    """


_ORIGINS = {"OWN": " (own)", "INSTALLED": " (of an installed package)", "BUILT_IN": ""}
_MAP = click.option(
    "--map", "files", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A map file of one's own, before all others. May be given several times.",
)  # fmt: skip


@map.command(name="list", epilog="\b\nExample:\n  weir map list")
def list_() -> None:
    """List the maps in force, with the topics that they read."""
    from bridges.maps.map_files import maps_in_force
    from bridges.process import settings as all_settings

    maps = maps_in_force(all_settings.load())
    by_name: dict[str, list[str]] = {}
    for rule, origin in maps.rules:
        name = f"{rule.map_name}{_ORIGINS[origin.name]}"
        topics = by_name.setdefault(name, [])
        if rule.rule.what == "readings":
            topics += [template.text for template in rule.templates if template.text not in topics]
    for name, topics in sorted(by_name.items()):
        click.echo(name)
        for topic in topics:
            click.echo(f"    {topic}")


_TRY = """
\b
Examples:
  weir map try --topic tele/boiler/SENSOR --payload '{"Time":"2026-11-20T05:46:00","AM2301":{"Temperature":21.4}}'
  weir map try --topic shellies/shellyem-1/emeter/0/power --payload -412.35 --json
  weir map try --file messages.jsonl
"""


@map.command(name="try", epilog=_TRY)
@_MAP
@click.option("--topic", help="MQTT topic of one message.")
@click.option("--payload", help="Its payload as text.")
@click.option(
    "--payload-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Its payload as a file.",
)
@click.option(
    "--file", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Messages as JSON lines: topic, payload or payload_hex, retained, ingest (epoch seconds).",
)  # fmt: skip
@click.option("--ingest", type=float, help="When they came, in seconds since the Unix epoch. Default: now.")
@click.option("--retained", is_flag=True, help="As if the broker had kept the message.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def try_(
    files: tuple[Path, ...],
    topic: str | None,
    payload: str | None,
    payload_file: Path | None,
    file: Path | None,
    ingest: float | None,
    retained: bool,
    as_json: bool,
) -> None:
    """Say what would become of messages, field by field, with reasons. Nothing is published."""
    from bridges.maps import trying
    from bridges.maps.map_files import maps_in_force, read_map
    from bridges.process import settings as all_settings

    now = time.time() if ingest is None else ingest
    if file is not None:
        messages = trying.messages_of(file, now)
    elif topic is not None and (payload is None) != (payload_file is None):
        raw = payload_file.read_bytes() if payload_file is not None else (payload or "").encode()
        messages = [trying.Sample(topic, raw, now, retained)]
    else:
        raise click.UsageError("give --topic and one of --payload and --payload-file, or --file")
    maps = maps_in_force(all_settings.load(), *(read_map(each) for each in files))
    outcomes = [trying.try_message(maps, message) for message in messages]
    if as_json:
        click.echo(json.dumps(trying.as_json(outcomes), ensure_ascii=False))
    else:
        for message, outcome in zip(messages, outcomes, strict=True):
            _tell(message, outcome)


def _tell(message: "Sample", outcome: "Decoded") -> None:
    """Print what became of one message."""
    from datetime import UTC, datetime

    click.echo(f"{message.topic}: {outcome.map or 'no map'}")
    for found in outcome.readings:
        at = datetime.fromtimestamp(found.reading.collected_at, UTC).isoformat(timespec="milliseconds")
        click.echo(f"  reading of {found.reading.sensor_id} at {at} ({found.clock} clock)")
        for name, value in found.reading.values.items():
            click.echo(f"    {name} = {value:g}")
    for presence in outcome.presence:
        click.echo(f"  {presence.sensor_id} is {presence.state}")
    for passed in outcome.ignored:
        click.echo(f"  passed over {passed.path or 'the message'}: {passed.reason}")
    for refused in outcome.refused:
        click.echo(f"  refused {refused.path or 'the message'}: {refused.reason.value}: {refused.detail}")


_CHECK = """
\b
Examples:
  weir map check maps/greenhouse.toml
  weir map check maps/greenhouse.toml --file messages.jsonl
"""


@map.command(epilog=_CHECK)
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--file", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Messages as JSON lines: say what the maps would change for them against those in force.",
)  # fmt: skip
def check(files: tuple[Path, ...], file: Path | None) -> None:
    """Check map files: mistakes, topics that other maps read, what they would change. Without files: those in force.

    It also tells the fingerprint of the maps in force, which each reading has in its header `maps`.

    The exit code is 1 if something must be mended, and 2 if a file is no map.
    """
    from bridges.maps import trying
    from bridges.maps.map_files import maps_in_force, read_map
    from bridges.process import settings as all_settings
    from streams.payloads.maps.checking import remarks
    from streams.payloads.topic_routes import Origin

    settings = all_settings.load()
    given = [read_map(each) for each in files]
    before, after = maps_in_force(settings), maps_in_force(settings, *given)
    names = {each.name for each in given}
    looked_at = [
        rule
        for rule, origin in after.rules
        if rule.map_name in names or (not given and origin is not Origin.BUILT_IN)
    ]
    others = [rule for rule, _ in after.rules if rule not in looked_at]
    found = remarks(looked_at, others)
    for remark in found:
        click.echo(f"{'mend' if remark.wrong else 'know'}: {remark.map}, rule {remark.rule}: {remark.text}")
    click.echo(f"{len(looked_at)} rules of {len({rule.map_name for rule in looked_at})} maps looked at")
    then = f", with these {after.fingerprint.hex()}" if given else ""
    click.echo(f"maps in force: {before.fingerprint.hex()}{then}")
    if file is not None:
        changed = 0
        for message in trying.messages_of(file, time.time()):
            old, new = trying.try_message(before, message), trying.try_message(after, message)
            if trying.as_json([old]) != trying.as_json([new]):
                changed += 1
                click.echo(f"before: {_brief(old)}; then: {_brief(new)} - {message.topic}")
        click.echo(f"{changed} messages would become something else")
    raise SystemExit(1 if any(remark.wrong for remark in found) else 0)


def _brief(outcome: "Decoded") -> str:
    parts = [outcome.map or "no map", f"{len(outcome.readings)} readings"]
    return ", ".join([*parts, *([f"{len(outcome.refused)} refused"] if outcome.refused else [])])


_SUGGEST = """
\b
Examples:
  weir map suggest --listen 60s
  weir map suggest --from dead-letters
  weir map suggest --listen 5m --write maps/
"""


@map.command(epilog=_SUGGEST)
@click.option("--listen", help="Listen to the broker for so long: 60s, 5m.")
@click.option(
    "--from", "source", type=click.Choice(["dead-letters"]), help="Look at what was refused so far."
)
@click.option("--filter", "filters", multiple=True, default=("#",), show_default=True, help="Topic filters.")
@click.option(
    "--write",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the proposed maps into this folder.",
)
def suggest(listen: str | None, source: str | None, filters: tuple[str, ...], write: Path | None) -> None:
    """Say what would become of what a broker has, and propose maps for what nothing reads.

    Listens with a client id of its own at QoS 0: nothing is published, and the bridge's session is not touched.
    """
    from bridges.maps import listening, suggesting
    from bridges.maps.map_files import maps_in_force
    from bridges.process import settings as all_settings
    from streams.payloads.maps.model import parse_map

    settings = all_settings.load()
    if (listen is None) == (source is None):
        raise click.UsageError("give --listen or --from")
    heard = (
        listening.dead_letters(settings, 60.0)
        if listen is None
        else listening.listen(settings.mqtt, _seconds(listen), filters)
    )
    found = suggesting.suggest(
        heard.samples, maps_in_force(settings), lambda text: maps_in_force(settings, parse_map(text))
    )
    _report(found, heard.beyond)
    for number, proposal in enumerate(found.proposals, 1):
        if write is not None and proposal.group.map_text:
            write.mkdir(parents=True, exist_ok=True)
            file = write / f"proposed-{number}.toml"
            file.write_text(proposal.group.map_text, encoding="utf-8")
            click.echo(f"written: {file}")


def _seconds(text: str) -> float:
    units = {"s": 1, "m": 60, "h": 3600}
    number = text[:-1] if text[-1:] in units else text
    try:
        seconds = float(number) * units.get(text[-1:], 1)
    except ValueError:
        raise click.BadParameter(f"expected a time such as 60s or 5m, got {text!r}") from None
    if not 0 < seconds <= 86_400:
        raise click.BadParameter(f"expected more than nothing and at most a day, got {text!r}")
    return seconds


def _report(found: "Suggestion", beyond: int) -> None:
    """Print what would become of messages."""
    not_read = sum(count for count, _ in found.refused.values())
    click.echo(
        f"of {found.messages:,} messages {found.readable:,} would be readings of {found.sensors:,} sensors, "
        f"{found.passed_over.total():,} are passed over, {not_read:,} would not be read"
    )
    if beyond:
        click.echo(f"{beyond:,} more came than were kept: listen for less, or to fewer topics")
    for name, read in sorted(found.by_map.items()):
        click.echo(
            f"  {name}: {read.messages:,} messages of {len(read.sensors):,} sensors, such as {read.example}"
        )
        if read.unasked:
            click.echo(
                f"    {read.unasked:,} of them on topics that the bridge does not ask for, such as "
                f"{read.unasked_example}: add a filter for them to WEIR_MQTT__TOPICS, beside maps"
            )
    for reason, (count, example) in sorted(found.refused.items()):
        click.echo(f"  {reason}: {count:,}, such as {example}")
    for proposal in found.proposals:
        group = proposal.group
        click.echo(
            f"nothing reads {group.template} ({len(group.messages):,} messages, such as {group.messages[0].topic})"
        )
        if group.map_text:
            click.echo(
                f"  this map would read {proposal.readable:,} of them as {proposal.sensors:,} sensors:"
            )
            click.echo("".join(f"    {line}\n" for line in group.map_text.splitlines()), nl=False)
        else:
            click.echo("  nothing in them looks like a measurement")
