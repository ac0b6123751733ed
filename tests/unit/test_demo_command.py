"""The demo's folder: made anew each time, and never somebody else's."""

from pathlib import Path

import pytest

from agents.cli.commands.demo import begin_anew
from agents.cli.commands.simulator import scenario_of, simulator
from bridges.process.settings import SimulatorSettings
from bridges.stack.profiles import PROFILES
from streams.errors import ConfigurationError


def test_an_earlier_demo_leaves_nothing_that_could_be_counted(tmp_path: Path) -> None:
    data = tmp_path / "demo"
    begin_anew(data)
    (data / "kafka").mkdir()
    (data / "kafka" / "log").write_text("readings")
    (data / "stack.env").write_text("")
    begin_anew(data)
    assert not (data / "kafka").exists()
    assert not (data / "stack.env").exists()


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigurationError, match="holds something else"):
        begin_anew(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_the_finite_demo_is_the_recording_with_fifty_sensors_beside_it() -> None:
    context = simulator.make_context("simulator", list(PROFILES["demo-once"].sensor_arguments))
    scenario = scenario_of(context.params, SimulatorSettings())
    sent = scenario.totals()
    assert (sent.sensors, sent.values["flow"], sent.readings) == (51, 1268, 69_811)
    assert scenario.until == scenario.recorded_until


def test_the_endless_demo_has_the_recording_and_no_end() -> None:
    context = simulator.make_context("simulator", list(PROFILES["demo"].sensor_arguments))
    scenario = scenario_of(context.params, SimulatorSettings())
    assert scenario.until is None
    assert scenario.recorded == ("waterflow",)
