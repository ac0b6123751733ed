"""The pages of alarms on the worker's web server: what stands, and what people do about it."""

import asyncio
import time
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

import msgspec
from aiohttp import web
from faust.web import Request, Response, View

from agents.web.posting import read_posted
from agents.web.queries import BadRequest, Json, answer, is_local, read_number, read_word
from agents.web.readiness import why_not_whole
from agents.web.shared_look import SharedLook
from agents.web.tables import owned_rows
from bridges.alarms.action_writer import partitions_of
from bridges.alarms.incident_log import IncidentLog
from bridges.alarms.plan_log import PlanLog
from bridges.process.logs import get_logger
from bridges.process.near_names import did_you_mean
from streams.alarms.acting import action_of
from streams.alarms.alarm_rules import SEVERITIES
from streams.alarms.incidents import Incident
from streams.alarms.inhibiting import NEW, AlarmState
from streams.alarms.planning import Times, remark_on, work_planned
from streams.alarms.raising import PARTITION
from streams.alarms.templates import Labels, as_plain
from streams.alarms.wording import incident_sentence, incident_title
from streams.errors import ConfigurationError, InputError
from streams.payloads.event_times import zone_of_day
from streams.records.alarm_records import Action, Alarm
from streams.records.catalogue import CATALOGUE

if TYPE_CHECKING:
    from agents.app import WorkerApp
    from agents.views.worker_pages import WorkerPages
    from streams.detection.sensor_models import SensorModels

log = get_logger(__name__)

_MOST_SHOWN = 1000
_LOOK_SECONDS = 2.0
_LISTED = 5
_ACTIONS = CATALOGUE.of(Action)
_FIELDS = frozenset(Action.__struct_fields__) - {"id", "at"}


class IncidentWatch:
    """The incidents of all alarms in the log, looked at while somebody asks; nobody waits for it.

    Args:
        incidents: Finds them.
    """

    def __init__(self, incidents: IncidentLog) -> None:
        self._incidents = incidents
        self._looking: asyncio.Task[None] | None = None

    @property
    def is_whole(self) -> bool:
        """Tell whether all alarms of the log had been read at the last look."""
        return self._incidents.is_whole

    def newest(self) -> tuple[Incident, ...]:
        """Return those that stood at the last look, and begin the next one."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        return self._incidents.open

    def escalated_to(self, alarm_id: str) -> list[str]:
        """Return the targets that were told, by the last look, that nobody had acknowledged an alarm."""
        return self._incidents.escalated_to(alarm_id)

    async def _look(self) -> None:
        try:
            await asyncio.to_thread(self._incidents.look, _LOOK_SECONDS)
        except Exception as error:
            # The page goes on showing what was found last; the next look may succeed.
            log.error("incidents.not_looked_at", error=repr(error))


class PlanPosted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Work to be planned, as it is posted; the fields are those of `weir alarms plan`.

    Args:
        by, why: Who plans it, and what is done.
        start, until: The first time (seconds since the Unix epoch).
        sensors: Pattern of sensor ids.
        place, machine, group, kind: What the registry of devices says of the sensors.
        every, times, zone: How often, and of which time zone the time of day is.
    """

    by: str
    why: str
    start: float
    until: float
    sensors: str = ""
    place: str = ""
    machine: str = ""
    group: str = ""
    kind: str = ""
    every: str = ""
    times: int = 1
    zone: str = "UTC"


class WithdrawalPosted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Planned work to be withdrawn, as it is posted.

    Args:
        plan: Its id.
        by, why: Who does it, and the reason.
    """

    plan: str
    by: str
    why: str = ""


_Posted = TypeVar("_Posted", PlanPosted, WithdrawalPosted)


class PlanWatch:
    """The work that is planned, read from Kafka while somebody asks: by one thread, however many ask for the same.

    Args:
        plans: Reads it.
    """

    def __init__(self, plans: PlanLog) -> None:
        self._plans = plans
        self._looks = {
            all_of_them: SharedLook(partial(plans.told, all_of_them=all_of_them))
            for all_of_them in (False, True)
        }

    async def told(self, *, all_of_them: bool) -> list[Json]:
        """Return what is told of it, of what is over, too, if that is asked for.

        Raises:
            NotKnown: If it could not be read, or not within ten seconds.
        """
        return await self._looks[all_of_them].known("which work is planned")

    async def withdrawal(self, asked: WithdrawalPosted) -> tuple[str, list[Action]]:
        """Return the id of the plan that is withdrawn, and what is to be written.

        Raises:
            BadRequest: If there is no such plan, or it is over.
            NotKnown: If it could not be read.
        """
        look = partial(self._plans.withdrawal, asked.plan, by=asked.by, why=asked.why)
        try:
            plan, _, actions = await SharedLook(look).known("which work is planned")
        except ConfigurationError as error:
            raise BadRequest(str(error)) from None
        return plan, actions


async def list_open(pages: "WorkerPages", view: View, request: Request) -> Response:
    """List what stands, over all workers: the worst first, of these the newest."""
    limit = int(read_number(request.query, "limit", 200, least=1, greatest=_MOST_SHOWN))
    label = pages.watch.devices.label
    own = sorted((as_plain(each, label(each.sensor_id)) for each in open_alarms(pages.app)), key=_worst_first)
    local = is_local(request.query)
    answers = await pages.others(request, "/api/alarms", {"limit": str(limit)})
    incidents = () if local else pages.incidents.newest()
    found = [*own[:limit], *(each for part in answers.found.values() for each in part["alarms"])]
    total = len(own) + sum(part["open"] for part in answers.found.values())
    incident_of = {member.id: each.id for each in reversed(incidents) for member in each.members}
    return answer(
        view,
        {
            "alarms": [
                {
                    **each,
                    "incident": incident_of.get(each["id"]),
                    "escalated_to": pages.incidents.escalated_to(each["id"]) if each.get("level") else [],
                }
                for each in sorted(found, key=_worst_first)[:limit]
            ],
            "incidents_whole": not local and pages.incidents.is_whole,
            "incidents": [_shown(each, label) for each in incidents[:limit]],
            "open": total,
            "workers": 1 + len(answers.found),
            "missing": answers.missing,
            "not_whole": why_not_whole(pages.app)
            or next(filter(None, (part.get("not_whole") for part in answers.found.values())), ""),
        },
    )


def _shown(incident: Incident, label: Labels) -> Json:
    return {
        **incident.plain(),
        "title": incident_title(incident),
        "summary": incident_sentence(incident, label, _LISTED),
    }


def _worst_first(alarm: Json) -> tuple[int, float, str]:
    return -SEVERITIES.index(alarm["severity"]), -alarm["raised_at"], alarm["id"]


def open_alarms(app: "WorkerApp") -> list[Alarm]:
    """Return the alarms of this worker's partitions that are not over."""
    return [
        alarm
        for rows in owned_rows(app, app.alarms)
        for key, row in rows.items()
        if key != PARTITION
        for alarm in row.state.alarms.values()
        if alarm.state != AlarmState.NORMAL
    ]


def with_open_anomalies(app: "WorkerApp") -> "Iterator[tuple[str, SensorModels]]":
    """Yield the sensors of this worker's partitions of which an anomaly is open, each with its models."""
    for rows in owned_rows(app, app.models):
        for sensor_id, row in rows.items():
            if row.state.open_anomalies:
                yield sensor_id, row.state


def alarm_counts(app: "WorkerApp") -> dict[str, int]:
    """Count this worker's alarms that stand, those of them that nobody has acknowledged, and the critical of these."""
    standing = open_alarms(app)
    new = [each for each in standing if each.state in NEW]
    critical = sum(each.severity == SEVERITIES[-1] for each in new)
    return {"open": len(standing), "unacknowledged": len(new), "critical": critical}


async def act(pages: "WorkerPages", view: View, request: Request) -> Response:
    """Put what a person does into the log; it takes effect with the next two checkpoints, which do not wait."""
    app = pages.app
    posted = await read_posted(cast("web.Request", request), app.settings)
    if strange := sorted(posted.keys() - _FIELDS):
        raise BadRequest(f"no such field: {strange[0]!r}; there are {', '.join(sorted(_FIELDS))}")
    action = _action_of(posted)
    await _put(app, [action])
    return answer(view, {"action": action.id}, status=202)


async def list_planned(pages: "WorkerPages", view: View, request: Request) -> Response:
    """List the work that is planned, as `weir alarms planned` does."""
    all_of_them = read_word(request.query, "over", ("no", "yes")) == "yes"
    return answer(view, {"plans": await pages.plans.told(all_of_them=all_of_them)})


async def plan_work(pages: "WorkerPages", view: View, request: Request) -> Response:
    """Plan work; as `weir alarms plan`."""
    posted = await read_posted(cast("web.Request", request), pages.app.settings)
    plan = _read_fields(posted, PlanPosted)
    devices = dict(pages.watch.devices.devices)  # a thread puts into it what is new
    try:
        times = Times(plan.start, plan.until, plan.every, plan.times, zone_of_day(plan.zone))
        about = {
            name: text for name in plan.__struct_fields__ if isinstance(text := getattr(plan, name), str)
        }
        work = work_planned(about, plan.sensors, times, devices, did_you_mean)
        now = round(time.time(), 3)
        actions = work.actions(now)
    except (InputError, ConfigurationError) as error:
        raise BadRequest(str(error)) from None
    await _put(pages.app, actions)
    told = {
        "plan": actions[0].plan,
        "sensors": None if work.sensors is None else len(work.sensors),
        "times": len(times.all()),
        "remark": remark_on(work, now, devices, did_you_mean),
    }
    return answer(view, told, status=202)


async def withdraw_planned(pages: "WorkerPages", view: View, request: Request) -> Response:
    """Withdraw planned work, all that is not over of it; as `weir alarms withdraw`."""
    posted = await read_posted(cast("web.Request", request), pages.app.settings)
    asked = _read_fields(posted, WithdrawalPosted)
    plan, actions = await pages.plans.withdrawal(asked)
    await _put(pages.app, actions)
    return answer(view, {"plan": plan, "actions": len(actions)}, status=202)


def _read_fields(posted: Json, kind: type[_Posted]) -> _Posted:
    try:
        return msgspec.convert(posted, kind)
    except msgspec.ValidationError as error:
        raise BadRequest(str(error)) from None


async def _put(app: "WorkerApp", actions: Iterable[Action]) -> None:
    """Write actions to where each has to stand."""
    topic = app.name_of(_ACTIONS.topic)
    await app.plain_writer.write(
        ((topic, each), (_ACTIONS.key(action), _ACTIONS.encode(action)))
        for action in actions
        for each in partitions_of(action, app.settings.kafka.partitions)
    )


def _action_of(posted: Json) -> Action:
    try:
        texts = {name: posted[name] for name in posted.keys() - {"start", "until"}}
        if wrong := [name for name, text in texts.items() if not isinstance(text, str)]:
            raise BadRequest(f"{wrong[0]} must be text")
        times = {name: float(posted[name]) for name in ("start", "until") if posted.get(name) is not None}
        told = {"kind": "", "by": "", **texts}
        return action_of(told.pop("kind"), at=round(time.time(), 3), by=told.pop("by"), **told, **times)
    except (TypeError, ValueError) as error:
        raise BadRequest(f"start and until must be seconds since the Unix epoch: {error}") from None
    except InputError as error:
        raise BadRequest(error.detail) from None
