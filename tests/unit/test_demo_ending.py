"""What is not there yet is told from what is lost: a demo's last line and its exit code."""

import io
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import cast

import pytest
from rich.console import Console

from agents.cli.commands.demo import summarise
from agents.cli.demo_ending import EXIT_CODES, Ending, ending, sentence_of
from agents.cli.demo_watch import STALLED_SECONDS, STORE_SECONDS, DemoLedger
from bridges.audit.audit import Audit
from bridges.audit.balance import Entry
from bridges.simulator.recordings import WATERFLOW
from bridges.stack.supervisor import State, Supervisor
from streams.records.types import Anomaly, encode
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


class _Supervisor:
    """The simulator has finished; keeps what is told."""

    def __init__(self) -> None:
        self.all = [SimpleNamespace(part=SimpleNamespace(name="simulator"), state=State.DONE)]
        self.told: list[str] = []

    def wait(self, _: float) -> bool:
        return False

    def tell(self, line: str) -> None:
        self.told.append(line)


class _Audit:
    """All has come in one look, an anomaly of the recorded sensor with it."""

    stored: Mapping[str, int] = MappingProxyType({})

    def __init__(self) -> None:
        anomaly = Anomaly(
            "a1", WATERFLOW, "flow", "raised", 1651068000.0, 1651068000.0, 1.0, 9.5, None, 60.0, None,
            direction="below", cause="limit", seen=93,
        )  # fmt: skip
        self.published = SimpleNamespace(of=lambda _: {(0, 7): encode(anomaly)})

    def catch_up(self, _: float) -> bool:
        return True

    def count_exactly(self) -> bool:
        return True


def test_what_comes_with_the_look_that_balances_is_told_before_the_end() -> None:
    supervisor = _Supervisor()
    found = ledger([ALL_IN_KAFKA, STORE_FULL], complete=True)
    found._look(cast(Supervisor, supervisor), cast(Audit, _Audit()))
    raised, end = supervisor.told
    assert raised.startswith(f"anomaly raised: {WATERFLOW}/flow at 2022-04-27T14:00Z")
    assert end == "everything that was sent has arrived, and all counts balance"


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
