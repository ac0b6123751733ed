"""Scores of detectors on labelled series: what counts as found, and thresholds that the judged fold has not seen."""

import json
import random
from itertools import pairwise
from math import log
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agents.cli import main
from bridges.backtest.labelled_folder import load_labelled
from bridges.backtest.scoring import raises_of
from streams.backtest.baselines import BaselineModel
from streams.detection.detection_config import DetectionConfig
from streams.errors import ConfigurationError, WeirError
from streams.records.types import Label
from streams.scoring.contenders import LADDER, Contender, Raises, beside, run_series
from streams.scoring.fits import Fit, LabelledSeries, bootstrap, fit, scored_parts, summed
from streams.scoring.rivals import WINDOW, MedianZ, RollingZ, StepRatio
from streams.scoring.scores import folds_of, score
from tests.support.normal_series import raises

DAY = 86400.0
START = 1_760_000_000.0
STEP = 900.0


def series_of(sensor: str, spikes: tuple[int, ...] = (), quantity: str = "temp") -> LabelledSeries:
    rng = random.Random(sensor + quantity)
    values = [rng.gauss(20, 0.2) + 15.0 * (index in spikes) for index in range(1500)]
    times = [START + STEP * index for index in range(len(values))]
    return LabelledSeries(sensor, quantity, sensor, sensor.rstrip("0123456789"), times, values)


def label(sensor: str, first: int, last: int, quantity: str = "temp") -> Label:
    return Label(sensor, quantity, START + STEP * first, START + STEP * last, "label")


def test_an_event_is_found_by_a_raise_in_it_or_near_and_every_other_raise_is_false() -> None:
    (part,) = scored_parts(
        [series_of("a")], [label("a", 100, 110), label("a", 112, 120), label("a", 900, 900)], 3600
    )
    assert [(event.start, event.end) for event in part.events] == [
        (START + STEP * 100, START + STEP * 120),
        (START + STEP * 900, START + STEP * 900),
    ]
    at = [START + STEP * row for row in (50, 98, 104, 119, 903)]
    found = fit(part, [at], 2 * STEP)
    assert found[:4] == (2, 1, 5, 2)
    assert found.recall == 0.5 and found.precision == pytest.approx(0.6)
    assert found.delays == (0.0,)
    assert found.false_per_day == pytest.approx(2 / (1499 * STEP / DAY))
    assert fit(part, [at]).delays == (4 * STEP,)


def test_a_label_of_a_whole_sensor_is_one_event_that_any_of_its_series_finds() -> None:
    series = [series_of("a"), series_of("a", quantity="ph"), series_of("b")]
    parts = scored_parts(series, [label("a", 10, 20, "*"), label("a", 500, 510, "ph"), label("b", 5, 6)])
    assert [part.series for part in parts] == [(0, 1), (2,)]
    raised = [[], [START + STEP * 15, START + STEP * 505], []]
    assert [fit(part, raised)[:4] for part in parts] == [(2, 2, 2, 0), (1, 0, 0, 0)]
    raised = [[START + STEP * 505], [], []]  # the other quantity's event
    assert fit(parts[0], raised)[:4] == (2, 0, 1, 1)


def test_intervals_hold_the_figure_and_are_narrower_with_more_parts() -> None:
    few = [Fit(10, 8, 9, 1, 30.0), Fit(10, 2, 9, 7, 30.0), Fit(10, 5, 6, 1, 30.0)]
    widths = []
    for fits in (few, few * 12):
        low, high = bootstrap(fits, lambda each: each.recall, random.Random(1))
        assert low <= summed(fits).recall <= high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2
    assert bootstrap([Fit(days=3.0)], lambda each: each.recall, random.Random(1)) is None


@pytest.mark.parametrize("rival", [RollingZ, MedianZ, StepRatio])
def test_a_rival_computes_what_its_name_says(rival: type) -> None:
    rng = random.Random(5)
    values = [rng.gauss(10, 1) + rng.choice((0, 0, 0, 6)) for _ in range(900)]
    model = rival(100)
    for index, value in enumerate(values):
        window = values[max(0, index - WINDOW) : index]
        steps = [0.0, *(b - a for a, b in pairwise(values))][: index + 1]
        if rival is RollingZ and window:
            centre = sum(window) / len(window)
            scale = (sum((each - centre) ** 2 for each in window) / len(window)) ** 0.5
        elif rival is MedianZ and window:
            centre = sorted(window)[len(window) // 2]
            scale = 1.4826 * sorted(abs(each - centre) for each in window)[len(window) // 2]
        elif window:
            centre = values[index - 1]
            of_late = steps[max(0, index - WINDOW) : index]
            scale = (sum(step * step for step in of_late) / len(of_late)) ** 0.5
        nats = model.surprise(value, float(index))
        if index >= 100:
            assert nats == pytest.approx(
                max(0.0, 8.0 * log(max(abs(value - centre), 1e-9) / scale)), abs=1e-6
            )
        else:
            assert nats == 0.0


@pytest.mark.parametrize("rival", [RollingZ, MedianZ, StepRatio])
def test_a_rival_takes_no_scale_for_smaller_than_the_finest_step(rival: type) -> None:
    model = rival(100)
    nats = [model.surprise(20.0 + (index == 400), float(index)) for index in range(800)]
    assert max(nats[:400]) == 0.0
    assert max(nats[402:]) == 0.0


def test_the_model_of_live_is_what_is_scored_and_the_ladder_holds_its_threshold() -> None:
    series = series_of("a", spikes=(700, 1200))
    ran = run_series(Contender("current", {}), series)
    assert ran.default == raises(list(zip(series.times, series.values, strict=True))) != []
    at = Contender("fixed", {"raise_at": 0.9999, "clear_at": 0.99})
    nearest = min(LADDER, key=lambda nats: abs(nats - 9.21))
    assert run_series(at, series).default == run_series(at, series).ladder[LADDER.index(nearest)]


def test_what_a_model_passed_over_is_counted_and_finds_nothing() -> None:
    series = series_of("a")
    series.times[800] = series.times[10]
    ran = run_series(Contender("current", {}), series)
    assert ran.skipped == 1


def test_the_threshold_of_a_fold_is_chosen_on_the_others() -> None:
    """At every threshold a finds its event and nothing else; on b the low ones raise a false alarm, too."""
    series = [series_of("a1"), series_of("b1")]
    labels = [label("a1", 100, 110), label("b1", 100, 110)]
    inside, outside = START + STEP * 105, START + STEP * 700
    half = len(LADDER) // 2
    raised = [
        Raises([inside], [[inside]] * len(LADDER)),
        Raises([], [[inside, outside]] * half + [[]] * (len(LADDER) - half)),
    ]
    parts = scored_parts(series, labels)
    folds = folds_of(series, parts, "site")
    assert folds == ["a", "b"]
    (within,) = score(Contender("x", {}), raised, parts, folds, [1e-9]).budgets
    assert (within.hindsight.found, within.hindsight.false) == (1, 0)
    assert [each[:4] for each in within.left_out] == [
        (1, 1, 1, 0),
        (1, 1, 2, 1),
    ]  # b at a's: the lowest of equals
    (loose,) = score(Contender("x", {}), raised, parts, folds, [1.0]).budgets
    assert (loose.hindsight.found, loose.hindsight.false) == (2, 1)


def test_scores_are_the_same_in_two_processes() -> None:
    series = [series_of("a1", (700,)), series_of("b1", (900,))]
    contenders = [Contender("current", {}), Contender("rolling z", {}, "rolling z")]
    assert raises_of(contenders, series, 1) == raises_of(contenders, series, 2)


def test_what_stands_beside_has_the_verdict_of_the_configuration_and_not_its_detector() -> None:
    listed = beside({"detector": "LODA", "rest_seconds": 60.0})
    assert [each.name for each in listed if not each.has_default] == ["rolling z", "step ratio", "MAD z"]
    assert all(each.plan["rest_seconds"] == 60.0 for each in listed)
    assert all(each.plan.get("detector") != "LODA" for each in listed)
    for each in listed:
        each.check()
    assert BaselineModel(DetectionConfig(), RollingZ(100)).observe(1.0, 1.0) == ()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    for sensor, spike in (("mill2019", 700), ("mill2020", 800), ("weir2019", 900)):
        each = series_of(sensor, (spike,))
        rows = [f"{time},{value}" for time, value in zip(each.times, each.values, strict=True)]
        (tmp_path / "data" / f"{sensor}.csv").write_text("time,temp\n" + "\n".join(rows) + "\n")
    rows = [
        f"{sensor},temp,{START + STEP * first},{START + STEP * (first + 4)}"
        for sensor, first in (("mill2019", 698), ("mill2020", 798), ("weir2019", 898))
    ]
    (tmp_path / "labels.csv").write_text("sensor_id,quantity,start,end\n" + "\n".join(rows) + "\n")
    return tmp_path


def weir(folder: Path, *more: str) -> Result:
    return CliRunner().invoke(main, ["score", str(folder), *more])


@pytest.mark.untraced
def test_the_command_scores_what_is_in_force_beside_its_rivals_by_site(folder) -> None:
    json_file, drawing = folder / "s.json", folder / "s.svg"
    result = weir(
        folder, "--json", str(json_file), "--svg", str(drawing), "--detector", 'LODA:{"n_bins": 10}'
    )
    assert result.exit_code == 0, result.output
    assert "4,500 values of 3 series" in result.output
    assert "3 labels in 3 events; by site: mill, weir" in result.output
    found = json.loads(json_file.read_bytes())
    by_name = {each["name"]: each for each in found["contenders"]}
    assert by_name["current"]["default"]["recall"] == 1.0
    assert by_name["current"]["folds"]["mill"]["events"] == 2
    assert by_name["null"]["default"]["raised"] == 0
    assert by_name["rolling z"]["default"] is None
    assert by_name["rolling z"]["budgets"][-1]["left_out"]["recall"] == 1.0
    assert drawing.read_bytes().startswith(b"<svg") and b"LODA" in drawing.read_bytes()


def test_the_same_figures_are_written_every_time(folder) -> None:
    files = [folder / "1.json", folder / "2.json"]
    for path in files:
        assert weir(folder, "--alone", "--json", str(path)).exit_code == 0
    assert files[0].read_bytes() == files[1].read_bytes()


def test_labels_that_cannot_be_found_are_told_or_refused(folder) -> None:
    labels = folder / "labels.csv"
    labels.write_text(labels.read_text() + f"mill2019,temp,{START - 9000},{START - 8000}\n")
    result = weir(folder, "--alone")
    assert result.exit_code == 0 and "1 labels lie outside" in result.output
    labels.write_text(labels.read_text() + f"brook,temp,{START},{START}\n")
    result = weir(folder, "--alone")
    assert result.exit_code == 2 and "brook/temp" in result.output and "--ignore-unmatched" in result.output
    result = weir(folder, "--alone", "--ignore-unmatched")
    assert result.exit_code == 0 and "1 labels are of series that are not there" in result.output


def test_labels_that_lie_among_the_series_are_no_series(folder) -> None:
    for path in (folder / "labels.csv", *(folder / "data").iterdir()):
        path.rename(folder / path.name)
    (folder / "data").rmdir()
    own = (folder / "labels.csv").rename(folder / "mine.csv")
    held = load_labelled(folder, str(own))
    assert [each.sensor_id for each in held.series] == ["mill2019", "mill2020", "weir2019"]
    assert (len(held.labels), held.unreadable) == (3, 0)


def test_what_cannot_be_scored_is_refused_with_the_remedy(folder, tmp_path) -> None:
    twice = weir(folder, "--config", "current", "--config", "current")
    assert twice.exit_code == 2 and "current" in twice.output
    unknown = weir(folder, "--detector", "Oracle")
    assert unknown.exit_code == 2 and "Oracle" in unknown.output
    (folder / "data" / "weir2019.csv").unlink()
    alone = weir(folder, "--ignore-unmatched")
    assert alone.exit_code == 2 and "one site only" in alone.output
    assert weir(folder, "--ignore-unmatched", "--by", "file", "--alone").exit_code == 0
    with pytest.raises(ConfigurationError, match=r"labels\.csv"):
        load_labelled(folder / "data")
    with pytest.raises(ConfigurationError, match="no folder"):
        load_labelled(folder / "nowhere")


def test_a_row_that_cannot_be_read_is_refused_unless_it_is_passed_over(folder) -> None:
    path = folder / "data" / "mill2019.csv"
    path.write_text(path.read_text() + "yesterday,3\n")
    with pytest.raises(WeirError, match=r"mill2019\.csv:1502.*--skip-unreadable"):
        load_labelled(folder)
    assert load_labelled(folder, skip_unreadable=True).unreadable == 1


def test_a_series_in_two_files_is_refused(folder) -> None:
    (folder / "data" / "more").mkdir()
    (folder / "data" / "more" / "mill2019.csv").write_text(f"time,temp\n{START},20\n")
    with pytest.raises(ConfigurationError, match="mill2019/temp stands in mill2019 and more/mill2019"):
        load_labelled(folder)
