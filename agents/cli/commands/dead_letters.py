"""``weir dead-letters``: what was set aside, and a second chance for it."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from agents.cli.looking_options import local_stack_option
from agents.cli.near_group import NearGroup
from agents.cli.time_option import EventTime

if TYPE_CHECKING:
    from bridges.dead_letters.letters import Attempts, LettersMeant
    from bridges.dead_letters.redriving import RedriveOutcome
    from streams.records.types import DeadLetter

_EXAMPLES = """
\b
Examples:
  weir dead-letters list
  weir dead-letters show 3f2a
  weir dead-letters redrive --topic 'tele/#' --dry-run
  weir dead-letters redrive --reason unknown_topic --since 2026-11-20
"""
_SHOWN_BYTES = 400


@click.group(cls=NearGroup, name="dead-letters", epilog=_EXAMPLES)
def dead_letters() -> None:
    """List what was set aside and why, and send it through again once a map, a setting or a device is mended."""


def _selecting(command: Any) -> Any:
    """Add the options that choose letters."""
    for option in (
        click.option("--until", type=EventTime(), help="Only what came before."),
        click.option("--since", type=EventTime(), help="Only what came at that time or later."),
        click.option("--topic", default="", help="Only topics that this MQTT filter fits, such as 'tele/#'."),
        click.option(
            "--reason", "reasons", multiple=True, help="Only this reason. May be given several times."
        ),
    ):
        command = option(command)
    return command


def _selection(
    reasons: tuple[str, ...], topic: str, since: float | None, until: float | None, beginning: str = ""
) -> "LettersMeant":
    from bridges.dead_letters.letters import LettersMeant
    from streams.errors import Reason

    if unknown := sorted(set(reasons) - {each.value for each in Reason}):
        raise click.BadParameter(
            f"there is no reason {', '.join(unknown)}; there are {', '.join(each.value for each in Reason)}",
            param_hint="--reason",
        )
    return LettersMeant(
        frozenset(reasons),
        topic,
        float("-inf") if since is None else since,
        float("inf") if until is None else until,
        beginning.lower(),
    )


@dead_letters.command(name="list", epilog="\b\nExample:\n  weir dead-letters list --since 2026-11-20 --json")
@_selecting
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@local_stack_option
def list_(
    reasons: tuple[str, ...], topic: str, since: float | None, until: float | None, as_json: bool
) -> None:
    """Count dead letters by reason and topic, with the newest of each."""
    from bridges.dead_letters.letters import LetterCounts, LettersOnKafka
    from bridges.process import settings as all_settings

    selection = _selection(reasons, topic, since, until)
    on_kafka = LettersOnKafka(all_settings.load(), progress=_read_so_far)
    attempts, summary = on_kafka.attempts(), LetterCounts()

    def take(letter: "DeadLetter") -> None:
        if selection.admits(letter):
            summary.take(letter, attempts.settled(letter))

    on_kafka.each(take)
    groups = list(summary)
    if as_json:
        found = [
            {"reason": reason, "topic": of_topic, "count": group.count, "redriven": group.settled,
             "newest": _as_json(group.newest, attempts)}
            for reason, of_topic, group in groups
        ]  # fmt: skip
        click.echo(json.dumps({"letters": summary.by_reason.total(), "beyond": summary.beyond,
                               "unreadable": on_kafka.unreadable, "groups": found}))  # fmt: skip
        return
    for reason, of_topic, group in groups:
        redriven = f", {group.settled:,} read since" if group.settled else ""
        click.echo(f"{group.count:>9,}  {reason}  {of_topic}{redriven}")
        click.echo(
            f"           newest {group.newest.id} {_moment(group.newest.received_at)}: {group.newest.detail}"
        )
    if summary.beyond:
        click.echo(f"{summary.beyond:>9,}  of other topics: --topic and --reason show fewer")
    if on_kafka.unreadable:
        click.echo(f"{on_kafka.unreadable:>9,}  records on the topic are no dead letters")
    click.echo(f"{summary.by_reason.total():>9,}  dead letters")


@dead_letters.command(epilog="\b\nExample:\n  weir dead-letters show 3f2a9c")
@click.argument("beginning", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each, on a line.")
@local_stack_option
def show(beginning: str, as_json: bool) -> None:
    """Show the dead letters whose id begins so: reason, topic, time, and the bytes as they came."""
    from bridges.dead_letters.letters import LettersMeant, LettersOnKafka
    from bridges.process import settings as all_settings

    on_kafka = LettersOnKafka(all_settings.load(), progress=_read_so_far)
    attempts, selection, count = on_kafka.attempts(), LettersMeant(id=beginning.lower()), 0

    def take(letter: "DeadLetter") -> None:
        nonlocal count
        if selection.admits(letter):
            count += 1
            click.echo(json.dumps(_as_json(letter, attempts)) if as_json else _as_text(letter, attempts))

    on_kafka.each(take)
    if not count:
        raise click.ClickException(f"no dead letter has an id that begins with {beginning!r}")


_REDRIVE = """
\b
Examples:
  weir dead-letters redrive --dry-run
  weir dead-letters redrive --topic 'farm/#' --since 2026-11-20T08:00:00Z
  weir dead-letters redrive --id 3f2a9c
"""


@dead_letters.command(epilog=_REDRIVE)
@_selecting
@click.option("--id", "beginning", default="", help="Only letters whose id begins so.")
@click.option("--dry-run", is_flag=True, help="Only say what would become of them.")
@click.option("--most-attempts", type=click.IntRange(1), default=3, show_default=True,
              help="Leave letters that were refused again so often.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@local_stack_option
def redrive(
    reasons: tuple[str, ...],
    topic: str,
    since: float | None,
    until: float | None,
    beginning: str,
    dry_run: bool,
    most_attempts: int,
    as_json: bool,
) -> None:
    """Send dead letters through the maps in force again, with their bytes, topic and arrival as they were.

    A letter that is read now is not sent through a second time, and what had been read of its message is left out; a
    redrive that was interrupted goes on where it stood. Windows that have closed count such readings as late.
    """
    from bridges.dead_letters.redriving import Redriver
    from bridges.maps.map_files import maps_in_force
    from bridges.process import settings as all_settings

    settings = all_settings.load()
    redriver = Redriver(
        settings,
        maps_in_force(settings),
        most_attempts=most_attempts,
        progress=lambda done: click.echo(f"{done:,} letters sent through", err=True),
    )
    outcome = redriver.run(_selection(reasons, topic, since, until, beginning), dry=dry_run)
    if as_json:
        refused = {
            reason: {"count": count, "example": why} for reason, (count, why) in outcome.refused.items()
        }
        click.echo(json.dumps({"dry_run": dry_run, "letters": outcome.letters, "read": outcome.read,
                               "readings": outcome.readings, "labels": outcome.labels,
                               "passed_over": outcome.passed_over, "refused": refused,
                               "left": dict(outcome.left)}))  # fmt: skip
    else:
        _tell(outcome, dry_run)


def _tell(outcome: "RedriveOutcome", dry_run: bool) -> None:
    became = "would become" if dry_run else "became"
    click.echo(
        f"{outcome.letters:,} letters {became} {outcome.readings:,} readings and {outcome.labels:,} labels; "
        f"{outcome.read:,} of them are read whole"
        + (f", {outcome.passed_over:,} hold nothing that is new" if outcome.passed_over else "")
    )
    for reason, (count, why) in sorted(outcome.refused.items()):
        click.echo(f"  still refused: {count:,} {reason}, such as: {why}")
    for why, count in sorted(outcome.left.items()):
        click.echo(f"  left: {count:,} ({why})")


def _as_json(letter: "DeadLetter", attempts: "Attempts") -> dict[str, Any]:
    from bridges.dead_letters.letters import letter_told

    last = attempts.of(letter)
    return {**letter_told(letter, attempts), "refused_again": None if last is None else last.refused}


def _as_text(letter: "DeadLetter", attempts: "Attempts") -> str:
    beginning = letter.payload[:_SHOWN_BYTES]
    more = len(letter.payload) - len(beginning)
    lines = [
        f"{letter.id}  {letter.reason}",
        f"  {letter.detail}",
        f"  from {letter.origin} {letter.topic}, {_moment(letter.received_at)}",
        f"  {len(letter.payload):,} bytes: {beginning.decode(errors='backslashreplace')}"
        + (f" … and {more:,} more (--json shows all)" if more else ""),
    ]
    if (last := attempts.of(letter)) is not None:
        became = f"refused again: {last.refused}" if last.refused else "read"
        lines.append(f"  redriven {last.attempt} times, the last time {became} ({last.readings} readings)")
    return "\n".join(lines)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _read_so_far(count: int) -> None:
    click.echo(f"{count:,} records read", err=True)
