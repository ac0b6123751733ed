"""The commands of docs/howto/try-a-limit.md, as they stand there, one after the other."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from tests.support.documented import ROOT, commands_of, lines_like

PAGE = "docs/howto/try-a-limit.md"


def test_the_commands_of_the_page_say_what_it_shows(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    for command in commands_of(PAGE):
        done = subprocess.run(
            ["bash", "-c", command.text],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert done.returncode == 0, f"{command.text}\n{said}"
        assert lines_like(command.output, said) == [], f"{command.text}\n{said}"
    assert ElementTree.parse(tmp_path / "later.svg").getroot().tag.endswith("svg")
