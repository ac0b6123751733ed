"""``weir score``: how good are detectors on a folder of labelled series?"""

from pathlib import Path
from typing import Any, Literal

import click

from agents.cli.replay_options import processes_option, progress_bar, weir_version, wide_console

_EXAMPLES = """
\b
Examples:
  weir score ../shared/rivers --tolerance 1800 --merge 21600      the settings in force, by site
  weir score ../shared/nab --by file --json nab.json --svg nab.svg
  weir score rivers --config current --config b.toml --detector 'LODA:{"n_bins": 20}' --processes 2
"""


@click.command(epilog=_EXAMPLES)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--config",
    "configs",
    multiple=True,
    help="TOML file of what is different, or: current.  [default: current]",
)
@click.option(
    "--detector",
    "detectors",
    multiple=True,
    metavar="NAME[:JSON]",
    help='Detector and its parameters, as in LODA:{"n_bins":20}, with the settings in force; may be repeated.',
)
@click.option(
    "--labels", help="File of labels, .csv or NAB's .json; else labels.csv or that of NAB in the folder."
)
@click.option(
    "--by", type=click.Choice(["site", "file"]), default="site", show_default=True,
    help="What is left out together: a site is a folder in data/, or files alike but for the digits at the end.",
)  # fmt: skip
@click.option(
    "--tolerance", type=click.FloatRange(0), default=0.0, show_default=True,
    help="Seconds before and after an event in which an anomaly belongs to it.",
)  # fmt: skip
@click.option(
    "--merge", type=click.FloatRange(0), default=0.0, show_default=True,
    help="Seconds: labels of a series that lie no farther apart are one event.",
)  # fmt: skip
@click.option(
    "--budget", "budgets", multiple=True, type=click.FloatRange(0, min_open=True),
    default=(0.005, 0.01, 0.02, 0.05), show_default=True,
    help="False alarms per series-day that are acceptable; may be repeated.",
)  # fmt: skip
@click.option(
    "--beside/--alone", default=True, show_default=True,
    help="Beside them: rolling z, step ratio, MAD z, two of river's, no detector, a random one.",
)  # fmt: skip
@click.option("--ignore-unmatched", is_flag=True, help="Leave out labels whose series is not there.")
@click.option("--skip-unreadable", is_flag=True, help="Pass over rows that cannot be read.")
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Of chance: the random one, and the intervals."
)
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here."
)
@click.option(
    "--svg",
    "svg_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw recall by false alarms here.",
)
@processes_option
def score(
    folder: Path,
    configs: tuple[str, ...],
    detectors: tuple[str, ...],
    labels: str | None,
    by: Literal["site", "file"],
    tolerance: float,
    merge: float,
    budgets: tuple[float, ...],
    beside: bool,
    ignore_unmatched: bool,
    skip_unreadable: bool,
    seed: int,
    json_file: Path | None,
    svg_file: Path | None,
    processes: int,
) -> None:
    """Score detectors on a folder of labelled series: recall, precision, false alarms, delay.

    FOLDER holds readings (data/*.csv, or *.csv) and labels.csv, or is laid out as the Numenta Anomaly Benchmark.

    Each runs over each series once, a reading at a time, in a fresh model, with the code that runs live, from the first
    reading on. Two kinds of figures: at the threshold in force; and, for each budget of false alarms, at the threshold
    that finds most within it on all folds but one, judged on the one left out. In brackets: 95 % intervals, by
    drawing series anew.
    """
    from random import Random

    from agents.cli import score_tables
    from bridges.backtest.labelled_folder import load_labelled
    from bridges.backtest.score_plot import drawn
    from bridges.backtest.scoring import raises_of
    from bridges.process import settings as all_settings
    from bridges.process.written import write_whole
    from streams.backtest.report import encoded
    from streams.scoring.fits import scored_parts
    from streams.scoring.scores import FORMAT, data_of, folds_of
    from streams.scoring.scores import score as scored

    contenders = _contenders(configs, detectors, all_settings.load(), beside=beside, seed=seed)
    held = load_labelled(folder, labels, skip_unreadable=skip_unreadable, ignore_unmatched=ignore_unmatched)
    parts = scored_parts(held.series, held.labels, merge)
    folds = folds_of(held.series, parts, by)
    if len(set(folds)) < 2:
        raise click.UsageError(f"there is one {by} only, {folds[0]}: nothing can be left out")
    with progress_bar("score") as progress:
        raises = raises_of(contenders, held.series, processes, progress)
    chosen = sorted(set(budgets))
    scores = [
        scored(contender, each, parts, folds, chosen, tolerance)
        for contender, each in zip(contenders, raises, strict=True)
    ]
    data: dict[str, Any] = {
        "format": FORMAT,
        "weir": weir_version(),
        "folder": folder.name,
        "by": by,
        "tolerance": tolerance,
        "merge": merge,
        "seed": seed,
        "series": len(held.series),
        "readings": sum(len(each.times) for each in held.series),
        "labels": len(held.labels),
        "labels_outside": held.outside,
        "labels_unmatched": held.unmatched,
        "unreadable": held.unreadable,
        "contenders": [data_of(each, folds, Random(seed)) for each in scores],
    }
    console = wide_console()
    score_tables.show_scores(console, data)
    if json_file is not None:
        write_whole(json_file, encoded(data))
        console.print(f"\nfigures: {json_file}")
    if svg_file is not None:
        write_whole(svg_file, drawn(data))
        console.print(f"drawing: {svg_file}")


def _contenders(
    configs: tuple[str, ...], detectors: tuple[str, ...], settings: Any, *, beside: bool, seed: int
) -> list[Any]:
    """Make the contenders: configurations, detectors, and what stands beside the first configuration."""
    from bridges.backtest import configuration_files as configurations
    from streams.errors import ConfigurationError
    from streams.scoring import contenders as scoring

    chosen = [
        configurations.current(settings)
        if name == configurations.CURRENT
        else configurations.read(Path(name), settings)
        for name in configs or (configurations.CURRENT,)
    ]
    found = [scoring.Contender(each.name, each.detection) for each in chosen]
    for text in detectors:
        found.append(scoring.Contender(text, {**chosen[0].detection, **configurations.detector_named(text)}))
    found += scoring.beside(chosen[0].detection, seed) if beside else []
    names = [each.name for each in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(
            f"two are called {', '.join(twice)}: name each once, or leave out with --alone"
        )
    for each in found:
        each.check()
    return found
