"""``weir nab``: score detectors on files of the Numenta Anomaly Benchmark."""

from pathlib import Path

import click


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder with data/ and labels/combined_windows.json; else WEIR_NAB_DIR.",
)
@click.option(
    "--detector",
    "detectors",
    multiple=True,
    metavar="NAME[:JSON]",
    help='Detector and its parameters, as in HalfSpaceTrees:{"n_trees":25}; may be repeated. [default: tailwatch]',
)
@click.option(
    "--raise-at", type=click.FloatRange(0, 1, min_open=True, max_open=True), help="Score at which to raise."
)
@click.option(
    "--folds", type=click.IntRange(min=2), default=5, show_default=True, help="Folds of cross-validation."
)
@click.option("--files", "per_file", is_flag=True, help="Also print a line per file.")
def nab(
    data: Path | None, detectors: tuple[str, ...], raise_at: float | None, folds: int, per_file: bool
) -> None:
    """Score detectors on labelled series, with the code that runs live.

    Each detector runs over each file once, a row at a time, in a fresh model; an alarm is flagged once, when it is
    raised. Scores are NAB's: 0 for silence, 100 for the earliest flag in every window and no other. Columns:
    standard / reward-low-FP / reward-low-FN score at the fixed threshold; the same at the best one, which NAB's rule
    seeks on these very files; standard score of folds left out; windows found; flags per 1,000 normal rows; share of
    flags in a window; share of a window passed at its first flag; processor time a reading.

    \b
    Examples:
        weir nab --data ../shared/nab
        weir nab --detector tailwatch --detector 'HalfSpaceTrees:{"n_trees": 25, "features": ["value", "difference"]}'
    """
    from time import process_time

    from bridges.backtest.configuration_files import detector_named
    from bridges.backtest.nab_files import load_corpus, nab_folder
    from streams.detection.detection_config import NAB_RAISE_AT
    from streams.detection.detection_plan import DetectionPlan
    from streams.nab.nab_run import Result, evaluate, run_file

    files = load_corpus(nab_folder(data))
    readings = sum(len(file.times) for file in files)
    click.echo(f"{len(files)} files, {readings} readings, {sum(len(file.windows) for file in files)} windows")
    click.echo(
        f"{'detector':28} {'fixed':>16} {'best':>16} {'folds':>5} {'found':>7} {'FP/1000':>7} {'prec.':>5}"
        f" {'delay':>5} {'us':>6}"
    )

    def three(scores: dict[str, float]) -> str:
        return "/".join(f"{score:.1f}" for score in scores.values())

    def optional(value: float | None) -> str:
        return "-" if value is None else f"{value:.2f}"

    def line(name: str, result: Result, microseconds: float) -> str:
        return (
            f"{name:28} {three(result.fixed):>16} {three(result.best):>16} {result.validated:5.1f}"
            f" {result.found:3}/{result.windows:<3} {result.false_per_1000:7.2f} {optional(result.precision):>5}"
            f" {optional(result.delay):>5} {microseconds:6.1f}"
        )

    for text in detectors or ("tailwatch",):
        config = DetectionPlan({**detector_named(text), "raise_at": raise_at or NAB_RAISE_AT}).default
        start = process_time()
        runs = [run_file(file, config) for file in files]
        microseconds = 1e6 * (process_time() - start) / max(1, readings)
        click.echo(line(text[:28], evaluate(runs, config, folds), microseconds))
        if per_file:
            for run in runs:
                click.echo(
                    line(
                        "  " + run.file.name.rpartition("/")[2][:26], evaluate([run], config, 2), microseconds
                    )
                )
