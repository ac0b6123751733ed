"""People acknowledge, shelve, comment, label and plan work while workers and notifiers die.

Each action counts once, in the order in which it stands in the log; alarms, labels and escalations are byte for byte
what the log makes in one pass, and whoever is told is told of these changes and of no others.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from tests.simulation.explore import in_processes

SEEDS = 12
WITHIN = 3
FAULTS = {"taken twice": 3, "ends by a clock": 0, "in the order of times": 0}
"""What can be wrong, and the seed that is played first: 6 of the first 40 find it, 11 of 12, and 5 of 6."""


@pytest.mark.timeout(900)
def test_what_people_do_counts_once_where_it_stands_in_the_log_whatever_happens_to_workers() -> None:
    seen: Counter[str] = Counter()
    for seed, differences, numbers in in_processes(_play, [(seed, "") for seed in range(SEEDS)]):
        assert not differences, f"seed {seed}: {differences}"
        seen.update(numbers)
    events = (
        "acknowledged",
        "shelved",
        "suppressed",
        "restored",
        "commented",
        "labelled",
        "escalated",
        "killed",
    )
    assert all(seen[each] > SEEDS // 3 for each in events), seen


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_is_put_in_is_found_within_a_few_seeds(fault: str) -> None:
    first = FAULTS[fault]
    found = in_processes(_play, [(seed, fault) for seed in range(first, first + WITHIN)])
    assert any(differences for _, differences, _ in found), fault


@contextmanager
def _back(fault: str) -> Iterator[None]:
    """Put a fault into what takes actions, or ends shelves; what the run is compared with is without it."""
    from agents.lane.core import work
    from agents.stages import alarm, take_actions
    from streams.alarms.raising import _Step
    from tests.simulation import acted, run

    with pytest.MonkeyPatch.context() as patch:
        if fault == "taken twice":
            plain = work.StageWork.effects

            def of_all(self: Any, rows: Any, batch: Any, contained: int = 0) -> Any:
                # Without the claim, too, which cuts off what the rows contain.
                return plain(self, rows, batch, 0 if self.stage.name == "take_actions" else contained)

            patch.setattr(work.StageWork, "effects", of_all)
            patch.setattr(take_actions, "_run", _forgetful(take_actions._run))
        elif fault == "ends by a clock":
            ended = _Step._pass

            def by_the_clock(self: Any, row: Any, alarm: Any, time: float) -> bool:
                day = asyncio.get_running_loop().time() / run.FEED_SECONDS * acted.DAY_SECONDS
                if alarm.until is not None and alarm.until <= acted.EPOCH + day:
                    self._restore(row, alarm, time)
                    return True
                return ended(self, row, alarm, time)

            patch.setattr(_Step, "_pass", by_the_clock)
        elif fault == "in the order of times":
            in_order = alarm._run
            patch.setattr(
                alarm,
                "_run",
                lambda rules, rows, records: in_order(rules, rows, sorted(records, key=_time_of)),
            )
        yield


def _time_of(record: tuple[int, Any]) -> float:
    found, action, tick_at = record[1].found, record[1].action, record[1].tick_at
    return float(found.changed_at if found else action.at if action else tick_at)


def _forgetful(plain: Any) -> Any:
    def run(room: Any, rows: Any, records: Any) -> Any:
        for row in rows.values():
            row.applied_through = -1
        return plain(room, rows, records)

    return run


def _play(task: tuple[int, str]) -> tuple[int, list[str], Counter[str]]:
    """Play a seed with people and a notifier beside the workers.

    Returns:
        The seed, what is wrong, and how much there was of what.
    """
    from pathlib import Path

    from streams.alarms.routing import AlarmRoute
    from tests.simulation import acted, readings, run
    from tests.simulation.alarmed import alarmed_days, kept
    from tests.simulation.notified import SimulatedNotifier
    from tests.simulation.one_loop import bury
    from tests.simulation.schedule import schedule_of

    seed, fault = task
    acting, draw = acted.Acting(seed, run.FEED_SECONDS), random.Random(f"notified {seed}")
    route = AlarmRoute("info", ("*",), frozenset({"raised", "returned", "escalated"}), None)
    notifier = SimulatedNotifier(route, random.Random(f"notifier {seed}"))

    class Acted(run.World):
        """A world with people and a notifier."""

        async def play(self) -> None:
            watching = asyncio.ensure_future(self._notify())
            await super().play()
            watching.cancel()

        async def _suffer(self) -> None:
            await asyncio.gather(super()._suffer(), self._act())

        async def _act(self) -> None:
            for at in acting.times:
                await asyncio.sleep(max(0.0, at - self.loop.time()))
                acting.act(self.kafka, self.loop.time())

        async def _notify(self) -> None:
            while True:
                await asyncio.sleep(draw.uniform(0.1, 2.0))
                if logs := self.kafka.topics.get("alarms"):
                    notifier.look(logs)

        def behind(self) -> list[str]:
            """Say also which actions are not taken yet."""
            committed = self.kafka.committed[run.GROUP]
            return super().behind() + [
                f"actions-{number}: newest {log.last_visible}"
                for number, log in enumerate(self.kafka.topics.get("actions", ()))
                if committed.get(("actions", number), 0) <= log.last_visible
            ]

    schedule = schedule_of(seed, readings.WORKLOADS)
    worlds: list[Any] = []
    with alarmed_days() as patch:
        settings = run.settings_of("oracle", 9, Path())
        patch.setattr(run, "World", kept(run.World, worlds))
        calm = run.play(replace(schedule, seed=-1 - schedule.day, faults=()))
        patch.setattr(run, "World", kept(Acted, worlds))
        with _back(fault):
            stormy = run.play(schedule)
    bury()
    assert calm.outcome is not None, calm.stuck
    if stormy.outcome is None:
        return seed, [stormy.stuck], Counter()
    rules = settings.alarms.rules(settings.windows.policy().room)
    kafka = worlds[1].kafka
    differing = [each for each in stormy.outcome.differences(calm.outcome) if not _is_of_alarms(each)] + list(
        acted.wrong(kafka, worlds[0].kafka, rules)
    )
    for _ in range(2):
        notifier.look(kafka.topics["alarms"], to_the_end=True)
    return seed, differing + list(_told_wrongly(notifier, kafka)), _numbers(notifier, kafka)


def _is_of_alarms(difference: str) -> bool:
    """Tell whether a difference is of what follows from actions, too: that is compared with the log instead."""
    return any(each in difference for each in ("alarms-", ".alarms'", ".labels'", ".actions'"))


def _changes(kafka: Any) -> list[Any]:
    from tests.simulation.acted import alarms_of

    return [alarm for _, alarm in alarms_of(kafka)]


def _told_wrongly(notifier: Any, kafka: Any) -> Iterator[str]:
    """Say of what a target was told that is not to be told, and what nothing has become of."""
    from streams.alarms.routing import change_id

    changes, received = _changes(kafka), notifier.received
    if strange := {change_id(each) for each, _ in received.messages} - {
        change_id(each) for each in changes if not each.quiet
    }:
        yield f"told of what is not to be told: {strange}"
    if lost := {change_id(each) for each in changes} - received.accounted:
        yield f"nothing has become of {lost}"


def _numbers(notifier: Any, kafka: Any) -> Counter[str]:
    numbers = Counter(each.event for each in _changes(kafka))
    numbers["suppressed"] = sum(each.state == "suppressed" for each in _changes(kafka))
    numbers["killed"] = notifier.lives - 1
    return numbers
