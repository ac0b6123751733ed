"""A backtest gives the same bytes whatever the chunks, the processes and the order of partitions."""

import json
import math
from pathlib import Path

import pytest

from bridges.backtest.backtesting import Backtest
from bridges.backtest.html_report import page
from bridges.backtest.tracing import traces
from bridges.sources import Selection
from bridges.sources.file_source import FileSource
from streams.backtest.baselines import BASELINES, WindowedGaussian
from streams.backtest.configuration import Configuration
from streams.backtest.report import BacktestReport, encoded
from streams.backtest.runs import DetectionRun, WindowRun
from streams.records.types import Label, Reading, Tick, encode

START = 1_760_000_000.0
BEFORE = Configuration("before", {"size_seconds": 600.0}, {"raise_at": 0.9999999999999, "rest_seconds": 0.0})
AFTER = Configuration(
    "after",
    {"size_seconds": 600.0},
    {"raise_at": 0.999, "rest_seconds": 0.0, "clear_seconds": 600.0},
)


def value_at(index: int, sensor: int) -> float:
    noise = math.sin(index * 12.9898 + sensor * 78.233) * 43758.5453 % 1.0
    spike = 40.0 if index % 700 == 650 else 0.0
    return 20 + 3 * math.sin(index / 50) + noise + spike


def log(readings: int = 1500, sensors: int = 5) -> list[tuple[int, int, Reading | Tick]]:
    """A partition of `readings`, with duplicates, readings out of order, late readings, and ticks."""
    records: list[tuple[int, int, Reading | Tick]] = []
    for index in range(readings):
        now = START + 60.0 * index
        for sensor in range(sensors):
            late_by = 45.0 if index % 17 == 3 else 3000.0 if index % 211 == 5 else 0.0
            reading = Reading(f"s{sensor}", now - late_by, {"temperature": value_at(index, sensor)})
            records.append((len(records), round(now * 1000), reading))
            if index % 97 == 0:
                records.append((len(records), round(now * 1000), reading))
        if index % 10 == 0:
            records.append((len(records), round(now * 1000), Tick(now)))
    return records


def results_of(records, cut: int) -> tuple[list[bytes], dict[str, bytes], dict[str, bytes]]:
    emitted: list[bytes] = []
    windows = WindowRun(AFTER.policy(), emit=lambda _, result: emitted.append(encode(result)))
    detection = DetectionRun(AFTER.plan(), emit=lambda _, result: emitted.append(encode(result)))
    for at in range(0, len(records), cut):
        windows.apply(0, records[at : at + cut])
        detection.apply(0, records[at : at + cut])
    windows.close()
    return emitted, windows.results().digests, detection.results().digests


def test_results_do_not_depend_on_how_the_log_is_cut_into_chunks() -> None:
    records = log()
    whole, windows, detection = results_of(records, len(records))
    pieces, piecewise_windows, piecewise_detection = results_of(records, 7)
    assert sorted(whole) == sorted(pieces)
    assert any(b'"watermark"' in each for each in whole), "the log must have late readings"
    assert any(b'"raised_at"' in each for each in whole), "the log must have anomalies"
    assert windows == piecewise_windows
    assert detection == piecewise_detection


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "hall.jsonl"
    path.write_bytes(b"".join(encode(record) + b"\n" for _, _, record in log()))
    return path


def report_of(recording: Path, processes: int) -> tuple[bytes, bytes]:
    source = FileSource.open(recording, Selection())
    backtest = Backtest(source, (BEFORE, AFTER), baselines=True)
    outcome = backtest.run(processes)
    labels = [Label("s1", "temperature", START + 60.0 * 645, START + 60.0 * 655, "spike")]
    report = BacktestReport(outcome, (BEFORE, AFTER), labels)
    data = report.data(source.describe(), {}, "test")
    return encoded(data), page(data, traces(backtest, data["ranking"][:2]))


def test_report_and_page_have_the_same_bytes_for_any_number_of_processes(recording) -> None:
    assert report_of(recording, 1) == report_of(recording, 3)


def test_the_page_holds_everything_and_asks_nobody_for_more(recording) -> None:
    _, html = report_of(recording, 1)
    text = html.decode()
    for address in ("http://", "https://", "src=", "href=", "@import", "url("):
        outside = text.replace("http://www.w3.org/2000/svg", "").replace("url(#${clip})", "")
        assert address not in outside, f"the page refers to something outside of itself: {address}"


def test_a_sensor_whose_name_ends_a_script_does_not_end_the_pages() -> None:
    data = {"ranking": [], "source": {"kind": "csv", "name": "</script><b>"}}
    html = page(data, []).decode()
    assert "</script><b>" not in html
    inside = html.split('<script type="application/json" id="data">')[1].split("</script>")[0]
    assert json.loads(inside)["source"]["name"] == "</script><b>"


def test_a_lower_threshold_shows_more_anomalies_and_the_difference_names_them(recording) -> None:
    data = json.loads(report_of(recording, 1)[0])
    before, after = data["configurations"]
    assert after["figures"]["anomalies"] > before["figures"]["anomalies"]
    assert data["differences"][0]["appeared"]
    assert data["labels"][0]["sensor_id"] == "s1"
    assert {each["name"] for each in data["baselines"]} == set(BASELINES)
    assert data["baselines"][0]["figures"]["anomalies"] == 0


def test_configurations_with_the_same_windows_share_one_run_of_them(recording) -> None:
    outcome = Backtest(FileSource.open(recording, Selection()), (BEFORE, AFTER)).run()
    assert len(outcome.windows) == 1
    assert len(outcome.detections) == 2
    assert outcome.windows[BEFORE.windows_key].late > 0


def test_the_rolling_gaussian_follows_its_window() -> None:
    gaussian = WindowedGaussian(warm_up=10, window=50)
    values = [math.sin(index * 1.7) * (1 + index / 100) + index / 30 for index in range(300)]
    for index, value in enumerate(values):
        gaussian.surprise(value, float(index))
    window = values[-50:]
    mean = sum(window) / 50
    variance = sum((value - mean) ** 2 for value in window) / 49
    assert gaussian._mean == pytest.approx(mean)
    assert gaussian._m2 / 49 == pytest.approx(variance)
