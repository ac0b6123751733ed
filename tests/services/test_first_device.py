"""The tutorial of the first device: its commands, word for word, against a bridge on a real broker."""

import os
import re
import shlex
import subprocess
import sys
from collections import Counter

import pytest

from streams.records.types import Reading, decode_reading
from streams.signals import DIALECTS, Fleet
from tests.services.bridge_kit import records_when
from tests.services.test_map_devices import StartBridge
from tests.support.documented import command_of, commands_of
from tests.support.patience import PATIENCE

PAGE = "docs/tutorial/first-device.md"
PUBLISHERS = [each.text for each in commands_of(PAGE) if each.text.startswith("weir simulator")]
SEED = re.compile(r"--seed (\d+)")


def run(command: str, mqtt: tuple[str, int], *, seconds: float = PATIENCE) -> str:
    environment = {**os.environ, "WEIR_MQTT__HOST": mqtt[0], "WEIR_MQTT__PORT": str(mqtt[1])}
    done = subprocess.run(
        [sys.executable, "-m", "agents", *shlex.split(command)[1:]],
        env=environment, capture_output=True, text=True, timeout=seconds, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("command", PUBLISHERS)
def test_the_publishers_of_the_tutorial_become_readings(
    command: str, start_bridge: StartBridge, unique_name: str, kafka: str, mqtt: tuple[str, int]
) -> None:
    bridge = start_bridge(WEIR_MQTT__TOPICS="sensors/#,labels/#,maps", WEIR_BRIDGE__UNMATCHED="ignore")
    dialect = DIALECTS[command.split()[3]]
    [seed] = SEED.findall(command)
    sensors = {
        dialect.sensor(each)
        for each in Fleet(sensors=3, start=0.0, interval=1.0, seed=int(seed)).sensor_ids()
    }

    assert "finished: 60 reading" in run(command, mqtt)

    found = [decode_reading(each.value()) for each in records_when(kafka, f"{unique_name}.readings", 60)]
    counted = Counter(
        each.sensor_id for each in found if isinstance(each, Reading) and each.sensor_id in sensors
    )
    assert set(counted) == sensors
    assert all(count >= 20 for count in counted.values())
    assert bridge.ledger()["balanced"]


def test_the_message_of_the_tutorial_is_explained(mqtt: tuple[str, int]) -> None:
    said = run(command_of(PAGE, "weir map try").text, mqtt)
    assert "temperature = -18.4" in said
    assert "passed over update" in said


def test_suggest_listens_as_long_as_the_tutorial_says(mqtt: tuple[str, int]) -> None:
    assert "messages" in run(command_of(PAGE, "weir map suggest").text, mqtt)
