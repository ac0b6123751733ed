"""What the benchmarks share: an environment for the peers that Weir is measured against."""

import subprocess
import sys
from pathlib import Path

import pytest

collect_ignore_glob = ["peers/*.py"]  # run by pythons of their own

PEERS = Path(__file__).parent / "peers"


@pytest.fixture(scope="session")
def peers_python() -> Path:
    """A Python with Quix Streams and Bytewax, in an environment of their own: their needs are not Weir's."""
    folder = Path(__file__).parents[2] / ".weir" / "peers"
    python = folder / "bin" / "python"
    lock = PEERS / "requirements.lock"
    stamp = folder / "installed.lock"
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", lock], check=True
        )
        stamp.write_bytes(lock.read_bytes())
    return python
