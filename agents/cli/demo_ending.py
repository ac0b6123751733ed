"""How a finite demo ended: what is not there yet is told from what is lost.

every hop balances                                   balances      exit 0
stopped before that (Ctrl-C)                         stopped       exit 130   nothing can be said
all of it is in Kafka, MongoDB has not yet all       unfinished    exit 1     nothing is lost
anything else                                        differs       exit 1
"""

from collections.abc import Sequence
from enum import StrEnum

from bridges.audit.balance import Entry


class Ending(StrEnum):
    """How it ended."""

    BALANCES = "balances"
    STOPPED = "stopped"
    UNFINISHED = "unfinished"
    DIFFERS = "differs"


EXIT_CODES = {Ending.BALANCES: 0, Ending.STOPPED: 130, Ending.UNFINISHED: 1, Ending.DIFFERS: 1}


def ending(entries: Sequence[Entry], *, complete: bool, stopped: bool) -> Ending:
    """Tell how a demo ended.

    Args:
        entries: The comparisons of the last look; empty before the first.
        complete: All was sent.
        stopped: Somebody asked for the end before it had come.
    """
    if complete and entries and all(entry.balances for entry in entries):
        return Ending.BALANCES
    if stopped:
        return Ending.STOPPED
    return Ending.UNFINISHED if complete and waits_for_store(entries) else Ending.DIFFERS


def waits_for_store(entries: Sequence[Entry]) -> bool:
    """Tell whether Kafka has everything, and only MongoDB does not have all of it yet."""
    behind = [entry for entry in entries if not entry.balances]
    return bool(behind) and all(entry.store and entry.found < entry.expected for entry in behind)


def not_stored(entries: Sequence[Entry]) -> int:
    """Return how many documents are in Kafka and not in MongoDB yet."""
    return sum(max(0, entry.expected - entry.found) for entry in entries if entry.store)


def sentence_of(how: Ending, entries: Sequence[Entry]) -> str:
    """Return the last line of a demo."""
    if how is Ending.BALANCES:
        return "the counts balance"
    if how is Ending.STOPPED:
        return "stopped before the end: what is missing above had not come yet, and nothing is said about it"
    if how is Ending.UNFINISHED:
        return (
            f"NOT FINISHED: MongoDB has not taken {not_stored(entries):,} documents yet. Nothing is lost: Kafka has "
            "everything. Try again on a machine that is less busy, or with an installed mongod"
        )
    return "THE COUNTS DO NOT BALANCE"
