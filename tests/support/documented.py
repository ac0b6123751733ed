"""Commands that stand in the documentation, as a reader copies them, and what is said to come of them.

Commands stand in blocks of ``sh`` (what comes of them in a block without a language behind it, if anything) and of
``console`` (each behind ``$``, followed by what comes of it).
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.patience import PATIENCE

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_HEREDOC = re.compile(r"<<'(\w+)'")


@dataclass(frozen=True)
class Command:
    """A command of a page.

    Args:
        page: The page, from the root of the repository.
        text: The command; several lines if it is continued or has a document in it.
        output: What the page says comes of it; empty if it says nothing.
    """

    page: str
    text: str
    output: str = ""


def blocks_of(page: str) -> list[tuple[str, str]]:
    """Return language and content of each fenced block of a page."""
    return _BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))


def commands_of(page: str) -> list[Command]:
    """List the commands of a page, in order."""
    found: list[Command] = []
    before = ""
    for language, content in blocks_of(page):
        if language == "sh":
            found += [Command(page, text) for text in _split(content)]
        elif language == "console":
            for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", content, re.MULTILINE):
                found.append(Command(page, command, output))
        elif not language and before == "sh":
            found[-1] = Command(page, found[-1].text, content)
        before = language
    return found


def command_of(page: str, beginning: str) -> Command:
    """Return the one command of a page that begins so."""
    found = [each for each in commands_of(page) if each.text.startswith(beginning)]
    assert len(found) == 1, f"{page} has {len(found)} commands that begin with {beginning!r}"
    return found[0]


def _split(block: str) -> list[str]:
    """Split a block of shell into commands."""
    commands: list[str] = []
    waiting_for = ""
    for line in block.splitlines():
        if waiting_for or (commands and commands[-1].endswith("\\")):
            commands[-1] += "\n" + line
            if line == waiting_for:
                waiting_for = ""
        elif line.strip():
            commands.append(line)
            if found := _HEREDOC.search(line):
                waiting_for = found[1]
    return commands


def lines_like(expected: str, found: str, *, exact: bool = False) -> list[str]:
    """Return the lines that should be in an output, in this order, and are not; the number of blanks does not matter.

    Args:
        expected: What the documentation shows; ``…`` stands for anything.
        found: What came.
        exact: Whether numbers must be equal; otherwise any number does where one is shown.
    """
    rest = iter([" ".join(line.split()) for line in found.splitlines()])
    wanted = [" ".join(line.split()) for line in expected.splitlines() if line.strip()]
    return [line for line in wanted if not any(_pattern(line, exact).fullmatch(each) for each in rest)]


def _pattern(line: str, exact: bool) -> re.Pattern[str]:
    pattern = re.escape(line).replace("…", ".*")
    return re.compile(pattern if exact else re.sub(r"(?:\\[-.]|[\d,])*\d", r"[-\\d.,]+", pattern))


def run_commands(page: str, folder: Path) -> None:
    """Run the commands of a page, one after the other, and hold that each says what the page shows.

    Args:
        page: The page, from the root of the repository.
        folder: Where they run.
    """
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    for command in commands_of(page):
        done = subprocess.run(
            ["bash", "-c", command.text],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert done.returncode == 0, f"{command.text}\n{said}"
        assert lines_like(command.output, said) == [], f"{command.text}\n{said}"
