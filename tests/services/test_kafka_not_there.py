"""Commands where Kafka is not: one line, at once, whatever they are about."""

import subprocess
import sys
from pathlib import Path

import pytest

from bridges.stack.child_process import free_port
from tests.support.patience import PATIENCE
from tests.support.worker_process import environment

COMMANDS = (
    ("anomalies",),
    ("alarms", "list"),
    ("tail", "readings"),
    ("devices", "list"),
    ("dead-letters", "list"),
    ("replay", "--verify"),
    ("reset", "--table", "models", "--yes"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_that_finds_no_kafka_says_so_in_one_line(command: tuple[str, ...], tmp_path: Path) -> None:
    away = f"127.0.0.1:{free_port()}"
    done = subprocess.run(
        [sys.executable, "-m", "agents", *command],
        env=environment({"WEIR_KAFKA__BROKERS": away}),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"Error: Kafka cannot be reached at {away}: start it, or set WEIR_KAFKA__BROKERS"
    ]
