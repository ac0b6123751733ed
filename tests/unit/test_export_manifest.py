"""The manifest of an export: what it cannot go on with is refused in a sentence that names the file."""

from pathlib import Path
from shutil import rmtree

import pytest

from bridges.export.export_manifest import NAME, ExportedSensor, Manifest
from streams.errors import ConfigurationError

ASKED = {"collection": "readings"}


def test_an_export_goes_on_after_the_last_sensor_that_is_whole(tmp_path: Path) -> None:
    manifest = Manifest.open(tmp_path, ASKED)
    manifest.begin("a")
    manifest.end("a", ExportedSensor(3, 3), [], "")
    manifest.begin("b")
    with (tmp_path / NAME).open("ab") as file:
        file.write(b'{"sensor": "b", "he')
    again = Manifest.open(tmp_path, ASKED)
    assert (again.sensors, again.unfinished) == ({"a": ExportedSensor(3, 3)}, "b")


@pytest.mark.parametrize(
    "text",
    ["no JSON\n", "[]\n", '"asked"\n', '{"asked": {"collection": "readings"}}\n{"sensor": "a"}\n', "\xff\n"],
)
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_bytes(text.encode("latin-1"))
    with pytest.raises(
        ConfigurationError, match=f"{NAME} is no manifest of an export.*choose another folder"
    ):
        Manifest.open(tmp_path, ASKED)


def test_a_manifest_that_cannot_be_written_any_more_is_said(tmp_path: Path) -> None:
    manifest = Manifest.open(tmp_path / "out", ASKED)
    rmtree(tmp_path / "out")
    with pytest.raises(ConfigurationError, match=f"cannot write .*{NAME}"):
        manifest.begin("a")
