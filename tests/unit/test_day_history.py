"""Hours and days of a series: each window once, in whatever order hours are computed; coarse where that is enough."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import reduce
from struct import pack
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple
from pydantic import ValidationError

from bridges.process.settings import MongoSettings
from streams.day_history import (
    HOUR_MS,
    Computed,
    Holds,
    StoredDay,
    Tier,
    computed,
    packed,
    tier_for,
    unit_of,
    unpacked,
)
from streams.records.documents import history_id
from streams.window_history import Span, WindowHistory, merge_spans, step_for

DAY = datetime(2024, 9, 9, tzinfo=UTC)
spans = st.builds(
    Span,
    st.integers(1, 2**40),
    st.floats(-1e9, 1e9),
    st.floats(0, 1e9),
    st.floats(-1e9, 0),
    st.floats(0, 1e9),
    st.integers(1, 3600),
    st.none() | st.tuples(st.floats(-1e9, 0), st.floats(0, 1e9)),
)


@dataclass
class Kept:
    """A document, changed as MongoDB changes one."""

    fields: dict[str, Any] = field(default_factory=lambda: {"start": DAY, "dirty": {}, "since": {}})

    def change(self, made: Computed) -> None:
        for name, value in made.fields.items():
            self.fields[name] = value
        for name in made.gone:
            place, _, hour = name.partition(".")
            (self.fields.get(place, {}) if hour else self.fields).pop(hour or name, None)

    @property
    def day(self) -> StoredDay:
        return StoredDay.of(self.fields)


@given(found=st.dictionaries(st.integers(0, 23), spans), order=st.permutations(range(24)))
def test_a_day_is_all_of_its_hours_in_whatever_order_they_are_computed(
    found: Mapping[int, Span], order: list[int]
) -> None:
    kept = Kept()
    bands = {hour: span.band for hour, span in found.items() if span.band is not None}
    for hour in [*order, *order[:5]]:
        kept.change(computed(kept.day, [hour], found, bands))
    assert kept.day.hours == found
    together = reduce(merge_spans, (found[hour] for hour in sorted(found))) if found else None
    assert kept.day.day == together
    assert kept.day.rolls == 29


@given(hours=st.dictionaries(st.integers(0, 23), spans))
def test_hours_are_read_as_they_were_written(hours: Mapping[int, Span]) -> None:
    assert unpacked(packed(hours)) == hours
    assert len(packed(hours)) == 66 * len(hours)
    assert unpacked(packed(hours) + b"\0") == {}
    assert unpacked("no hours") == {}


def of_before(hours: Mapping[int, Span]) -> dict[str, bytes]:
    """Write hours as the versions did that had a value for each."""
    return {
        str(hour): pack("<qddddq", *astuple(span)[:6]) + (pack("<dd", *span.band) if span.band else b"")
        for hour, span in hours.items()
    }


@given(hours=st.dictionaries(st.integers(0, 23), spans), more=spans)
def test_hours_that_were_a_value_each_are_read_and_become_one_when_one_of_them_is_computed(
    hours: Mapping[int, Span], more: Span
) -> None:
    kept = Kept({"start": DAY, "dirty": {}, "hours": {**of_before(hours), "9": b"no hour", "11": 1}})
    before = {hour: span for hour, span in hours.items() if hour not in (9, 11)}
    assert kept.day.hours == before
    bands = {} if more.band is None else {5: more.band}
    kept.change(computed(kept.day, [5], {5: more}, bands))
    assert kept.fields["hours"] == packed({**before, 5: more})


@given(hours=st.dictionaries(st.integers(0, 23), spans), step=st.sampled_from([1, 2, 3, 24]))
def test_hours_put_together_as_columns_are_those_put_together_one_by_one(
    hours: Mapping[int, Span], step: int
) -> None:
    day = StoredDay.of({"start": DAY, "hours": packed(hours)})
    known, stretches = day.taken()
    assert stretches == []
    at_once, one_by_one = WindowHistory(step * 3600.0), WindowHistory(step * 3600.0)
    at_once.add_columns(day.start_ms + known["hour"] * np.int64(HOUR_MS), known)
    one_by_one.add_spans(sorted(day.known_hours()))
    found, wanted = list(at_once.spans()), list(one_by_one.spans())
    assert [at for at, _ in found] == [at for at, _ in wanted]
    for (_, one), (_, other) in zip(found, wanted, strict=True):
        assert (one.count, one.min, one.max, one.windows, one.band) == (
            other.count, other.min, other.max, other.windows, other.band,
        )  # fmt: skip
        scale = max(abs(other.min), abs(other.max), abs(other.mean), 1.0)
        assert one.mean == pytest.approx(other.mean, rel=1e-9, abs=1e-9 * scale)
        assert one.variance == pytest.approx(other.variance, rel=1e-6, abs=1e-9 * scale**2)


def test_what_is_huge_and_what_was_before_1970_is_put_together_too() -> None:
    huge = [Span(3600, 1e303, 0.0, 1e303, 1e303), Span(3600, 2e305, 0.0, 2e305, 2e305)]
    known, _ = StoredDay.of({"start": DAY, "hours": packed(dict(enumerate(huge)))}).taken()
    history = WindowHistory(7200.0)
    history.add_columns(np.array([0, HOUR_MS]), known)
    [(_, found)] = history.spans()
    assert found.mean == pytest.approx(1.005e305)
    assert found.count == 7200
    early = WindowHistory(3600.0)
    early.add_columns(np.array([HOUR_MS, -HOUR_MS, 0]), np.concatenate([known, known[:1]]))
    assert [at for at, _ in early.spans()] == [-HOUR_MS, 0, HOUR_MS]
    early.add_columns(np.empty(0, np.int64), known[:0])


def test_of_an_hour_that_has_grown_only_what_came_since_is_taken_from_windows() -> None:
    begin = round(DAY.timestamp() * 1000)
    span = Span(1, 2.0, 0.0, 2.0, 2.0)
    at = {minutes: DAY + timedelta(hours=4, minutes=minutes) for minutes in (10, 20, 30)}
    fields = {"start": DAY, "hours": packed({3: span, 4: span}), "dirty": {"4": 1}, "rolls": 7}
    computed_to = {"start": at[20], "rolls": 7}
    for since, until, taken, from_minute in (
        (at[20], computed_to, [3, 4], 20),
        (at[30], computed_to, [3, 4], 30),
        (at[10], computed_to, [3], 0),
        (at[30], {**computed_to, "rolls": 6}, [3], 0),
        (at[30], {}, [3], 0),
        (None, computed_to, [3], 0),
    ):
        marked = {"since": {} if since is None else {"4": since}, "until": until}
        hours, stretches = StoredDay.of({**fields, **marked}).taken()
        assert hours["hour"].tolist() == taken
        assert stretches == [(begin + 4 * HOUR_MS + from_minute * 60_000, begin + 5 * HOUR_MS)]


def test_what_is_marked_is_taken_from_windows_while_there_are_any() -> None:
    span = Span(1, 2.0, 0.0, 2.0, 2.0)
    fields = {"start": DAY, "hours": packed({3: span, 4: span}), "dirty": {"4": 1, "7": 1}}
    begin = round(DAY.timestamp() * 1000)
    day = StoredDay.of(fields)
    assert [at for at, _ in day.known_hours()] == [begin + 3 * HOUR_MS]
    assert day.open_hours() == [begin + 4 * HOUR_MS, begin + 7 * HOUR_MS]
    old = StoredDay.of({**fields, "holds": Holds.HOURS})
    assert [at for at, _ in old.known_hours()] == [begin + 3 * HOUR_MS, begin + 4 * HOUR_MS]
    assert old.open_hours() == []
    assert [
        StoredDay.of({**fields, "holds": each}).finest for each in (Holds.WINDOWS, Holds.LEAVING, Holds.DAY)
    ] == [
        Tier.WINDOWS,
        Tier.HOURS,
        Tier.DAYS,
    ]


@given(
    seconds=st.floats(60.0, 1e9),
    points=st.integers(2, 5000),
    window=st.sampled_from([0.5, 7.0, 60.0, 90.0, 3600.0, 5400.0, 86_400.0, 100_000.0]),
)
def test_a_tier_gives_no_more_points_than_asked_for_and_a_third_of_them_where_there_are_windows(
    seconds: float, points: int, window: float
) -> None:
    tier = tier_for(seconds, points, window)
    step = step_for(seconds, points, unit_of(tier, window))
    assert tier is Tier.WINDOWS or window <= tier.seconds <= step
    assert seconds / step <= points
    if tier is not Tier.WINDOWS:
        assert step <= max(3 * seconds / (points - 1), tier.seconds)
        assert tier.seconds <= 2 * seconds / (points - 1)


def test_a_day_of_a_series_has_an_id_of_its_own() -> None:
    ids = {
        history_id(*each)
        for each in (("a", "b", 738_000), ("a", "b", 738_001), ("ab", "", 738_000), ("a", "c", 738_000))
    }
    assert len(ids) == 4
    assert history_id("a", "b", 738_000) == history_id("a", "b", 738_000)


def test_windows_cannot_be_kept_for_less_than_the_log_has_them_nor_hours_for_less_than_windows() -> None:
    assert (MongoSettings().keep_windows_days, MongoSettings().keep_hours_days) == (92, 1100)
    assert MongoSettings(keep_windows_days=0, keep_hours_days=0).keep_windows_days == 0
    with pytest.raises(ValidationError, match="keep_windows_days must be 0 or at least 31, got 7"):
        MongoSettings(keep_windows_days=7)
    with pytest.raises(
        ValidationError, match=r"keep_hours_days must be 0 or at least keep_windows_days \(92\)"
    ):
        MongoSettings(keep_hours_days=90)
