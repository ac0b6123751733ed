"""The commands of docs/howto/try-a-limit.md, as they stand there, one after the other."""

from pathlib import Path
from xml.etree import ElementTree

from tests.support.documented import run_commands

PAGE = "docs/howto/try-a-limit.md"


def test_the_commands_of_the_page_say_what_it_shows(tmp_path: Path) -> None:
    run_commands(PAGE, tmp_path)
    assert ElementTree.parse(tmp_path / "later.svg").getroot().tag.endswith("svg")
