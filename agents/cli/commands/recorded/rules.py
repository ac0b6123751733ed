"""``weir rules``: what would these limits have done, and which are in force?"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.cli import applied_rules
from agents.cli.acting_options import json_option
from agents.cli.near_group import NearGroup
from agents.cli.replay_options import (
    NOT_MET,
    ChosenReadings,
    described,
    ignore_unmatched_option,
    processes_option,
    progress_bar,
    reading_options,
    weir_version,
    wide_console,
)

if TYPE_CHECKING:
    from bridges.sources import Source
    from streams.rules.rules_report import RulesReport

_EXAMPLES = """
\b
Examples:
  weir rules check rules.toml --from -30d                        over last month, from Kafka
  weir rules check rules.toml --from -30d --budget 6 --operators 2
  weir rules check rules.toml --source hall.csv --labels labels.csv --plot rules.svg
  weir rules check rules.toml --source mongo --json              for programs
  weir rules apply rules.toml --why "new valves since Monday"    in force from now on
  weir rules list                                                who set which limit, when and why
"""
_CHECK = """
\b
Exit codes: 0 all is well, 1 it could not be run, 2 something given is wrong, 3 a rule matches nothing or can do
nothing, or the budget is not kept.
"""


@click.group(cls=NearGroup, epilog=_EXAMPLES)
def rules() -> None:
    """Try limits over what was recorded, put them in force, and see who set which, when and why."""


for _command in (
    applied_rules.apply,
    applied_rules.renew,
    applied_rules.withdraw,
    applied_rules.list_rules,
    applied_rules.list_changes,
):
    rules.add_command(_command)


@rules.command(epilog=_EXAMPLES + _CHECK)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@reading_options
@click.option("--labels", help="Ground truth: kafka, mongo, waterflow, a .csv file, or NAB's .json.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    default=0.0,
    help="Seconds after a label in which it may be found.",
)
@ignore_unmatched_option
@click.option(
    "--budget", type=click.FloatRange(0, min_open=True),
    help="Alarms that one person can answer in an hour; exit code 3 if there are more.",
)  # fmt: skip
@click.option("--operators", type=click.IntRange(1), default=1, show_default=True, help="People who answer.")
@json_option
@click.option(
    "--plot", "plot_file", type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the series of most alarms here, with limits and alarms: a .svg file.",
)  # fmt: skip
@click.option(
    "--plots", type=click.IntRange(1, 100), default=8, show_default=True, help="Series in the drawing."
)
@processes_option
@click.pass_context
def check(
    ctx: click.Context,
    file: Path,
    readings: ChosenReadings,
    labels: str | None,
    tolerance: float,
    ignore_unmatched: bool,
    budget: float | None,
    operators: int,
    as_json: bool,
    plot_file: Path | None,
    plots: int,
    processes: int,
) -> None:
    """Tell what the limits of FILE would have raised, and what changes against those in force.

    FILE is a TOML file as WEIR_CONFIG names one: limits stand in [detection.series."PATTERN"], a rule each. Its
    patterns come before those in force. The readings go through the code of the worker, without a detector; nothing
    is written to Kafka or MongoDB, and no consumer group is joined.
    """
    from agents.cli import rules_tables
    from bridges.process import settings as all_settings
    from bridges.process.near_names import did_you_mean
    from bridges.rules.rule_files import read_rules
    from bridges.rules.rules_run import RulesRun, why_not_exact
    from bridges.sources.label_source import labels_for, read_labels
    from streams.backtest.report import encoded
    from streams.rules.rules_report import OperatorBudget, RulesReport

    if plot_file is not None and plot_file.suffix != ".svg":
        raise click.UsageError(f"--plot draws a .svg file, got {plot_file}")
    settings = all_settings.load()
    found = read_rules(file, settings)
    truth = read_labels(labels, settings) if labels else None
    selection = readings.selection()
    opened = readings.open(settings)
    run = RulesRun(
        opened,
        found.before,
        found.after,
        settings.alarms.rules(found.plan.room),
        settings.bridge.tick_seconds,
    )
    with progress_bar("rules") as progress:
        outcome = run.run(processes, progress)
    kept = None
    if truth is not None:
        kept = labels_for(truth, selection, outcome.read, ignore_unmatched=ignore_unmatched)
    report = RulesReport(
        found.rules, found.plan, outcome.seen, outcome.before, outcome.after, kept, tolerance,
        OperatorBudget(operators, budget), did_you_mean,
    )  # fmt: skip
    why_not = why_not_exact(opened, allow_missing=readings.allow_missing)
    data: dict[str, Any] = {
        **report.data(),
        "weir": weir_version(),
        "source": opened.describe(),
        "selection": described(selection),
        "exact": not why_not,
        "why_not_exact": why_not,
        "unreadable": outcome.read.unreadable,
        "left_aside": found.left_aside,
    }
    if as_json:
        click.echo(encoded(data).decode(), nl=False)
    else:
        rules_tables.show_rules(wide_console(), data)
    if plot_file is not None:
        _draw(plot_file, opened, report, (data["first"], data["last"]), plots)
        click.echo(f"drawing: {plot_file}", err=True)
    ctx.exit(0 if report.sound and report.within_budget else NOT_MET)


def _draw(
    plot_file: Path,
    source: "Source",
    report: "RulesReport",
    ends: tuple[float, float],
    plots: int,
) -> None:
    """Draw the series that the rules take: those of most alarms, and most time in alarm, come first."""
    from bridges.backtest.backtesting import Backtest
    from bridges.backtest.tracing import traces
    from bridges.process.written import write_whole
    from bridges.rules.rules_plot import rules_drawing
    from streams.rules.limit_trial import most_asked_first

    series = {each for taken in report.reach.values() for each in taken.series}
    ranked = most_asked_first(series, report.after.loads)[:plots]
    with progress_bar("drawing") as progress:
        drawn = traces(
            Backtest(source, ()),
            [{"sensor_id": sensor, "quantity": name} for sensor, name in ranked],
            progress,
        )
    limits = {each: report.plan.config_for(*each).limits for each in ranked}
    before, after = report.before.intervals.by_series, report.after.intervals.by_series
    write_whole(plot_file, rules_drawing(drawn, limits, before, after, ends))
