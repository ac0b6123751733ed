"""What detection finds and what it says needlessly, on real and made series, at the default and at NAB's threshold.

    python -m pytest tests/benchmarks/bench_detection_quality.py -s

Prints every figure of docs/explanation/detection.md on quality, in two minutes. Rivers and NAB lie outside of the
project, see `tests.support.labelled_series`; without them their lines are missing.
"""

from collections import Counter
from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from bridges.backtest.nab_files import load_corpus
from streams.detection.detection_config import NAB_RAISE_AT, DetectionConfig
from streams.nab.nab_run import evaluate, run_file
from streams.scoring.fits import summed
from tests.support import rooms
from tests.support.eventful_series import (
    LOCAL_FAULTS,
    OWN_SIGMA,
    SEEDS,
    SIGMA,
    flooded,
    sampled,
    steady,
    with_local_fault,
    with_lost_season,
)
from tests.support.kinds_of_series import PROCESSES, rates_raised, seen_every
from tests.support.labelled_series import fits_at_the_default, folder, load_rivers
from tests.support.normal_series import KINDS, PER_DAY, normal_series, raises


def test_rivers_by_site() -> None:
    fits = fits_at_the_default(load_rivers(folder("rivers")))
    for site in sorted({at for at, _ in fits}) + ([""] if fits else []):
        found = summed(each for at, each in fits if at == site or not site)
        print(
            f"\nrivers {site or 'all'}: {found.events} events, recall {found.recall:.3f}, "
            f"precision {found.precision:.3f}, {found.false_per_day:.4f} false alarms per series-day",
            end="",
        )


def test_nab_at_its_own_threshold_and_at_the_default() -> None:
    if not (folder("nab") / "labels" / "combined_windows.json").is_file():
        return
    corpus = load_corpus(folder("nab"))
    for name, config in (
        ("NAB's threshold", DetectionConfig(raise_at=NAB_RAISE_AT)),
        ("the default", DetectionConfig()),
    ):
        result = evaluate([run_file(file, config) for file in corpus], config)
        scores = " / ".join(f"{score:.1f}" for score in result.fixed.values())
        print(
            f"\nNAB at {name}: {scores}, {result.found} of {result.windows}, {result.precision:.2f}", end=""
        )


def test_normal_series() -> None:
    for kind in KINDS:
        early = late = 0
        for seed in range(100, 104):
            readings = normal_series(kind, 30 * PER_DAY, seed)
            at = raises(readings)
            early += sum(time < readings[1000][0] for time in at)
            late += sum(time >= readings[1000][0] for time in at)
        days = 4 * (30 - 1000 / PER_DAY)
        print(f"\nnormal, {kind}: {late / days:.3f} alarms a day, {early / 4:.2f} in the first 1,000", end="")


def test_spikes_after_floods_and_after_a_wrong_value_in_the_warm_up() -> None:
    for at in (1200, 3000, 8900):
        for sigmas in (10, 25, 50):
            found = 0
            for seed in SEEDS:
                readings = flooded(seed, at + 1)
                readings[at] = (readings[at][0], readings[at][1] + sigmas * SIGMA)
                found += readings[at][0] in raises(readings)
            print(f"\nafter floods, {sigmas} sigma at reading {at}: {found} of {len(SEEDS)}", end="")
    for at in (300, 1000, 2000):
        for wrong in ({}, {3: 85.0}):
            spiked = {at: 21 + 10 * SIGMA}
            found = sum(bool(raises(steady(seed, at + 1, wrong | spiked))) for seed in range(20))
            print(f"\n10 sigma at reading {at}, {len(wrong)} wrong in warm-up: {found} of 20", end="")


def test_faults_in_local_sigma() -> None:
    for fault in LOCAL_FAULTS:
        found = 0
        for kind in OWN_SIGMA:
            for seed in range(6):
                readings, since, until = with_local_fault(kind, fault, seed)
                found += any(since <= time <= until for time in raises(readings))
        print(f"\nlocal {fault}: {found / (6 * len(OWN_SIGMA)):.0%}", end="")
    for halved in (False, True):
        found = 0
        for seed in range(20):
            readings, since = with_lost_season(seed, halved=halved)
            found += any(time >= since for time in raises(readings))
        print(f"\nseason {'comes twice a day' if halved else 'lost'}: {found} of 20", end="")


def test_one_process_seen_at_five_rates() -> None:
    for interval, days in ((1.0, 4), (10.0, 20), (60.0, 20), (300.0, 60), (3600.0, 60)):
        alarms = sum(len(raises(sampled(interval, days, seed))) for seed in range(2))
        print(f"\nevery {interval:g} s: {alarms / (2 * days):.3f} alarms a day", end="")


def test_one_of_twelve_rooms_is_off() -> None:
    plan, day, off_by = rooms.plan_of(), round(rooms.DAY / rooms.STEP), 1.0
    found = dict.fromkeys(("at once", "in 6 h", "in a day", "in a day, alone"), 0)
    others = calm = together = 0
    buildings = range(20, 23)
    for seed in buildings:
        values, rows = rooms.temperatures(seed, days=11), dict[str, Any]()
        calm += rooms.raises_in(rooms.compared(plan, rows, rooms.inputs(plan, values[: 9 * day]))).total()

        def later(change: Any, values: Any = values, rows: Any = rows) -> Counter[str]:
            fed = rooms.inputs(plan, values[9 * day :] + change, first=9 * day)
            return rooms.raises_in(rooms.compared(plan, deepcopy(rows), fed, offset=10**7))

        as_always = later(0.0)
        calm += as_always.total()
        together += (later(2.0) - as_always).total()
        for number, room in enumerate(rooms.names()):
            for name, minutes in (("at once", 1), ("in 6 h", 360), ("in a day", 1440)):
                change = np.zeros((2 * day, 12))
                change[:, number] = off_by * np.minimum(1, np.arange(2 * day) / minutes)
                news = later(change) - as_always
                found[name] += room in news
                others += sum(count for each, count in news.items() if each != room)
            alone = values[:, number].copy()
            alone[9 * day :] += off_by * np.minimum(1, np.arange(2 * day) / day)
            at = raises(
                [(rooms.START + rooms.STEP * minute, value) for minute, value in enumerate(alone.tolist())]
            )
            found["in a day, alone"] += any(time >= rooms.START + 9 * rooms.DAY for time in at)
    print(f"\none of twelve rooms is off by 1 degree, of {12 * len(buildings)}: {found}; of others {others}")
    print(f"as always: {calm} in {12 * 9 * len(buildings)} series-days; all by 2 degrees: {together}", end="")


def test_26_kinds_of_normal_series_seen_at_five_rates() -> None:
    for interval, days in ((1.0, 10), (10.0, 40), (60.0, 60), (300.0, 120), (3600.0, 240)):
        late, early = {}, 0
        for kind in PROCESSES:
            readings = seen_every(interval, kind, days, 0)
            young = readings[min(1000, len(readings) - 1)][0]
            at = raises(readings)
            late[kind] = sum(time >= young for time in at) / days
            early += sum(time < young for time in at)
        over = ", ".join(f"{kind} {rate:.3f}" for kind, rate in late.items() if rate > 0.05)
        print(
            f"\nevery {interval:g} s, 26 kinds: {sum(late.values()) / len(late):.4f} alarms a day, "
            f"{early / len(late):.2f} in the first 1,000; more than 0.05: {over or 'none'}",
            end="",
        )


@pytest.mark.timeout(1200)
def test_rates_of_counters() -> None:
    """Alarms a day of counters as always; then one stands still, or grows twice as fast, for half a day."""
    for interval, days in ((1.0, 10), (60.0, 60), (3600.0, 240)):
        for kind in ("counter", "counter with reset"):
            seeds = range(4 if interval > 1 else 2)
            young = alarms = itself = 0
            for seed in seeds:
                readings = seen_every(interval, kind, days, seed)
                at = rates_raised(readings)
                first = readings[min(1000, len(readings) - 1)][0]
                young += sum(time < first for time in at)
                alarms += sum(time >= first for time in at)
                itself += len(raises(readings))
            watched = days * len(seeds)
            print(
                f"\n{kind} every {interval:g} s: {alarms / watched:.3f} alarms a day, "
                f"{young / len(seeds):.2f} in the first 1,000 readings; "
                f"as a number like any other {itself / watched:.3f}",
                end="",
            )
        many = 4 if interval == 1.0 else 20
        for name, times in (("stands still", 0.0), ("grows twice as fast", 2.0), ("three times", 3.0)):
            found = sum(_fault_is_found(interval, seed, times) for seed in range(many))
            print(f"\na counter every {interval:g} s {name} for half a day: {found} of {many}", end="")


def _fault_is_found(interval: float, seed: int, times: float) -> bool:
    """Tell whether a counter that grows so many times as fast for half a day is told of meanwhile, which it was not."""
    days = {1.0: 3, 60.0: 20, 3600.0: 90}[interval]
    readings = seen_every(interval, "counter", days, 100 + seed)
    values = np.array([value for _, value in readings])
    since = round((days - 2) * 86400 / interval)
    until = since + round(43200 / interval)
    grown = np.diff(values, prepend=values[0])
    grown[since:until] *= times
    changed = np.round(values[0] + np.cumsum(grown), 2)
    begins, ends = readings[since][0], readings[until][0]
    raised = rates_raised(
        [(time, value) for (time, _), value in zip(readings, changed.tolist(), strict=True)]
    )
    return any(begins <= time <= ends for time in raised)
