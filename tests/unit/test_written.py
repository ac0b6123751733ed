"""Folders that hold what is nobody else's business."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridges.process.written import private_folder
from streams.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_data_folder_and_those_above_it_that_are_made_are_for_their_user_alone(tmp_path: Path) -> None:
    data = tmp_path / ".weir" / "demo" / "kafka"
    private_folder(data)
    private_folder(data)
    assert [mode(each) for each in (data, data.parent, data.parent.parent)] == [0o700] * 3


def test_a_folder_that_an_earlier_version_left_open_is_closed_and_others_are_not_touched(
    tmp_path: Path,
) -> None:
    ours, theirs = tmp_path / ".weir", tmp_path / "srv"
    for each in (ours, theirs):
        each.mkdir()
        private_folder(each / "worker")
    assert (mode(ours), mode(theirs)) == (0o700, 0o755)


def test_a_file_in_the_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(ConfigurationError, match=r"cannot make the folder .*data, name another"):
        private_folder(tmp_path / "data")
