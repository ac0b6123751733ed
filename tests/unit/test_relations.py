"""A quantity that no longer follows from the others of its sensor is found, although each is as always."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from agents.views.live import describe_peers
from streams.detection.detection_config import DetectionConfig
from streams.detection.detection_plan import DetectionPlan
from streams.detection.series_model import SeriesModel
from streams.errors import ConfigurationError
from streams.peers.comparing import PeerOutcome, Rows
from streams.peers.peer_plan import PeerPlan
from streams.peers.peer_states import RelationGroup, state_from_plain, state_to_plain
from streams.peers.relation_fit import RelationFit
from streams.records.peer_records import PeerInput
from streams.records.rows import Row, encode_row
from streams.windows.policy import WindowPolicy
from tests.support.rooms import DAY, START, compared

STEP = 300.0
POLICY = WindowPolicy.of(size=STEP, grace=10, idle=60)
RELATION = "pump-1/power of flow"


def plan_of(partitions: int = 1, **config: Any) -> PeerPlan:
    series = {"pump-*/power": {"follows": ["flow"], **config}}
    return PeerPlan(DetectionPlan({"series": series}), POLICY, partitions)


PLAN = plan_of()


def flow_of(draw: np.random.Generator, windows: int) -> Any:
    """Return a load with a daily course, and an hour's memory of its own."""
    at, keeps = np.arange(windows) * STEP, np.exp(-STEP / 3600)
    own = np.zeros(windows)
    for number in range(1, windows):
        own[number] = keeps * own[number - 1] + np.sqrt(1 - keeps**2) * draw.normal()
    return 50 + 15 * np.sin(2 * np.pi * at / DAY + draw.normal(0, 0.3)) + 8 * own


def pump(seed: int, *, days: float, lost_after: float = np.inf) -> tuple[Any, Any]:
    """Return flow and power of a pump; from some day on its power follows a flow that is not its own."""
    draw = np.random.default_rng(seed)
    windows = round(days * DAY / STEP)
    flow, other = flow_of(draw, windows), flow_of(draw, windows)
    follows = np.where(np.arange(windows) * STEP < lost_after * DAY, flow, other)
    return flow, 5 + 2 * follows + draw.normal(0, 1, windows)


def inputs(plan: PeerPlan, flow: Any, power: Any) -> Iterator[PeerInput]:
    for number, values in enumerate(zip(flow.tolist(), power.tolist(), strict=True)):
        start = START + number * STEP
        for quantity, value in zip(("flow", "power"), values, strict=True):
            yield PeerInput(RELATION, 0, "pump-1", quantity, start, start + STEP, value, "power")
        yield PeerInput("", 0, tick_at=start + STEP + plan.wait)


def raises(outcome: PeerOutcome) -> list[float]:
    """Return the days on which it was raised."""
    return [(each.raised_at - START) / DAY for each in outcome.anomalies if each.state == "raised"]


def raises_alone(power: Any) -> list[float]:
    """Return the days on which its own history alone raises an anomaly."""
    model = SeriesModel(DetectionConfig())
    changes = [model.observe(STEP * number, value) for number, value in enumerate(power.tolist())]
    return [each.raised_at / DAY for some in changes for each in some if each.kind == "raised"]


def test_of_twenty_pumps_that_lose_their_relation_eighteen_are_found_and_none_that_does_not() -> None:
    found = alone = 0
    for seed in range(20):
        flow, power = pump(seed, days=6, lost_after=5)
        outcome = compared(PLAN, {}, inputs(PLAN, flow, power))
        alone += any(day > 5 for day in raises_alone(power))
        days = raises(outcome)
        assert not [day for day in days if day <= 5], f"pump {seed} was as always"
        found += bool(days)
        if days:
            first = outcome.anomalies[0]
            assert (first.sensor_id, first.quantity, first.cause) == ("pump-1", "power", "relation")
    assert found >= 18
    assert alone <= 4, "else nobody needs the relation"


def test_nothing_is_told_of_pumps_that_are_as_always() -> None:
    assert [raises(compared(PLAN, {}, inputs(PLAN, *pump(seed, days=6)))) for seed in range(30, 36)] == [
        []
    ] * 6


def test_the_fit_is_what_numpy_says() -> None:
    draw = np.random.default_rng(3)
    others = draw.normal(0, [1.0, 200.0, 0.003], (300, 3)) + np.array([5.0, -1000.0, 0.0])
    values = others @ [2.0, -0.1, 300.0] + 7 + draw.normal(0, 0.01, 300)
    fit = RelationFit(3)
    for row, value in zip(others.tolist(), values.tolist(), strict=True):
        fit.learn(row, value)
    with_mean = np.column_stack([others, np.ones(300)])
    slopes = np.linalg.lstsq(with_mean, values, rcond=None)[0]
    asked = [6.0, -900.0, 0.001]
    assert fit.expected(asked) == pytest.approx(float(np.dot([*asked, 1.0], slopes)), abs=0.01)


def test_a_quantity_that_stands_still_and_two_that_move_as_one_do_no_harm() -> None:
    fit = RelationFit(3)
    for number in range(200):
        fit.learn([number % 7, 2.0 * (number % 7), 1.0], 3.0 * (number % 7))
    assert fit.expected([10.0, 20.0, 1.0]) == pytest.approx(30.0, abs=0.01)


def test_it_forgets_what_is_long_ago_and_no_window_moves_it_far() -> None:
    fit, draw = RelationFit(1), np.random.default_rng(1)
    for slope in (1.0, 2.0):
        for value in draw.normal(0, 1, 15_000).tolist():
            fit.learn([value], slope * value + draw.normal(0, 0.1))
    assert fit.expected([1.0]) == pytest.approx(2.0, abs=0.1)
    fit.learn([1.0], 1e9)
    assert fit.expected([1.0]) == pytest.approx(2.0, abs=0.1)


def test_one_quantity_in_two_units_makes_no_finding_of_rounding() -> None:
    celsius, _ = pump(4, days=6)
    assert raises(compared(PLAN, {}, inputs(PLAN, celsius, celsius * 1.8 + 32))) == []


def test_a_window_in_which_a_quantity_is_missing_is_counted() -> None:
    flow = [each for each in inputs(PLAN, *pump(1, days=0.1)) if each.quantity != "power"]
    outcome = compared(PLAN, {}, iter(flow))
    assert (outcome.compared, outcome.few) == (0, 29)


def test_its_row_comes_back_and_goes_on_bit_for_bit() -> None:
    records = list(inputs(PLAN, *pump(2, days=6, lost_after=5)))
    straight, rows = Rows(), Rows()
    expected = compared(PLAN, straight, iter(records))
    first = compared(PLAN, rows, iter(records[:4700]))
    again = {
        key: Row(state_from_plain(PLAN, key, state_to_plain(row.state)), row.applied_through, row.seen_ms)
        for key, row in rows.items()
    }
    rest = compared(PLAN, again, iter(records[4700:]), offset=4700)
    assert first.anomalies + rest.anomalies == expected.anomalies != []
    assert {key: encode_row(row, state_to_plain) for key, row in again.items()} == {
        key: encode_row(row, state_to_plain) for key, row in straight.items()
    }
    relation = straight[RELATION].state
    assert isinstance(relation, RelationGroup)
    shown = describe_peers(relation)
    assert (shown["sensor_id"], shown["quantity"], shown["follows"]) == ("pump-1", "power", ["flow"])


def test_a_series_is_in_the_group_of_its_peers_and_in_each_relation_that_names_it() -> None:
    plan = PeerPlan(
        DetectionPlan(
            {
                "series": {
                    "pump-*/power": {"peers": "pattern", "follows": ["flow", "speed"]},
                    "pump-9/heat": {"peers": "none"},
                    "pump-*/heat": {"follows": ["power"]},
                }
            }
        ),
        POLICY,
        4,
    )
    of_power = ("pump-1/power of flow, speed", "power")
    assert plan.places_of("pump-1", "power") == (
        ("pump-*/power", ""),
        of_power,
        ("pump-1/heat of power", "heat"),
    )
    assert plan.places_of("pump-1", "flow") == (of_power,)
    assert plan.places_of("pump-9", "power") == (
        ("pump-*/power", ""),
        ("pump-9/power of flow, speed", "power"),
    )
    assert plan.places_of("pump-9", "heat") == plan.places_of("boiler", "flow") == ()


@pytest.mark.parametrize("pattern", ["pump-*/*", "pump-*", "pump-*/flow"])
def test_what_does_not_say_which_quantity_follows_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigurationError, match="follows must be said of one quantity"):
        DetectionPlan({"series": {pattern: {"follows": ["flow"]}}})
