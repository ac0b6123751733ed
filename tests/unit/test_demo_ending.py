"""What is not there yet is told from what is lost: a demo's last line and its exit code."""

import io
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from agents.cli.commands.demo import summarise
from agents.cli.demo_ending import EXIT_CODES, Ending, ending, sentence_of
from agents.cli.demo_watch import STALLED_SECONDS, STORE_SECONDS, DemoLedger
from bridges.audit.balance import Entry
from streams.signals import Totals

ROOT = Path(__file__).parents[2]
SENT = Totals(readings=100, values={"t": 100}, duplicates=0, malformed=0, labels=0, sensors=1)
ALL_IN_KAFKA = Entry("readings: sent to Kafka", 100, 100)
STORE_BEHIND = Entry("readings: Kafka to MongoDB", 100, 60, store=True)
STORE_FULL = Entry("readings: Kafka to MongoDB", 100, 100, store=True)
KAFKA_SHORT = Entry("readings: sent to Kafka", 100, 99)
TOO_MANY = Entry("readings: Kafka to MongoDB", 100, 101, store=True)


@pytest.mark.parametrize(
    ("entries", "complete", "stopped", "how"),
    [
        ([ALL_IN_KAFKA, STORE_FULL], True, False, Ending.BALANCES),
        ([ALL_IN_KAFKA, STORE_FULL], True, True, Ending.BALANCES),
        ([ALL_IN_KAFKA, STORE_BEHIND], True, False, Ending.UNFINISHED),
        ([KAFKA_SHORT, STORE_BEHIND], True, False, Ending.DIFFERS),
        ([ALL_IN_KAFKA, TOO_MANY], True, False, Ending.DIFFERS),
        ([KAFKA_SHORT], False, True, Ending.STOPPED),
        ([], False, True, Ending.STOPPED),
        ([], False, False, Ending.DIFFERS),
    ],
)
def test_how_a_demo_has_ended(entries: list[Entry], complete: bool, stopped: bool, how: Ending) -> None:
    assert ending(entries, complete=complete, stopped=stopped) is how


def test_only_what_is_lost_says_that_the_counts_do_not_balance() -> None:
    loud = [how for how in Ending if "DO NOT BALANCE" in sentence_of(how, [STORE_BEHIND])]
    assert loud == [Ending.DIFFERS]
    assert "40 documents" in sentence_of(Ending.UNFINISHED, [ALL_IN_KAFKA, STORE_BEHIND])
    assert [how for how, code in EXIT_CODES.items() if code == 0] == [Ending.BALANCES]


def ledger(entries: list[Entry], *, complete: bool, stopped: bool = False) -> DemoLedger:
    found = DemoLedger(Path(), SENT, slack=1.0)
    found.entries, found.complete, found.stopped = entries, complete, stopped
    return found


def test_a_store_that_stands_still_is_waited_for_with_the_reason_and_anything_else_is_not() -> None:
    behind = ledger([ALL_IN_KAFKA, STORE_BEHIND], complete=True)
    assert behind.patience(counted=True) == STORE_SECONDS
    assert behind.reason(counted=True, still=130) == (
        "waiting for MongoDB, which has taken nothing for 130 s: 40 documents are in Kafka and not stored yet"
    )
    assert "have not answered for 130 s" in behind.reason(counted=False, still=130)
    lost = ledger([KAFKA_SHORT, STORE_BEHIND], complete=True)
    assert (lost.patience(counted=True), lost.reason(counted=True, still=130)) == (STALLED_SECONDS, "")


def summary(found: DemoLedger) -> str:
    console = Console(file=io.StringIO(), width=200)
    summarise(console, found, SENT, seconds=3.0)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_ctrl_c_while_the_demo_starts_says_nothing_about_counts() -> None:
    told = summary(ledger([], complete=False, stopped=True))
    assert "BALANCE" not in told
    assert told.splitlines()[-1].startswith("stopped before the end")


def test_the_summary_of_a_store_that_is_behind_says_not_yet_and_one_of_a_loss_says_wrong() -> None:
    assert "not yet" in summary(ledger([ALL_IN_KAFKA, STORE_BEHIND], complete=True))
    assert "WRONG" not in summary(ledger([ALL_IN_KAFKA, STORE_BEHIND], complete=True))
    assert "WRONG" in summary(ledger([KAFKA_SHORT], complete=True))


def test_make_install_says_what_it_does() -> None:
    command = ["make", "--dry-run", "--always-make", "install"]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "installing Weir and its libraries" in lines
    assert "-m pip install --progress-bar off" in lines
