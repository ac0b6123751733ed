"""Run inside a container of the stack: does everything that was sent add up, hop by hop?

    docker compose exec -T worker python - < ledger.py

Reads one line of JSON from the environment variable EXPECTED: ``state``, the state file of the simulator that was
stopped, and ``devices``, how many readings were published beside it, ``refused`` of them dead letters. What the
simulator must have sent up to where it stopped is computed from its plan; what arrived is audited in Kafka and
MongoDB. Waits while anything still moves; prints the ledger; exits with 1 if an entry does not balance.
"""

import json
import os
import sys
import time
from itertools import takewhile
from pathlib import Path
from typing import Any

from bridges.audit.audit import Audit
from bridges.audit.balance import Entry, balance
from bridges.process.settings import load
from bridges.simulator.scenario import Scenario
from streams.signals import Key, Totals, merged, totals

STALLED_SECONDS = 60.0


def sent(state: dict[str, Any]) -> Totals:
    """Count what the simulator has published when it stopped in the middle of its plan."""
    plan = dict(state["plan"])
    plan |= {"recorded": tuple(plan["recorded"]), "csv": tuple(Path(path) for path in plan["csv"])}
    last = Key(*state["after"])
    messages = merged(Scenario(**plan).sources())
    return totals(takewhile(lambda message: message.key <= last, messages))


def with_devices(simulated: Totals, readings: int, refused: int) -> Totals:
    """Add what devices published: one temperature each."""
    values = {**simulated.values, "temperature": simulated.values["temperature"] + readings}
    return simulated._replace(
        readings=simulated.readings + readings, values=values, malformed=simulated.malformed + refused
    )


def main() -> int:
    """Audit until it balances or nothing moves any more."""
    expected = json.loads(os.environ["EXPECTED"])
    wanted = with_devices(sent(expected["state"]), expected["devices"], expected["refused"])
    settings = load()
    audit = Audit(settings, settings.window_policy(), settings.detection.plan())
    entries: list[Entry] = []
    seen: object = None
    moved_at = time.monotonic()
    while time.monotonic() - moved_at < STALLED_SECONDS:
        if audit.catch_up(10.0) and audit.count_exactly():
            entries = balance(wanted, audit)
            if all(entry.balances for entry in entries):
                break
        if (now_seen := [entry.found for entry in entries]) != seen:
            seen, moved_at = now_seen, time.monotonic()
        time.sleep(0.5)
    audit.close()
    if not entries:
        print("  Kafka could not be read to its end, or MongoDB did not count, within the time")
    for entry in entries:
        verdict = "ok   " if entry.balances else "WRONG"
        print(f"  {verdict} {entry.what}: expected {entry.expected:,}, found {entry.found:,}  {entry.note}")
    return 0 if entries and all(entry.balances for entry in entries) else 1


if __name__ == "__main__":
    sys.exit(main())
