"""Limits of a series: tried over the windows that MongoDB has, approximate and at once, and put in force."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

import msgspec
from aiohttp import web
from faust.web import Request, Response, View

from agents.views.history_pages import PATIENCE_SECONDS, AskedHistory
from agents.views.store_asking import asked_store
from agents.web.posting import read_posted
from agents.web.queries import BadRequest, Json, answer, read_number
from bridges.mongo.mongo_history import windows_between
from bridges.rules.rule_writer import RulesChanged
from bridges.rules.series_rule import SeriesRule
from streams.detection.limit_rules import LimitRules, asked_beside
from streams.detection.log_rules import PartitionRules, rules_of
from streams.errors import ConfigurationError, InputError, TransientError
from streams.rules.rule_changes import in_section
from streams.rules.rule_set import OTHERS
from streams.rules.rules_report import described_limits
from streams.rules.window_trial import WindowTrial, newest_first, told_load
from streams.window_history import HistoryPoint, StoredWindow, WindowHistory, check_windows, step_for

if TYPE_CHECKING:
    from agents.app import WorkerApp
    from agents.views.worker_pages import WorkerPages

_MOST_SHOWN: Final = 200
_LARGEST: Final = 1e30
_MINUTES: Final = 7 * 1440


_FIELDS: Final = {
    "sensor",
    "quantity",
    "low",
    "high",
    "deadband",
    "minutes",
    "severity",
    "by",
    "why",
    "follows",
}


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

    def add(self, window: StoredWindow) -> None:
        self.history.add(window)
        self.tried.add(window)
        self.in_force.add(window)


async def try_rule(pages: "WorkerPages", view: View, request: Request) -> Response:
    """Return what a limit would have raised, the points of the series, and what the limits in force raise."""
    app, asked = pages.app, AskedHistory.of(request.query)
    size = app.settings.windows.policy().size_ms / 1000
    detection = _asked_limits(request.query)
    step = step_for(asked.until - asked.since, asked.points, size)
    slow = f"no answer within {PATIENCE_SECONDS:g} s: ask for a shorter range"

    def begin() -> _Together:
        return _Together(step, _trial(app, asked, detection), _trial(app, asked, _detection_in_force(app)))

    try:
        check_windows(app.settings.windows.policy())
        begin()
        async with asked_store(app, PATIENCE_SECONDS, slow) as mongo, pages.histories:
            series = asked.sensor, asked.quantity
            found = await windows_between(mongo, series, asked.since, asked.until, begin)
    except ConfigurationError as error:
        raise BadRequest(str(error)) from None
    except InputError as error:
        raise BadRequest(error.detail) from None
    rules = applied_rules(app)
    newest = "" if rules is None else rules.change.fingerprint
    return answer(view, {**_told(asked, step, size, found), "rules": newest})


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


def _trial(app: "WorkerApp", asked: AskedHistory, detection: Json) -> WindowTrial:
    settings = app.settings
    return WindowTrial(
        asked.sensor, asked.quantity, detection, settings.alarms.rules(), settings.bridge.tick_seconds
    )


def _asked_limits(query: Mapping[str, str]) -> Json:
    """Read the limits that are to be tried, as a section ``detection``."""
    found: Json = {
        name: read_number(query, name, 0.0, least=-_LARGEST, greatest=_LARGEST)
        for name in ("low", "high")
        if query.get(name)
    }
    if not found:
        raise BadRequest("low or high must be given: /api/rules/try?sensor=ID&quantity=NAME&high=120")
    found["deadband"] = read_number(query, "deadband", 0.0, least=0.0, greatest=_LARGEST)
    found["delay_seconds"] = 60 * read_number(query, "minutes", 0.0, least=0.0, greatest=_MINUTES)
    return found


def _told(asked: AskedHistory, step: float, size: float, found: _Together) -> Json:
    load, intervals = found.tried.found()
    load_in_force, _ = found.in_force.found()
    return {
        "sensor": asked.sensor,
        "quantity": asked.quantity,
        "from": asked.since,
        "to": asked.until,
        "limits": described_limits(found.tried.limits),
        "exact": False,
        "why_not_exact": [
            f"made of the least and greatest value of windows of {size:g} s: what crosses a limit several times in one "
            "counts once, and times are true to a window; windows that are still open are left out",
            *_left_aside(found.in_force.whole),
        ],
        **told_load(load),
        "anomalies": [msgspec.to_builtins(each) for each in newest_first(intervals, _MOST_SHOWN)],
        "in_force": {"limits": described_limits(found.in_force.limits), **told_load(load_in_force)},
        "windows": found.history.windows,
        "step_seconds": step,
        "columns": HistoryPoint.__struct_fields__,
        "points": list(found.history.points()),
    }


def _left_aside(limits: LimitRules | None) -> list[str]:
    """Say what the limits in force ask for that windows cannot tell; it stays when others are applied."""
    if limits is None or not (beside := asked_beside(limits)):
        return []
    return [f"the rule in force asks for more, {beside}: left aside here, it stays when this is applied"]


def limits_in_force(app: "WorkerApp", sensor_id: str, quantities: list[str]) -> Json:
    """Return the limits of a sensor's series and the rule that sets them, by quantity; of those that have any.

    Args:
        app: The worker.
        sensor_id, quantities: The series, of this worker.
    """
    plan, rules = app.settings.detection.plan(), applied_rules(app)
    found: Json = {}
    for quantity in quantities:
        applied = None if rules is None else rules.rule_of(sensor_id, quantity)
        if rules is not None and applied is not None:
            if applied[1] is None:
                continue
            origin = rules.change.origin
            found[quantity] = {"rule": applied[0], **described_limits(applied[1]), "applied": origin}
        elif (limits := plan.config_for(sensor_id, quantity).limits) is not None:
            rule = plan.pattern_for(sensor_id, quantity) or OTHERS
            found[quantity] = {"rule": rule, **described_limits(limits)}
    return found


def applied_rules(app: "WorkerApp") -> PartitionRules | None:
    """Return the rules that were applied last, as far as this worker's partitions have come to them."""
    if app.models is None:
        return None
    found = (rules_of(app.models.rows.get(partition, {})) for partition in app.owned_partitions())
    return max((each for each in found if each is not None), key=lambda each: each.change.at, default=None)


def _detection_in_force(app: "WorkerApp") -> Json:
    rules = applied_rules(app)
    return in_section([] if rules is None else rules.change.rules, app.settings.detection.given())
