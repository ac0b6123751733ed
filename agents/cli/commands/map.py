"""``weir map``: what becomes of a device's messages, before anything is connected."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
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


@click.group(name="map", epilog=_EXAMPLES)
def map() -> None:  # noqa: A001 - the command's name
    """Show what the maps in force make of messages, check maps, and find out what a broker's topics need.

    A map says in TOML how a device's topics and payloads become readings; docs/reference/maps.md explains the form.
    """


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
    for rule, own in maps.rules:
        name = f"{rule.map_name}{' (own)' if own else ''}"
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
    """Say what would become of messages, field by field, with reasons. Nothing is published.

    The exit code is 1 if anything is refused, otherwise 0.
    """
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
    raise SystemExit(1 if any(outcome.refused for outcome in outcomes) else 0)


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
