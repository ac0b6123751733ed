"""``weir tail``: records of a topic, as they come."""

import json
from contextlib import suppress
from fnmatch import fnmatchcase
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from agents.cli.acting_options import json_lines_option
from agents.cli.late_choice import LateChoice
from agents.cli.looking_options import local_stack_option

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXAMPLES = """
\b
Examples:
  weir tail                                  readings, as they come, until Ctrl-C
  weir tail --sensor 'boiler-*' --last 10    of these sensors; first up to ten of each partition that are there
  weir tail anomalies --json                 for programs
  weir tail dead-letters --last 5 --count 5  five that are there, and no more
  weir tail aggregates --sensor boiler-1
"""


def _topics() -> list[str]:
    from streams.records.catalogue import CATALOGUE

    return [each.name for each in CATALOGUE.topics]


@click.command(epilog=_EXAMPLES)
@click.argument("topic", type=LateChoice(_topics), default="readings", metavar="[TOPIC]")
@click.option(
    "--sensor", metavar="PATTERN", default="*", show_default=True, help="Only of sensors whose id matches."
)
@click.option(
    "--last", type=click.IntRange(0), default=0, show_default=True,
    help="Begin with so many of each partition that are there already.",
)  # fmt: skip
@click.option("--count", type=click.IntRange(1), help="End after so many.")
@local_stack_option
@json_lines_option
def tail(topic: str, sensor: str, last: int, count: int | None, as_json: bool) -> None:
    """Show records of TOPIC as they come, until Ctrl-C: readings unless another is named.

    Reads the log itself; joins no consumer group and changes nothing. What cannot be read is shown with the reason.
    """
    with suppress(KeyboardInterrupt, BrokenPipeError):  # whoever looks has seen enough
        for told in islice(_told(topic, sensor, last, as_json), count):
            click.echo(told)


def _told(topic: str, pattern: str, last: int, as_json: bool) -> "Iterator[str]":
    from bridges.looking.following import Follower
    from bridges.process.settings import load

    for message in Follower(load(), topic).newest(last):
        record = _record(topic, message.value())
        if pattern == "*" or fnmatchcase(str(record.get("sensor_id", "")), pattern):
            yield _line(message, record, as_json)


def _record(topic: str, value: bytes | None) -> dict[str, Any]:
    """Return a record as plain values, with its word in the catalogue."""
    import msgspec

    from streams.errors import InputError
    from streams.records.catalogue import CATALOGUE

    if value is None:
        return {"record": "deleted"}
    try:
        record = CATALOGUE.on(topic).read(value)
    except InputError as error:
        return {"record": "unreadable", "reason": error.reason, "detail": error.detail}
    word = CATALOGUE.of(type(record)).word
    plain: dict[str, Any] = msgspec.to_builtins(record)
    return {"record": word, **plain}


def _line(message: Any, record: dict[str, Any], as_json: bool) -> str:
    from streams.signals.wire import iso

    place = f"{message.partition()}@{message.offset()}"
    came = iso(message.timestamp()[1] / 1000)
    if as_json:
        return json.dumps({"place": place, "ingested_at": came, **record}, ensure_ascii=False)
    about = " ".join(
        f"{name} {_value(name, value)}"
        for name, value in record.items()
        if name != "record" and value not in (None, "", [], {})
    )
    return f"{came} {place:>8} {record['record']}: {about}"


def _value(name: str, value: Any) -> str:
    from streams.signals.wire import iso

    if isinstance(value, float):
        is_time = name.endswith(("_at", "start", "end", "watermark"))
        return iso(value) if is_time else f"{value:g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_value(key, each)}" for key, each in value.items())
    return str(value)
