"""``weir tune``: find the threshold that keeps to an alarm budget."""

from math import exp
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agents.cli.replay_options import (
    NOT_MET,
    ChosenReadings,
    ignore_unmatched_option,
    processes_option,
    progress_bar,
    reading_options,
    wide_console,
)
from agents.cli.time_option import EventTime

if TYPE_CHECKING:
    from rich.console import Console

    from bridges.backtest.threshold_search import Tuned
    from streams.backtest.tuning import Budget, Trial

_EXAMPLES = """
\b
Examples:
  weir tune --budget 'at most 2 alarms per sensor per week' --from 2026-09-01 --to 2026-11-01
  weir tune --budget 'at most 1 alarm per sensor per month' --labels labels.csv --source hall.csv --write tuned.toml

\b
Exit codes: 0 all is well, 1 it could not be run, 2 something given is wrong, 3 the budget is not kept: by no threshold
on the training range, or not by the chosen one on the held-out range.
"""


@click.command(epilog=_EXAMPLES)
@click.option(
    "--budget", required=True, help="'at most 2 alarms per sensor per week'; also hour, day, month, year."
)
@click.option(
    "--config", default="current", show_default=True, help="TOML file of what is different, or: current."
)
@reading_options
@click.option(
    "--share", type=click.FloatRange(0.1, 0.9), default=0.7, show_default=True, help="Of time to train on."
)
@click.option("--split", type=EventTime(), help="Train before this event time, report from it on.")
@click.option(
    "--labels", help="Ground truth: kafka, mongo, waterflow, a .csv file, or NAB's .json. Then F1 decides."
)
@click.option(
    "--tolerance", type=float, default=0.0, help="Seconds after a label in which it may still be found."
)
@ignore_unmatched_option
@click.option(
    "--skip-unreadable", is_flag=True, help="Pass over records that cannot be read, as the worker does."
)
@click.option(
    "--write", type=click.Path(dir_okay=False, path_type=Path), help="Write the tuned settings here."
)
@processes_option
@click.pass_context
def tune(
    ctx: click.Context,
    budget: str,
    config: str,
    readings: ChosenReadings,
    share: float,
    split: float | None,
    labels: str | None,
    tolerance: float,
    ignore_unmatched: bool,
    skip_unreadable: bool,
    write: Path | None,
    processes: int,
) -> None:
    """Search thresholds on earlier readings, and report on later ones that had no part in it.

    With labels the threshold of the best F1 within the budget is chosen; without, the most sensitive one that keeps to
    the budget. The settings in force are not changed: write them with --write, look at them with weir backtest.
    """
    from bridges.backtest import configuration_files as configurations
    from bridges.backtest.backtesting import Backtest
    from bridges.backtest.threshold_search import Tuning
    from bridges.process import settings as all_settings
    from bridges.process.toml_text import toml_of
    from bridges.process.written import write_whole
    from bridges.sources.label_source import labels_for, read_labels
    from streams.backtest.tuning import parse_budget

    settings = all_settings.load()
    wanted = parse_budget(budget)
    if readings.by != "event":
        raise click.UsageError("tune splits readings by event time: use --by event")
    base = (
        configurations.current(settings)
        if config == configurations.CURRENT
        else configurations.read(Path(config), settings)
    )
    truth = read_labels(labels, settings) if labels else None
    selection = readings.selection()
    found = readings.open(settings)
    with progress_bar("tune") as progress:
        if truth is not None:
            read = Backtest(found, (), skip_unreadable=skip_unreadable).run(processes, progress)
            truth = labels_for(truth, selection, read, ignore_unmatched=ignore_unmatched)
        tuned = Tuning(
            found, base, wanted, truth, tolerance, share, split, processes, skip_unreadable
        ).run(progress)  # fmt: skip
    _show(wide_console(), tuned, wanted)
    if tuned.chosen is None or tuned.held_out is None:
        ctx.exit(NOT_MET)
    if write is not None:
        chosen = tuned.chosen.configuration
        write_whole(write, toml_of({"windows": chosen.windows, "detection": chosen.detection}).encode())
        click.echo(f"\ntuned settings: {write}")
    kept = tuned.held_out.burden.alarms_per_sensor_day <= wanted.per_sensor_day
    if not kept:
        click.echo("\nthe held-out readings are not within the budget: they differ from what was trained on")
    ctx.exit(0 if kept else NOT_MET)


def _show(console: "Console", tuned: "Tuned", budget: "Budget") -> None:
    from streams.signals.wire import iso

    console.print(
        f"trained on readings before {iso(tuned.split)[:19]}Z; budget: {budget.text} "
        f"({budget.per_sensor_day:.3g} per sensor-day)",
        highlight=False,
        soft_wrap=True,
    )
    console.print(_table([("", trial) for trial in tuned.trials], tuned.chosen))
    if tuned.chosen is None or tuned.held_out is None or tuned.held_out_base is None:
        console.print("no threshold keeps to the budget", style="bold")
        return
    console.print(f"\nchosen: raise_at = {tuned.chosen.raise_at!r}", style="bold", highlight=False)
    console.print(f"on the held-out readings, from {iso(tuned.split)[:19]}Z:", highlight=False)
    console.print(_table([("as it was", tuned.held_out_base), ("tuned", tuned.held_out)], None))


def _table(trials: "list[tuple[str, Trial]]", chosen: "Trial | None") -> "object":
    from rich.table import Table

    labelled = any(trial.verdict is not None for _, trial in trials)
    table = Table(box=None, pad_edge=False, header_style="bold")
    headers = ["", "raise_at", "anomalies", "/sensor-day", "flaps"]
    for header in headers + (["recall", "precision", "F1"] if labelled else []):
        table.add_column(header, justify="right", no_wrap=True)
    for name, trial in trials:
        cells = [
            "chosen" if trial is chosen else name,
            f"1 - {exp(-trial.nats):.1e}",
            f"{trial.burden.anomalies:,}",
            f"{trial.burden.alarms_per_sensor_day:.3f}",
            f"{trial.burden.flaps:,}",
        ]
        if trial.verdict is not None:
            figures = (trial.verdict.recall, trial.verdict.precision, trial.verdict.f1)
            cells += ["–" if value is None else f"{value:.2f}" for value in figures]
        table.add_row(*cells)
    return table
