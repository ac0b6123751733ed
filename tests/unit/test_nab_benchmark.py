"""The default detector on the labelled real series of the Numenta Anomaly Benchmark.

The files lie outside the project: `WEIR_NAB_DIR`, or `shared/nab` beside the repository. In CI they must be there.
"""

import os
import random
from pathlib import Path

import pytest
from click.testing import CliRunner

from agents.cli import main
from bridges.backtest.nab_files import load_corpus
from streams.detection.detection_config import NAB_RAISE_AT, DetectionConfig
from streams.nab.nab_rules import PROFILES, NabFile, nab_score, tally
from streams.nab.nab_run import evaluate, flags_at, run_file

pytestmark = pytest.mark.untraced

ROOT = Path(__file__).parents[2]
CONFIG = DetectionConfig(raise_at=NAB_RAISE_AT)


@pytest.fixture(scope="module")
def corpus() -> list[NabFile]:
    folder = Path(os.environ.get("WEIR_NAB_DIR") or ROOT.parent / "shared" / "nab")
    if not (folder / "labels" / "combined_windows.json").is_file():
        if os.environ.get("CI"):
            pytest.fail(f"the NAB files must be in {folder}")
        return []
    return load_corpus(folder)


def test_one_configuration_and_one_threshold_reach_the_promised_scores(corpus: list[NabFile]) -> None:
    if not corpus:
        return
    result = evaluate([run_file(file, CONFIG) for file in corpus], CONFIG)
    assert result.fixed["standard"] >= 70
    assert result.fixed["reward_low_FP_rate"] >= 57
    assert result.fixed["reward_low_FN_rate"] >= 76
    assert result.validated >= 66
    assert result.best["standard"] >= result.fixed["standard"] - 0.5


def test_the_default_that_an_operator_gets_reaches_half_of_the_benchmark(corpus: list[NabFile]) -> None:
    if not corpus:
        return
    assert nab_score(corpus, [run_file(file, DetectionConfig()).flagged for file in corpus]) >= 45


def test_a_fifth_of_the_readings_missing_costs_little(corpus: list[NabFile]) -> None:
    if not corpus:
        return
    whole = nab_score(corpus, [run_file(file, CONFIG).flagged for file in corpus])
    scores = []
    for seed in range(6):
        rng = random.Random(seed)
        flagged = []
        for file in corpus:
            kept = [row for row in range(len(file.times)) if rng.random() >= 0.2]
            thinned = NabFile(
                file.name, [file.times[row] for row in kept], [file.values[row] for row in kept], []
            )
            flagged.append([kept[row] for row in run_file(thinned, CONFIG).flagged])
        scores.append(nab_score(corpus, flagged))
    assert sum(scores) / len(scores) >= whole - 6.0


def test_only_past_rows_reach_the_detector(corpus: list[NabFile]) -> None:
    for file in corpus[:3]:
        half = len(file.times) // 2
        start = NabFile(file.name, file.times[:half], file.values[:half], [])
        assert run_file(start, CONFIG).nats == run_file(file, CONFIG).nats[:half]


def test_judging_a_run_anew_at_its_own_threshold_gives_the_same_flags() -> None:
    rng = random.Random(3)
    values = [rng.gauss(0, 1) + (20 if i % 700 == 699 else 0) for i in range(3000)]
    file = NabFile("made", [300.0 * i for i in range(3000)], values, [(690, 710)])
    run = run_file(file, CONFIG)
    assert flags_at(run, CONFIG, CONFIG.rules.raise_nats) == run.flagged != []


def test_the_rules_pay_early_flags_once_and_charge_every_false_one() -> None:
    file = NabFile("made", [float(i) for i in range(200)], [0.0] * 200, [(100, 119)])
    standard = PROFILES["standard"]
    assert tally(file, [], standard).raw == -1
    assert tally(file, [100], standard).raw == pytest.approx(1)
    assert tally(file, [100, 101, 119], standard).raw == tally(file, [100], standard).raw
    assert tally(file, [5, 50, 60, 100], standard).raw == pytest.approx(1 - 2 * 0.11)
    assert -0.11 < tally(file, [121], standard).raw + 1 < 0


def test_the_command_prints_a_line_for_each_detector(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "data" / "made").mkdir(parents=True)
    stamps = [f"2014-02-{1 + i // 288:02d} {i // 12 % 24:02d}:{5 * (i % 12):02d}:00" for i in range(2000)]
    rng = random.Random(1)
    lines = [f"{stamp},{rng.gauss(10, 1) + (30 if i == 1500 else 0)}" for i, stamp in enumerate(stamps)]
    (tmp_path / "data" / "made" / "a.csv").write_text("timestamp,value\n" + "\n".join(lines) + "\n")
    windows = f'{{"made/a.csv": [["{stamps[1490]}", "{stamps[1530]}"]]}}'
    (tmp_path / "labels" / "combined_windows.json").write_text(windows)
    arguments = [
        "nab",
        "--data",
        str(tmp_path),
        "--files",
        "--detector",
        "tailwatch",
        "--detector",
        'ADWIN:{"delta":0.01}',
    ]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "1 files, 2000 readings, 1 windows" in result.output
    assert "tailwatch" in result.output and "ADWIN" in result.output
    missing = CliRunner().invoke(main, ["nab", "--data", str(tmp_path / "none")])
    assert missing.exit_code == 2 and "WEIR_NAB_DIR" in missing.output
