"""What the benchmarks share: the peers that Weir is measured against."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support import kafka_streams

collect_ignore_glob = ["peers/*.py"]  # run by pythons of their own

PEERS = Path(__file__).parent / "peers"
INSTALLED = Path(__file__).parents[2] / ".weir" / "peers"


@pytest.fixture(scope="session")
def peers() -> Iterator[Mapping[str, kafka_streams.Command]]:
    """Commands of the peers, which take brokers, topic and number of readings; Kafka Streams where there is a JDK."""
    python = _python()
    commands: dict[str, kafka_streams.Command] = {
        which: [python, PEERS / f"{which}_windows.py"] for which in ("quix", "bytewax")
    }
    commands["plain"] = [sys.executable, PEERS / "plain_windows.py"]
    with tempfile.TemporaryDirectory() as state:
        if command := kafka_streams.compiled(INSTALLED / "kafka-streams", Path(state)):
            commands["streams"] = command
        yield commands


def _python() -> Path:
    """Return a Python with Quix Streams and Bytewax, in an environment of their own: their needs are not Weir's."""
    python = INSTALLED / "bin" / "python"
    lock = PEERS / "requirements.lock"
    stamp = INSTALLED / "installed.lock"
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        subprocess.run([sys.executable, "-m", "venv", str(INSTALLED)], check=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", lock], check=True
        )
        stamp.write_bytes(lock.read_bytes())
    return python
