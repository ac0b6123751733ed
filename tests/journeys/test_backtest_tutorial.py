"""The commands of the backtest tutorial, as a reader types them, one after the other."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from bridges.kafka.kafka_admin import KafkaAdmin
from bridges.process.settings import KafkaSettings, Settings
from tests.support.documented import commands_of, lines_like

ROOT = Path(__file__).parents[2]
TUTORIAL = "docs/tutorial/backtest.md"
NAB = Path(os.environ.get("WEIR_NAB_DIR", ROOT.parent / "shared" / "nab"))


def commands() -> str:
    """Return what stands in the tutorial's shell blocks."""
    found = commands_of(TUTORIAL)
    assert len(found) >= 13, "the tutorial has lost commands"
    return "\n".join(each.text for each in found)


def shown() -> str:
    """Return the output that the tutorial shows; what a reading costs (the last column) is another each time."""
    output = "".join(each.output for each in commands_of(TUTORIAL))
    return re.sub(r"^((?:current|lower) .*?)[\d.]+$", r"\1…", output, flags=re.MULTILINE)


@pytest.fixture
def terminal(tmp_path: Path, kafka: str, mongo: str, mongo_database: str) -> tuple[Path, dict[str, str]]:
    """A folder beside a running stack, and an environment in which ``weir`` is a command."""
    (tmp_path / ".weir").mkdir()
    addresses = {
        "WEIR_KAFKA__BROKERS": kafka,
        "WEIR_MONGO__URI": mongo,
        "WEIR_MONGO__DATABASE": mongo_database,
    }
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in addresses.items()]
    (tmp_path / ".weir" / "stack.env").write_text("".join(lines))
    weir = tmp_path / "bin" / "weir"
    weir.parent.mkdir()
    weir.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m agents "$@"\n')
    weir.chmod(0o755)
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("WEIR_") or name.startswith("WEIR_TEST_")
    }
    environment = {
        **clean,
        "PATH": f"{weir.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "WEIR_NAB_DIR": str(NAB),
    }
    return tmp_path, environment


@pytest.mark.usefixtures("busy_machine")
def test_the_commands_of_the_tutorial_work(terminal: tuple[Path, dict[str, str]], kafka: str) -> None:
    assert (NAB / "data").is_dir(), (
        f"the tutorial needs the Numenta Anomaly Benchmark at {NAB}: set WEIR_NAB_DIR"
    )
    folder, environment = terminal
    try:
        done = subprocess.run(
            ["bash", "-euxo", "pipefail", "-c", commands()],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=850, check=False,
        )  # fmt: skip
    finally:
        remove_topics(kafka)
    assert done.returncode == 0, done.stdout + done.stderr
    assert lines_like(shown(), done.stdout, exact=True) == [], done.stdout
    for said in ("current → lower", "chosen: raise_at", "exit code 3", "published into tutorial.", "removed"):
        assert said in done.stdout, f"nothing says {said!r}:\n{done.stdout}\n{done.stderr}"
    for name in ("report.html", "report.json", "nab.html", "tuned.toml"):
        assert (folder / name).stat().st_size > 50, f"{name} was not written"


def remove_topics(kafka: str) -> None:
    """Take the tutorial's topics out of the Kafka that all tests share."""
    admin = KafkaAdmin(Settings(kafka=KafkaSettings(brokers=kafka)))
    admin.delete_topics(list(admin.topics("tutorial.")))
