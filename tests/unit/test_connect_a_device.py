"""The commands of docs/howto/connect-a-device.md, run as they stand there, give the output that stands there."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from agents.cli import main
from bridges.process.detection_settings import DetectionSettings
from tests.support.documented import lines_like

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "connect-a-device.md").read_text(encoding="utf-8")

FINGERPRINTS = re.compile(r"[0-9a-f]+…")


def test_the_commands_of_the_page_give_the_output_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    greenhouse, counters = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert DetectionSettings.model_validate(tomllib.loads(counters)["detection"]).series
    Path("maps").mkdir()
    Path("maps/greenhouse.toml").write_text(greenhouse, encoding="utf-8")
    ran = 0
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL):
        for command, expected in re.findall(r"^\$ weir (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            said = CliRunner().invoke(main, shlex.split(command)).output
            assert lines_like(FINGERPRINTS.sub("…", expected), said, exact=True) == [], said
            assert said.count("\n") == expected.count("\n"), said
            ran += 1
    assert ran == 7
