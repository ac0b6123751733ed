"""What somebody should know before rules are saved: a rule that can do nothing, one that never rests.

An *error* is a rule that cannot be meant so; a *note* is for who reads it.
"""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import islice
from typing import Final, NamedTuple

from streams.ahead.crossing_forecast import LEAST_ERRORS
from streams.alarms.wording import in_digits
from streams.analysis.findings import duration
from streams.backtest.intervals import Series
from streams.chosen_devices import NearNames
from streams.conditions import first_of
from streams.detection.limits.limit_rules import LimitRules, in_units
from streams.peers.references import LEAST_OTHERS
from streams.records.rule_parts import parted
from streams.rules.limit_trial import SeriesLoad, TrialResults
from streams.rules.rule_set import OTHERS, LimitRule, RuleReach
from streams.rules.seen import SeriesSeen

ERROR: Final = "error"
NOTE: Final = "note"
_MOST_NAMES: Final = 20_000
_MUCH: Final = 0.5


class RuleRemark(NamedTuple):
    """Something to be said of a rule.

    Args:
        rule: Its name.
        level: `ERROR` or `NOTE`.
        kind: What, in a word, for programs.
        text: For people.
    """

    rule: str
    level: str
    kind: str
    text: str


def remarks_of(
    rule: LimitRule,
    reach: RuleReach,
    seen: Mapping[Series, SeriesSeen],
    came: TrialResults,
    near: NearNames,
    *,
    exempts: bool = False,
) -> Iterator[RuleRemark]:
    """Say what is to be known of a rule.

    Args:
        rule: The rule.
        reach: The series that it takes.
        seen: All series that were read.
        came: What came of all limits together.
        near: Finds near names.
        exempts: Whether it takes series that a rule after it would take.
    """
    listening = came.listening > 0  # otherwise no silence can be told
    if rule.limits is None and exempts:
        yield RuleRemark(
            rule.name, NOTE, "exempts", "it sets no limit: rules after it do not count for its series"
        )
    elif rule.limits is None:
        yield RuleRemark(rule.name, ERROR, "no_limit", "it sets no limit: nothing can cross it")
    if not reach.series:
        yield _out_of_reach(rule, reach, seen, near)
        return
    if reach.taken:
        takers = ", ".join(f"{name} ({count:,})" for name, count in sorted(reach.taken.items()))
        yield RuleRemark(
            rule.name, NOTE, "partly_taken", f"a rule before it takes some of its series: {takers}"
        )
    if rule.limits is None:
        return
    if rule.limits.of_silence and not listening:
        text = (
            "its silence was not tried: no tick in what was read says that the bridge was listening (files and "
            "MongoDB have none, nor have logs of bridges before silence was a limit)"
        )
        yield RuleRemark(rule.name, NOTE, "silence_not_tried", text)
    if rule.limits.of_forecast:
        text = (
            f"its forecasts learn first: until {LEAST_ERRORS} of them have passed, two days at least after the first "
            "reading, nothing can be told by them"
        )
        yield RuleRemark(rule.name, NOTE, "forecast_learns", text)
    if rule.limits.when is not None:
        yield from _of_condition(rule.name, rule.limits, reach.series, seen, near)
        if count := sum(came.unjudged[each] for each in reach.series):
            text = (
                f"{count:,} values were beyond, but whether {rule.limits.when} held was not known, from at most "
                f"{in_units(rule.limits.when_seconds)} before: they were not judged; what is sent on change asks for a "
                "longer when_seconds"
            )
            yield RuleRemark(rule.name, NOTE, "unjudged", text)
    if rule.limits.of_peers:
        yield from _not_compared(rule.name, reach.series, came)
    if listening or rule.limits.of_readings or rule.limits.of_peers:
        yield from _of_what_it_did(rule.name, rule.limits, reach.series, seen, came.loads)


def _not_compared(name: str, series: Sequence[Series], came: TrialResults) -> Iterator[RuleRemark]:
    """Say how many windows its peers did not judge, and why."""
    late, few = (sum(each[one] for one in series) for each in (came.late_for_peers, came.few_peers))
    reasons = (
        (late, "came when their peers had been compared (late, or kept and sent later)"),
        (few, f"had too few others, of {LEAST_OTHERS} at least"),
    )
    why = [f"{number:,} {reason}" for number, reason in reasons if number]
    if why:
        text = (
            f"{late + few:,} of its windows were not compared with peers, or not with all of their readings: "
        )
        yield RuleRemark(name, NOTE, "not_compared", text + "; ".join(why))


def _of_condition(
    name: str,
    limits: LimitRules,
    series: Sequence[Series],
    seen: Mapping[Series, SeriesSeen],
    near: NearNames,
) -> Iterator[RuleRemark]:
    """Say which quantities a condition names that sensors do not have: an error if none has it."""
    assert limits.when is not None
    sensors = {sensor_id for sensor_id, _ in series}
    for quantity in sorted({each.quantity for each in limits.when.comparisons}):
        without = sum((sensor_id, quantity) not in seen for sensor_id in sensors)
        if without == len(sensors):
            own = sorted({other for sensor_id, other in seen if sensor_id in sensors})
            text = (
                f"its condition names {quantity}, which none of its sensors has.{near(quantity, _few(own))}"
            )
            yield RuleRemark(name, ERROR, "condition_of_nothing", text)
        elif without:
            text = f"its condition names {quantity}, which {without:,} of its {len(sensors):,} sensors do not have"
            yield RuleRemark(name, NOTE, "condition_of_some", text)


def _out_of_reach(
    rule: LimitRule, reach: RuleReach, seen: Mapping[Series, SeriesSeen], near: NearNames
) -> RuleRemark:
    if reach.taken:
        takers = ", ".join(sorted(reach.taken))
        count = sum(reach.taken.values())
        text = f"a rule before it takes all {count:,} series that it matches ({takers}): put it before that"
        return RuleRemark(rule.name, ERROR, "all_taken", text)
    if rule.name == OTHERS:
        return RuleRemark(rule.name, ERROR, "matches_nothing", "every series that was read has another rule")
    why = _why_of_those(rule.sensors, seen) if rule.sensors is not None else ""
    why = why or _why(rule.name, seen, near)
    return RuleRemark(rule.name, ERROR, "matches_nothing", f"it matches no series that was read{why}")


def _why_of_those(sensors: Sequence[str], seen: Mapping[Series, SeriesSeen]) -> str:
    """Say that none of the sensors that a rule names was read, if it is so."""
    if not {sensor_id for sensor_id, _ in seen}.isdisjoint(sensors):
        return ""
    return f": of its {len(sensors):,} sensors ({first_of(len(sensors), sensors)}) none was"


def _why(pattern: str, seen: Mapping[Series, SeriesSeen], near: NearNames) -> str:
    """Say which half of a pattern matches nothing, and what is near it."""
    sensors = sorted({sensor_id for sensor_id, _ in seen})
    quantities = sorted({quantity for _, quantity in seen})
    of_sensors, slash, of_quantities = parted(pattern)[0].rpartition("/")
    if not slash:
        return f": a pattern is of a series, SENSOR/QUANTITY.{near(pattern, _few(sensors))}"
    matched = [each for each in sensors if fnmatchcase(each, of_sensors)]
    if not matched:
        return f": no sensor matches {of_sensors}.{near(of_sensors, _few(sensors))}"
    if not any(fnmatchcase(each, of_quantities) for each in quantities):
        return f": no quantity matches {of_quantities}.{near(of_quantities, _few(quantities))}"
    own = set(matched)
    has = sorted({quantity for sensor_id, quantity in seen if sensor_id in own})
    return f": sensors that match {of_sensors} have {', '.join(has[:5])}"


def _few(names: Sequence[str]) -> list[str]:
    return list(islice(names, _MOST_NAMES))


def _of_what_it_did(
    name: str,
    limits: LimitRules,
    series: Sequence[Series],
    seen: Mapping[Series, SeriesSeen],
    loads: Mapping[Series, SeriesLoad],
) -> Iterator[RuleRemark]:
    own = [loads[each] for each in series if each in loads]
    if not any(load.raised for load in own):
        yield RuleRemark(
            name, NOTE, "never", f"it would never have raised anything{_how_near(limits, series, seen)}"
        )
        return
    watched = sum(seen[each].last - seen[each].first for each in series)
    share = sum(load.seconds for load in own) / watched if watched > 0 else 0.0
    if share > _MUCH:
        text = (
            f"its series are in alarm {100 * share:.0f} % of the time: the limit lies where they usually are"
        )
        yield RuleRemark(name, NOTE, "mostly_in_alarm", text)
    raised, told = sum(load.raised for load in own), sum(load.told for load in own)
    if told and raised > 10 * told:
        text = f"{raised:,} raises in {told:,} alarms: it flaps; a deadband or a delay would make them few"
        yield RuleRemark(name, NOTE, "flaps", text)


def _how_near(limits: LimitRules, series: Sequence[Series], seen: Mapping[Series, SeriesSeen]) -> str:
    """Say how far a limit that nothing crossed is away: between which values series lay, how long nothing came."""
    longest = duration(max(seen[each].longest_ms for each in series) / 1000)
    gap = f"at most {longest} passed without a reading" if limits.of_silence else ""
    if not limits.of_readings:
        return f": {gap}" if gap else ""
    lowest = min(seen[each].lowest for each in series)
    highest = max(seen[each].highest for each in series)
    text = f": values were {in_digits(lowest)} to {in_digits(highest)}{gap and f', {gap}'}"
    if limits.low <= lowest and highest <= limits.high:
        return text
    if limits.delay_seconds:
        return f"{text}, beyond it, but never for {limits.delay_seconds:g} s"
    if limits.when is not None:
        return f"{text}, beyond it, but never{_often(limits)} while {limits.when} was known to hold"
    return f"{text}, beyond it, but never{_often(limits)}" if limits.count else text


def _often(limits: LimitRules) -> str:
    return f" {limits.count:,} times within {in_units(limits.within)}" if limits.count > 1 else ""
