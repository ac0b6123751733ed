"""Every command of the README, the tutorials and the how-to pages is run by a test, as it stands there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.documented import ROOT, Command, blocks_of, commands_of, lines_like

PAGES = (
    "README.md",
    *(str(page.relative_to(ROOT)) for page in sorted(ROOT.glob("docs/tutorial/*.md"))),
    *(str(page.relative_to(ROOT)) for page in sorted(ROOT.glob("docs/howto/*.md"))),
)
ALL = "all of them"

DEMO = "tests/journeys/test_demo_once.py"
FIRST = "tests/journeys/test_first_anomaly_tutorial.py"
BACKTEST = "tests/journeys/test_backtest_tutorial.py"
COMMANDS = "tests/journeys/test_documented_commands.py"
DECODER = "tests/unit/test_write_a_decoder.py"
LIMIT = "tests/unit/test_try_a_limit.py"
ELSEWHERE = "tests/unit/test_rules_elsewhere.py"
PEERS = "tests/unit/test_compare_peers.py"
DEVICE = "tests/unit/test_connect_a_device.py"
FIRST_DEVICE = "tests/services/test_first_device.py"
REDRIVE = "tests/services/test_redrive.py"
ANSWERED = "tests/worker/test_alarms_answered.py"
CONTAINERS = "tests/containers/verify.sh"

RUN_BY: dict[str, dict[str, str]] = {
    "README.md": {
        "make demo   ": DEMO,
        "make demo ARGS=--once": DEMO,
        "make test": ".ci/run",
        "docker compose": CONTAINERS,
        "weir notify": ANSWERED,
        **dict.fromkeys(
            ("weir up", "weir doctor", "weir status", "weir worker", "weir bridge", "weir map try", "weir simulator",
             "weir replay --verify", "weir backtest", "weir tune"),
            COMMANDS,
        ),
    },
    "docs/tutorial/first-anomaly.md": {
        "make demo": DEMO,
        ".venv/bin/weir up": FIRST,
        ".venv/bin/weir doctor": FIRST,
        "mosquitto_pub": FIRST,
        ".venv/bin/weir simulator": FIRST,
    },
    "docs/tutorial/backtest.md": {ALL: BACKTEST},
    "docs/tutorial/first-device.md": {ALL: FIRST_DEVICE},
    "docs/howto/redrive-dead-letters.md": {ALL: REDRIVE},
    "docs/howto/be-told.md": {ALL: ANSWERED},
    "docs/howto/connect-a-device.md": {
        "WEIR_MQTT__HOST=broker": COMMANDS,
        "WEIR_MQTT__MAPS": COMMANDS,
        "weir map": DEVICE,
    },
    "docs/howto/write-a-decoder.md": {ALL: DECODER},
    "docs/howto/try-a-limit.md": {ALL: LIMIT},
    "docs/howto/rules-from-elsewhere.md": {ALL: ELSEWHERE},
    "docs/howto/compare-peers.md": {ALL: PEERS},
    "docs/howto/local-stack.md": {
        **dict.fromkeys(("weir up", "weir doctor", "set -a;", "WEIR_WEB__PORT=3001"), COMMANDS)
    },
    "docs/howto/replay.md": {ALL: COMMANDS},
    "docs/howto/look.md": {ALL: COMMANDS},
    # With Docker; names, passwords and ports are those of the project under test.
    "docs/howto/deploy.md": {ALL: CONTAINERS},
    "docs/howto/scale.md": {ALL: CONTAINERS},
}  # fmt: skip
"""By page and beginning of the command: the file that runs it."""


def runners(command: Command) -> list[str]:
    """Return the files that run a command."""
    table = RUN_BY.get(command.page, {})
    return [
        where for beginning, where in table.items() if beginning == ALL or command.text.startswith(beginning)
    ]


def commands() -> Iterator[Command]:
    """Yield every command of every page."""
    for page in PAGES:
        yield from commands_of(page)


def test_every_command_of_the_pages_is_run_by_one_test() -> None:
    wrong = {f"{each.page}: {each.text}": runners(each) for each in commands() if len(runners(each)) != 1}
    assert wrong == {}


def test_the_test_that_is_named_for_a_command_asks_the_page_for_it() -> None:
    for page, table in RUN_BY.items():
        assert commands_of(page), f"{page} has no commands: take it out of the table"
        for beginning, where in table.items():
            text = Path(ROOT / where).read_text(encoding="utf-8")
            if where in (CONTAINERS, ".ci/run"):
                assert beginning == ALL or beginning.split()[0] in text
                continue
            assert page in text or Path(page).name in text, f"{where} does not read {page}"
            assert beginning == ALL or f'"{beginning}' in text or where == DEVICE, (
                f"{where} does not run {beginning!r}"
            )
            assert any(runners(each) == [where] for each in commands_of(page)), f"{page} has no {beginning!r}"


@pytest.mark.parametrize("page", PAGES)
def test_commands_stand_in_blocks_that_say_so(page: str) -> None:
    first = (
        "weir ",
        "$ weir",
        "make ",
        "docker ",
        "python3 ",
        "curl ",
        "mosquitto_pub ",
        ".venv/bin/",
        "faust ",
    )
    hidden = [
        line
        for language, content in blocks_of(page)
        if language not in ("sh", "console")
        for line in content.splitlines()
        if line.startswith(first)
    ]
    assert hidden == [], "a block of commands is marked sh or console"


def test_lines_are_compared_with_any_number_where_one_is_shown_and_in_order() -> None:
    assert (
        lines_like("1,204 records\n  a:  2 equal…", "noise\n7 records\nmore\n a: -3.5 equal, 0 differ\n")
        == []
    )
    assert lines_like("1 record\n2 more", "2 more\n1 record") == ["2 more"]
    assert lines_like("7 records", "8 records", exact=True) == ["7 records"]
    assert lines_like("done", "") == ["done"]
