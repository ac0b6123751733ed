"""``weir backfill``: fill results that are missing, from the log."""

import click

from agents.cli.replay_options import ChosenReadings, progress_bar, wide_console
from agents.cli.time_option import EventTime

_EXAMPLES = """
\b
Examples:
  weir backfill --from 2026-10-01 --to 2026-10-08          says how many results are missing
  weir backfill --from 2026-10-01 --to 2026-10-08 --yes    writes them to their topics; the sinks store them
"""


@click.command(epilog=_EXAMPLES)
@click.option("--from", "since", type=EventTime(), help="Begin here: ISO 8601 (UTC) or epoch seconds.")
@click.option("--to", "until", type=EventTime(), help="End before this.")
@click.option("--sensors", multiple=True, help="Only sensors that match: boiler-*. May be repeated.")
@click.option("--yes", is_flag=True, help="Write them. Without this, only count.")
def backfill(since: float | None, until: float | None, sensors: tuple[str, ...], yes: bool) -> None:
    """Recompute results from `readings` and write those that were never emitted.

    Works under the settings that the live worker has: where a result that exists would come out differently, nothing
    is written; rebuild with `weir reset --results` then.
    """
    from dataclasses import replace

    from bridges.process import settings as all_settings
    from bridges.replay.verifying import Verification
    from streams.errors import ConfigurationError

    console = wide_console()
    chosen = ChosenReadings(since, until, "event", sensors).selection()
    verification = replace(Verification.plan(all_settings.load(), chosen), deleted_too=True)
    for line in verification.describe():
        console.print(line, highlight=False, soft_wrap=True)
    with progress_bar("compare") as progress:
        verified = verification.run(1, progress)
    whole = verified.whole
    for topic, agreement in sorted(verified.by_topic.items()):
        console.print(
            f"  {topic}: {agreement.matched:,} are there, {agreement.missing:,} are missing", highlight=False
        )
    if whole.mismatches > whole.missing:
        raise ConfigurationError(
            f"{whole.mismatches - whole.missing} results that exist would come out differently: the settings or the "
            "code have changed since; see `weir replay --verify`, and rebuild with `weir reset --results`"
        )
    if not whole.missing:
        console.print("nothing is missing")
        return
    if not yes:
        console.print("nothing has been written: run it with --yes")
        return
    with progress_bar("backfill") as progress:
        written = replace(verification, fill=True).run(1, progress).whole.missing
    console.print(f"{written:,} results written", highlight=False)
