"""A threshold is found on earlier readings and reported on later ones, never on the same."""

import math
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from agents.cli import main
from bridges.backtest.configuration_files import read
from bridges.backtest.threshold_search import Tuning
from bridges.process.settings import Settings
from bridges.process.toml_text import toml_of
from bridges.sources import Selection
from bridges.sources.file_source import FileSource
from streams.backtest.configuration import Configuration
from streams.backtest.evaluation import Burden, Evaluation
from streams.backtest.tuning import Trial, best, between, parse_budget, with_threshold
from streams.errors import ConfigurationError
from streams.records.types import Label, Reading, encode

pytestmark = pytest.mark.untraced

START = 1_760_000_000.0
SPLIT = START + 300.0 * 3000
BASE = Configuration("base", {}, {"rest_seconds": 0.0, "lift_nats": 0.0})
DAILY = parse_budget("at most 3 alarms per sensor per day")
SELDOM = parse_budget("at most 0.5 alarms per sensor per day")


def recording(path: Path, spikes_after_split: int = 3) -> Path:
    """A sensor with spikes of different heights: 3,000 readings before the split and 2,000 after it."""
    spikes = {600: 8.0, 1200: 12.0, 1800: 20.0, 2400: 40.0, 2700: 80.0}
    spikes |= {3200 + 1500 // spikes_after_split * number: 30.0 for number in range(spikes_after_split)}
    lines = []
    for index in range(5000):
        noise = math.sin(index * 12.9898) * 43758.5453 % 1.0
        value = 20 + 2 * noise + math.sin(index / 200) + spikes.get(index, 0.0)
        lines.append(encode(Reading("boiler-1", START + 300.0 * index, {"temperature": value})) + b"\n")
    path.write_bytes(b"".join(lines))
    return path


def tuned(path: Path, labels: list[Label] | None = None, budget: str = SELDOM.text):
    source = FileSource.open(path, Selection())
    return Tuning(source, BASE, parse_budget(budget), labels, split=SPLIT).run()


@pytest.mark.parametrize(
    ("text", "per_day"),
    [
        ("at most 2 alarms per sensor per week", 2 / 7),
        ("At most 1 alarm a sensor  per month", 1 / 30),
        ("0.5 anomalies per sensor per day", 0.5),
        ("at most 24 raises per sensor per hour", 576),
    ],
)
def test_a_budget_reads_as_it_is_written(text: str, per_day) -> None:
    assert parse_budget(text).per_sensor_day == pytest.approx(per_day)


@pytest.mark.parametrize(
    "text", ["", "2", "few alarms", "at most -1 alarms per sensor per day", "2 alarms per week"]
)
def test_a_budget_that_is_not_understood_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigurationError, match="at most 2 alarms per sensor per week"):
        parse_budget(text)


def trial(nats: float, alarms: int, f1: tuple[int, int, int] | None = None) -> Trial:
    verdict = None
    if f1 is not None:
        labels, found, false = f1
        verdict = Evaluation(labels=labels, found=found, true=found, false=false)
    return Trial(with_threshold(BASE, nats), nats, Burden(alarms, 1.0, 0.0, 0, 0), verdict)


def test_without_labels_the_most_sensitive_threshold_within_the_budget_is_chosen() -> None:
    trials = [trial(5, 9), trial(6, 1), trial(7, 5), trial(8, 1), trial(9, 0)]
    chosen = best(trials, DAILY)
    assert chosen is not None
    assert chosen.nats == 8, "6 keeps to the budget by chance: 7, less sensitive, does not"
    assert best(trials[:1], DAILY) is None


def test_with_labels_the_best_f1_within_the_budget_is_chosen() -> None:
    trials = [trial(5, 9, (4, 4, 0)), trial(7, 1, (4, 3, 0)), trial(8, 1, (4, 2, 0)), trial(9, 0, (4, 0, 0))]
    chosen = best(trials, DAILY)
    assert chosen is not None
    assert chosen.nats == 7


@given(st.lists(st.floats(4.6, 27, allow_nan=False), min_size=2, max_size=10, unique=True), st.data())
def test_a_closer_look_stays_between_the_neighbours(ladder, data) -> None:
    trials = [trial(nats, 0) for nats in ladder]
    chosen = data.draw(st.sampled_from(trials))
    others = sorted(ladder)
    at = others.index(chosen.nats)
    for nats in between(trials, chosen):
        assert others[max(0, at - 1)] <= nats <= others[min(len(others) - 1, at + 1)]


def test_what_limits_raise_has_no_say_in_the_choice_of_a_threshold(tmp_path: Path) -> None:
    source = FileSource.open(recording(tmp_path / "hall.jsonl"), Selection())
    limited = replace(BASE, detection={**BASE.detection, "high": 1000.0, "fall_per_hour": 1.0})
    free, told = (Tuning(source, base, SELDOM, None, split=SPLIT).run() for base in (BASE, limited))
    assert [trial.burden for trial in told.trials] == [trial.burden for trial in free.trials]
    assert (told.chosen.nats, told.held_out.burden) == (free.chosen.nats, free.held_out.burden)


def test_the_tuned_threshold_keeps_to_the_budget_where_it_was_found(tmp_path: Path) -> None:
    result = tuned(recording(tmp_path / "hall.jsonl"))
    assert result.chosen is not None
    assert result.held_out is not None
    assert 0 < result.chosen.burden.alarms_per_sensor_day <= SELDOM.per_sensor_day
    assert result.held_out.burden.sensor_days == pytest.approx(2000 / 288, rel=0.01)
    assert result.held_out.burden.anomalies == 3


def test_readings_that_are_held_out_have_no_say_in_what_is_chosen(tmp_path: Path) -> None:
    quiet = tuned(recording(tmp_path / "quiet.jsonl", spikes_after_split=1))
    wild = tuned(recording(tmp_path / "wild.jsonl", spikes_after_split=30))
    assert quiet.chosen is not None
    assert wild.chosen is not None
    assert quiet.chosen.configuration == wild.chosen.configuration
    assert quiet.held_out.burden.anomalies < wild.held_out.burden.anomalies


def spike(index: int) -> Label:
    return Label("boiler-1", "temperature", START + 300.0 * index - 5, START + 300.0 * index + 5, "spike")


def test_labels_on_both_sides_of_the_split_are_needed(tmp_path: Path) -> None:
    path = recording(tmp_path / "hall.jsonl")
    before = [spike(at) for at in (600, 1200, 1800, 2400, 2700)]
    after = [spike(at) for at in (3200, 3700, 4200)]
    with pytest.raises(ConfigurationError, match=r"5 labels lie before the split .* and 0 after it"):
        tuned(path, before)
    result = tuned(path, before + after)
    assert result.chosen is not None
    assert result.chosen.verdict.f1 > 0.5
    assert result.held_out.verdict.recall > 0.5
    assert result.held_out.verdict.labels == 3


def test_the_command_writes_settings_that_a_backtest_reads(tmp_path: Path) -> None:
    path = recording(tmp_path / "hall.jsonl")
    written = tmp_path / "tuned.toml"
    arguments = ["tune", "--source", str(path), "--split", str(SPLIT), "--write", str(written), "--budget"]
    result = CliRunner().invoke(main, [*arguments, SELDOM.text])
    assert "chosen: raise_at" in result.output, result.output
    assert "on the held-out readings" in result.output
    assert 0.98 < read(written, Settings()).plan().default.raise_at < 1
    result = CliRunner().invoke(main, [*arguments, "at most 0 alarms per sensor per year"])
    assert result.exit_code == 3
    assert "no threshold keeps to the budget" in result.output


def test_a_series_with_a_threshold_of_its_own_keeps_it() -> None:
    base = Configuration(
        "base", {}, {"raise_at": 0.99, "series": {"a*/t": {"raise_at": 0.5, "clear_at": 0.4}}}
    )
    plan = with_threshold(base, 10.0).plan()
    assert plan.config_for("a1", "t").raise_at == 0.5
    assert plan.config_for("b1", "t").raise_at == pytest.approx(1 - math.exp(-10))


plain = st.one_of(
    st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), st.text()
)


@given(
    st.dictionaries(
        st.text(min_size=1),
        st.one_of(plain, st.lists(plain), st.dictionaries(st.text(min_size=1), plain, min_size=1)),
    )
)
def test_written_toml_reads_back_as_it_was(values) -> None:
    assert tomllib.loads(toml_of(values)) == values
