"""`weir backtest` at the command line: exit codes, and no half report."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agents.cli import main
from streams.backtest.outcome import ALWAYS, BY_LABELS
from streams.records.types import Reading, Tick, encode

START = 1_760_000_000.0


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "hall.jsonl"
    rows = []
    for index in range(1200):
        value = 60.0 if index in (700, 1100) else 20.0 + (index * 7919 % 100) / 100
        rows.append(encode(Reading("boiler-1", START + 60.0 * index, {"temperature": value})) + b"\n")
    path.write_bytes(b"".join(rows))
    (tmp_path / "b.toml").write_text("[detection]\nraise_at = 0.999\n")
    (tmp_path / "labels.csv").write_text(
        f"sensor_id,quantity,start,end\nboiler-1,temperature,{START + 60 * 699},{START + 60 * 705}\n"
    )
    return path


def weir(recording: Path, *more: str) -> Result:
    folder = recording.parent
    return CliRunner().invoke(
        main, ["backtest", "--config", str(folder / "b.toml"), "--source", str(recording), *more]
    )


def test_it_compares_a_configuration_with_the_settings_in_force(recording) -> None:
    json_file, page = recording.with_name("b.json"), recording.with_name("b.html")
    result = weir(
        recording, "--labels", str(recording.with_name("labels.csv")), "--baselines",
        "--json", str(json_file), "--html", str(page),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "current → b" in result.output
    assert "windowed-gaussian" in result.output
    assert "recall" in result.output
    assert json_file.read_bytes().startswith(b"{")
    assert page.read_bytes().startswith(b"<!doctype html>")


def test_a_silence_is_tried_where_ticks_say_that_somebody_listened_and_otherwise_it_is_said(
    recording,
) -> None:
    recording.with_name("b.toml").write_text("[detection]\nsilent_after_seconds = 3000\n")
    result = weir(recording)
    assert "b: silence was not tried" in result.output
    with recording.open("ab") as file:
        for minute in range(1200, 1300):
            file.write(encode(Tick(START + 60.0 * minute, steady=3600)) + b"\n")
    result = weir(recording)
    assert "silence was not tried" not in result.output
    assert "appear 1, vanish 0" in result.output


def test_a_gate_that_does_not_hold_gives_exit_code_3(recording) -> None:
    labels = str(recording.with_name("labels.csv"))
    assert weir(recording, "--labels", labels, "--gate", "recall>=1").exit_code == 0
    result = weir(recording, "--labels", labels, "--gate", "recall>=1 and anomalies<1")
    assert result.exit_code == 3
    assert "gate does not hold: recall>=1 and anomalies<1" in result.output


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (["--gate", "recall>=0.8"], "no figure is called 'recall'"),
        (["--gate", "b.recal>=0.8"], "no figure is called 'b.recal'"),
        (["--config", "nowhere.toml"], "cannot read configuration nowhere.toml"),
        (["--labels", "nowhere.csv"], "cannot read labels nowhere.csv"),
        (["--from", "2020-01-01", "--to", "2020-01-02"], "no readings from 2020-01-01"),
        (["--sensors", "pump-*"], "no readings of sensors pump-*"),
        (["--by", "offset"], "a file has no offsets"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(recording, more, complaint) -> None:
    page = recording.with_name("b.html")
    result = weir(recording, "--html", str(page), *more)
    assert result.exit_code in (1, 2)
    assert complaint in result.output
    assert not page.exists()


def test_a_source_that_is_none_is_named(recording) -> None:
    recording.rename(recording.with_name("elsewhere.jsonl"))
    result = weir(recording)
    assert result.exit_code == 2
    assert f"no source '{recording}'" in result.output


def test_a_file_with_an_unreadable_row_gives_no_report_unless_told_to_pass_over_it(recording) -> None:
    recording.write_bytes(recording.read_bytes() + b'{"sensor_id": "boiler-1", "collected_at": "soon"}\n')
    page = recording.with_name("b.html")
    result = weir(recording, "--html", str(page))
    assert result.exit_code == 1
    assert "1 records cannot be read, the first is" in result.output
    assert "hall.jsonl:1201" in result.output
    assert not page.exists()
    result = weir(recording, "--html", str(page), "--skip-unreadable")
    assert result.exit_code == 0
    assert "1 unreadable passed over" in result.output


def test_every_figure_can_be_named_in_a_gate(recording) -> None:
    labels = str(recording.with_name("labels.csv"))
    gate = " or ".join(f"{name}>=0" for name in (*ALWAYS, *BY_LABELS))
    result = weir(recording, "--labels", labels, "--gate", gate)
    assert "gate holds" in result.output, result.output
