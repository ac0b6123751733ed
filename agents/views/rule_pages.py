"""Limits of a series: tried over the windows that MongoDB has, approximate and at once, and put in force."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import msgspec
from aiohttp import web
from faust.web import Request, Response, View

from agents.views.history_pages import AskedHistory
from agents.views.rule_answers import (
    applied_rules,
    peers_tried,
    rules_before,
    told_peers,
    why_of_peers,
    with_peers,
)
from agents.views.store_asking import LONG_PATIENCE_SECONDS, asked_store
from agents.web.posting import read_posted
from agents.web.queries import BadRequest, Json, answer, read_number
from bridges.mongo.history_reading import AskedRange, read_history
from bridges.mongo.mongo_history import windows_between
from bridges.mongo.mongo_sink import MongoSink
from bridges.rules.rule_writer import RulesChanged
from bridges.rules.series_rule import SeriesRule
from bridges.sources.sensor_readings import readings_between
from streams.alarms.alarm_rules import AlarmRules
from streams.backtest.difference import difference
from streams.detection.detection_config import limit_fields
from streams.detection.limits.limit_rules import LimitRules
from streams.errors import ConfigurationError, InputError, TransientError
from streams.records.identity import event_ms
from streams.records.rule_parts import MOST_COUNTED, USUAL_HOURS, AppliedRule
from streams.records.types import Reading
from streams.rules.peer_windows import PeersTried
from streams.rules.rule_changes import in_section, put_first, rule_of_series
from streams.rules.rules_report import described_limits
from streams.rules.series_trial import ReadingTrial, SeriesTrial, asks_for_readings
from streams.rules.window_trial import WindowTrial, newest_first, told_load
from streams.window_history import HistoryPoint, StoredWindow, WindowHistory, check_windows, step_for

if TYPE_CHECKING:
    from agents.app import WorkerApp
    from agents.views.worker_pages import WorkerPages

_MOST_SHOWN: Final = 200
_LARGEST: Final = 1e30
_MINUTES: Final = 7 * 1440


_TAKEN_AWAY: Final = ("forecast_above", "forecast_below", "above_peers", "below_peers")
_VALUES: Final = ("low", "high", *_TAKEN_AWAY)
_FIELDS: Final = {
    *_VALUES, "sensor", "quantity", "deadband", "minutes", "count", "within_minutes", "when", "forecast_hours",
    "peers_of", "severity", "by", "why", "follows",
}  # fmt: skip


class Overtaken(BadRequest):
    """Somebody else was quicker; the text says what to do."""

    status = 409


class KafkaSilent(BadRequest):
    """Kafka does not take it; the text says whether it may be there all the same."""

    status = 503


class _Together:
    """The history that is drawn, the limits that are tried, and those in force, from one pass over the windows."""

    def __init__(self, step: float, tried: WindowTrial, in_force: WindowTrial) -> None:
        self.history = WindowHistory(step)
        self.tried = tried
        self.in_force = in_force
        self.first_ms: int | None = None

    def add(self, window: StoredWindow) -> None:
        if self.first_ms is None:
            self.first_ms = window.end_ms
        self.history.add(window)
        self.tried.add(window)
        self.in_force.add(window)


class _EachReading:
    """The same limits over each reading."""

    def __init__(self, tried: ReadingTrial, in_force: ReadingTrial) -> None:
        self.tried = tried
        self.in_force = in_force
        self.readings = 0
        self.first_ms = 0

    def add(self, reading: Reading) -> None:
        if not self.readings:
            self.first_ms = event_ms(reading.collected_at)
        self.readings += 1
        self.tried.add(reading)
        self.in_force.add(reading)

    def reaches(self, windows: _Together) -> bool:
        """Tell whether there are readings of the first window, too."""
        return windows.first_ms is None or (self.readings > 0 and self.first_ms < windows.first_ms)


class _Tried(NamedTuple):
    """What a trial is made of.

    Args:
        asked: The series and the range.
        tried, in_force: Sections ``detection``.
        size: Seconds of a window.
        beside: The section ``detection`` that would be in force, of all series; ``None``: no peers are asked.
    """

    asked: AskedHistory
    tried: Json
    in_force: Json
    size: float
    beside: Json | None = None

    def of_windows(self, app: "WorkerApp", detection: Json) -> WindowTrial:
        return WindowTrial(*self._of_series(app, detection), window_seconds=self.size)

    def of_readings(self, app: "WorkerApp") -> _EachReading:
        counters = app.settings.detection_plan().counters
        tried, in_force = (
            ReadingTrial(*self._of_series(app, each), counters) for each in (self.tried, self.in_force)
        )
        return _EachReading(tried, in_force)

    def _of_series(self, app: "WorkerApp", detection: Json) -> tuple[str, str, Json, AlarmRules, float]:
        settings, (sensor_id, quantity) = app.settings, self.asked[:2]
        return sensor_id, quantity, detection, settings.alarms.rules(), settings.bridge.tick_seconds


async def try_rule(pages: "WorkerPages", view: View, request: Request) -> Response:
    """Return what a limit would have raised, the points of the series, and what the limits in force raise."""
    app, asked = pages.app, AskedHistory.of(request.query)
    size = app.settings.windows.policy().size_ms / 1000
    step = step_for(asked.until - asked.since, asked.points, size)
    slow = f"no answer within {LONG_PATIENCE_SECONDS:g} s: ask for a shorter range"
    try:
        check_windows(app.settings.windows.policy())
        rule, before = _with_what_stays(app, asked, request.query), rules_before(app)
        given = app.settings.detection.given()
        tried, beside = (
            {"series": {rule.pattern: limit_fields(rule)}},
            in_section(put_first(rule, before), given),
        )
        trial = _Tried(asked, tried, in_section(before, given), size, beside)
        exact = trial.of_readings(app)
        async with asked_store(app, LONG_PATIENCE_SECONDS, slow) as mongo, pages.histories:
            peers = await peers_tried(app, mongo, asked, (beside, trial.in_force))
            if peers is not None and not _judges_values(exact):
                found, each = await _points_alone(app, mongo, trial, step), None
            else:
                found, each = await _run(app, mongo, trial, exact, step)
    except ConfigurationError as error:
        raise BadRequest(str(error)) from None
    except InputError as error:
        raise BadRequest(error.detail) from None
    rules = applied_rules(app)
    newest = "" if rules is None else rules.change.fingerprint
    return answer(view, {**_told(app, trial, found, each, peers), "rules": newest})


def _judges_values(exact: _EachReading) -> bool:
    """Tell whether any limit, tried or in force, judges values of the series itself."""
    limits = (exact.tried.limits, exact.in_force.limits)
    return any(each is not None and each.of_readings for each in limits)


async def _points_alone(app: "WorkerApp", mongo: MongoSink, trial: _Tried, step: float) -> _Together:
    """Return the points of the series, where only its peers are asked: from the tier that has them."""
    asked = trial.asked
    found = _Together(step, *(trial.of_windows(app, own) for own in (trial.tried, trial.in_force)))
    wanted = AskedRange((asked.sensor, asked.quantity), asked.since, asked.until, asked.points, trial.size)
    found.history = (await read_history(mongo, wanted)).history
    return found


async def _run(
    app: "WorkerApp", mongo: MongoSink, trial: _Tried, exact: _EachReading, step: float
) -> tuple[_Together, _EachReading | None]:
    """Try limits over windows and, where they ask for more than those tell, over each reading that there is."""
    asked = trial.asked
    series, since, until = (asked.sensor, asked.quantity), asked.since, asked.until
    limits = [each.limits for each in (exact.tried, exact.in_force)]
    of_counter = app.settings.detection_plan().counters.counter_of(*series) is not None
    each = None
    if any(map(asks_for_readings, limits)) and not of_counter:  # a rate is in no reading
        each = await readings_between(mongo, asked.sensor, since, until, lambda: trial.of_readings(app))
    others = {
        quantity: await windows_between(mongo, (asked.sensor, quantity), since, until, _Kept)
        for quantity in _asked_by(limits)
    }

    def begin() -> _Together:
        tried, in_force = (trial.of_windows(app, own) for own in (trial.tried, trial.in_force))
        for quantity, windows in others.items():
            tried.beside(quantity, windows.windows)
            in_force.beside(quantity, windows.windows)
        return _Together(step, tried, in_force)

    found = await windows_between(mongo, series, since, until, begin)
    return found, each if each is not None and each.reaches(found) else None


class _Kept:
    """Windows of a quantity that a condition asks for."""

    def __init__(self) -> None:
        self.windows: list[StoredWindow] = []

    def add(self, window: StoredWindow) -> None:
        self.windows.append(window)


def _asked_by(limits: Iterable[LimitRules | None]) -> list[str]:
    """List the other quantities for which conditions ask."""
    conditions = [each.when for each in limits if each is not None and each.when is not None]
    return sorted({each.quantity for when in conditions for each in when.comparisons})


def _with_what_stays(app: "WorkerApp", asked: AskedHistory, query: Mapping[str, str]) -> AppliedRule:
    """Return the rule that would be in force if these limits were applied: what they do not say stays."""
    own = {"low": None, "high": None, **_asked_limits(query)}
    return rule_of_series(asked.sensor, asked.quantity, own, rules_before(app), app.settings.detection.plan())


async def apply_rule(pages: "WorkerPages", view: View, request: Request) -> Response:
    """Put a limit on a series in force from now on, as `weir rules apply` does; all other rules stay."""
    settings = pages.app.settings
    posted = await read_posted(cast("web.Request", request), settings)
    rule = _asked_rule({name: str(value) for name, value in posted.items() if value is not None})
    try:
        found = await asyncio.to_thread(rule.apply, settings)
    except RulesChanged as error:
        raise Overtaken(str(error)) from None
    except ConfigurationError as error:
        raise BadRequest(str(error)) from None
    except TransientError as error:
        raise KafkaSilent(str(error)) from None
    if found is None:
        return answer(view, {"applied": None})
    applied, difference = found
    return answer(view, {"applied": applied.change.origin, **difference._asdict()})


def _asked_rule(posted: Mapping[str, str]) -> SeriesRule:
    if strange := sorted(posted.keys() - _FIELDS):
        raise BadRequest(f"no such field: {strange[0]!r}; there are {', '.join(sorted(_FIELDS))}")
    if missing := [name for name in ("sensor", "quantity", "by", "why") if not posted.get(name, "").strip()]:
        raise BadRequest(f"{missing[0]} must be given")
    own = {"low": None, "high": None, **_asked_limits(posted)}
    if severity := posted.get("severity"):
        own["severity"] = severity
    series = posted["sensor"], posted["quantity"]
    return SeriesRule(*series, own, posted["by"], posted["why"], posted.get("follows", ""))


def _asked_limits(query: Mapping[str, str]) -> Json:
    """Read the limits that are to be tried, as a section ``detection``."""
    found: Json = {
        name: read_number(query, name, 0.0, least=-_LARGEST, greatest=_LARGEST)
        for name in _VALUES
        if query.get(name)
    }
    if not found:
        raise BadRequest(
            "low or high must be given, or forecast_above, forecast_below, above_peers or below_peers: "
            "/api/rules/try?sensor=ID&quantity=NAME&high=120"
        )
    found["deadband"] = read_number(query, "deadband", 0.0, least=0.0, greatest=_LARGEST)
    found["delay_seconds"] = 60 * read_number(query, "minutes", 0.0, least=0.0, greatest=_MINUTES)
    return found | _asked_beside(query)


def _asked_beside(query: Mapping[str, str]) -> Json:
    """Read how often, while what and how far ahead; what is given empty is taken away, what is not given stays."""
    found: Json = {name: None for name in _TAKEN_AWAY if query.get(name) == ""}
    if query.get("peers_of", "").strip():
        found["peers_of"] = query["peers_of"].strip()
    if query.get("forecast_hours"):
        found["forecast_hours"] = read_number(query, "forecast_hours", USUAL_HOURS, least=1.0, greatest=72.0)
    if "count" in query:
        count = read_number(query, "count", 0.0, least=0.0, greatest=MOST_COUNTED)
        within = read_number(query, "within_minutes", 10.0, least=0.0, greatest=_MINUTES)
        found |= {
            "count": round(count) or None,
            "within_seconds": 60 * (within or 10.0) if round(count) else None,
        }
    if "when" in query:
        found["when"] = query["when"].strip()
    return found


def _told(
    app: "WorkerApp", trial: _Tried, found: _Together, each: _EachReading | None, peers: PeersTried | None
) -> Json:
    tried, in_force = (found.tried, found.in_force) if each is None else (each.tried, each.in_force)
    beside = [None, None] if peers is None else [one.found() for one in peers.trials]
    (load, intervals), (load_in_force, before) = (
        with_peers(one.found(), other) for one, other in zip((tried, in_force), beside, strict=True)
    )
    asked = trial.asked
    series, hours = (asked.sensor, asked.quantity), (asked.until - asked.since) / 3600
    changes = difference({series: before}, {series: intervals}, {asked.sensor: asked.until})
    return {
        "sensor": asked.sensor,
        "quantity": asked.quantity,
        "from": asked.since,
        "to": asked.until,
        "limits": described_limits(tried.whole),
        "exact": False,
        "why_not_exact": list(_why_not_exact(trial, tried, each, peers)),
        "readings": None if each is None else each.readings,
        **told_load(load),
        "per_operator_hour": load.told / hours,
        "appear": len(changes.appeared),
        "vanish": len(changes.vanished),
        "move": len(changes.moved),
        "anomalies": [msgspec.to_builtins(each) for each in newest_first(intervals, _MOST_SHOWN)],
        "in_force": {"limits": described_limits(in_force.whole), **told_load(load_in_force)},
        "peers": None if peers is None else told_peers(peers, found.history.step),
        "windows": found.history.windows,
        "step_seconds": found.history.step,
        "columns": HistoryPoint.__struct_fields__,
        "points": list(found.history.points()),
    }


def _why_not_exact(
    trial: _Tried, tried: SeriesTrial, each: _EachReading | None, peers: PeersTried | None
) -> Iterator[str]:
    """Say why a worker may have raised something else."""
    whole = tried.whole
    if each is not None:
        yield (
            f"each of {each.readings:,} readings was judged, by event time as MongoDB has them: what came late counts "
            "as if it had not"
        )
    elif whole is None or whole.of_readings or peers is None:
        yield (
            f"made of the least and greatest value of windows of {trial.size:g} s: what crosses a limit several times "
            "in one counts once, and times are true to a window; windows that are still open are left out"
        )
        if whole is not None and whole.when is not None:
            yield f"{whole.when} was asked of means of windows, since there are too many readings, or too few"
        if whole is not None and whole.of_rate:
            yield "the limit of change was left aside: windows do not tell it"
        if whole is not None and whole.of_forecast:
            yield "the limit of forecasts was left aside: it asks for each reading"
    if peers is not None:
        yield from why_of_peers(peers)
    if whole is not None and whole.of_silence:
        yield "limits of silence are left aside here; they stay when this is applied"
