"""``weir backtest``: what would these settings have done with recorded readings?"""

from pathlib import Path
from typing import Any

import click

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

_EXAMPLES = """
\b
Examples:
  weir backtest --config b.toml --from 2026-10-01 --to 2026-11-01     against the settings in force, from Kafka
  weir backtest --config a.toml --config b.toml --source hall.csv     two files of settings, readings from a file
  weir backtest --config b.toml --labels kafka --html report.html     with figures by labels, and a page of plots
  weir backtest --config b.toml --labels labels.csv --gate 'recall>=0.8 and alarms_per_sensor_day<=0.2'

\b
Exit codes: 0 all is well, 1 it could not be run, 2 something given is wrong, 3 the gate does not hold.
"""


@click.command(epilog=_EXAMPLES)
@click.option("--config", "configs", multiple=True, help="TOML file of what is different, or: current.")
@reading_options
@click.option("--labels", help="Ground truth: kafka, mongo, waterflow, a .csv file, or NAB's .json.")
@click.option(
    "--tolerance", type=float, default=0.0, help="Seconds after a label in which it may still be found."
)
@ignore_unmatched_option
@click.option(
    "--skip-unreadable", is_flag=True, help="Pass over records that cannot be read, as the worker does."
)
@click.option(
    "--baselines", is_flag=True, help="Beside them: no detector, a random one, a windowed Gaussian."
)
@click.option(
    "--nab",
    is_flag=True,
    help="Scores of NAB, too; keeps all event times in memory.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the random baseline.")
@click.option(
    "--gate", help="Condition on the figures of the last configuration; exit code 3 if it does not hold."
)
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here."
)
@click.option(
    "--html", "html_file", type=click.Path(dir_okay=False, path_type=Path), help="Write a page here."
)
@click.option(
    "--plots", type=click.IntRange(0), default=20, show_default=True, help="Series shown on the page."
)
@processes_option
@click.pass_context
def backtest(
    ctx: click.Context,
    configs: tuple[str, ...],
    readings: ChosenReadings,
    labels: str | None,
    tolerance: float,
    ignore_unmatched: bool,
    skip_unreadable: bool,
    baselines: bool,
    nab: bool,
    seed: int,
    gate: str | None,
    json_file: Path | None,
    html_file: Path | None,
    plots: int,
    processes: int,
) -> None:
    """Run recorded readings through one or more configurations and tell what would change.

    The readings go through the same code as in the worker, at full speed, in this process: nothing is written to
    Kafka or MongoDB, and no consumer group is joined.
    """
    from agents.cli import backtest_tables
    from bridges.backtest import configuration_files as configurations
    from bridges.backtest.backtesting import Backtest
    from bridges.process import settings as all_settings
    from bridges.process.written import write_whole
    from bridges.sources.label_source import labels_for, read_labels
    from streams.backtest.gates import parse_gate
    from streams.backtest.outcome import gate_figures, gate_names
    from streams.backtest.report import BacktestReport, encoded

    if nab and not labels:
        raise click.UsageError("--nab scores anomalies by labels: give --labels, too")
    settings = all_settings.load()
    chosen = configurations.read_all(configs, settings)
    condition = parse_gate(gate) if gate else None
    if condition is not None:
        condition.check(gate_names([each.name for each in chosen], labelled=labels is not None, nab=nab))
    truth = read_labels(labels, settings) if labels else None
    selection = readings.selection()
    opened_source = readings.open(settings)
    run = Backtest(
        opened_source, tuple(chosen), skip_unreadable=skip_unreadable, baselines=baselines, seed=seed, nab=nab
    )  # fmt: skip
    with progress_bar("backtest") as progress:
        outcome = run.run(processes, progress)
    kept = None if truth is None else labels_for(truth, selection, outcome, ignore_unmatched=ignore_unmatched)
    report = BacktestReport(outcome, chosen, kept, tolerance)
    holds = condition is None or condition.holds(gate_figures(report.judged, chosen[-1].name))
    console = wide_console()
    backtest_tables.show(console, report)
    data: dict[str, Any] = report.data(opened_source.describe(), described(selection), weir_version())
    if json_file is not None:
        write_whole(json_file, encoded(data))
        console.print(f"\nfigures and anomalies: {json_file}")
    if html_file is not None:
        from bridges.backtest.html_report import page
        from bridges.backtest.tracing import traces

        with progress_bar("plots") as progress:
            drawn = traces(run, data["ranking"][:plots], progress)
        write_whole(html_file, page(data, drawn))
        console.print(f"page with plots: {html_file}")
    if condition is not None:
        console.print(f"\ngate {'holds' if holds else 'does not hold'}: {condition.text}", markup=False)
    ctx.exit(0 if holds else NOT_MET)
