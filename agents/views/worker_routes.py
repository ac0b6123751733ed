"""The table of the worker's web server, on port 3000; docs/reference/http.md shows it, and what its pages answer."""

from typing import TYPE_CHECKING

from faust.web import Request, Response, View

from agents.views import (
    alarm_pages,
    device_pages,
    history_pages,
    letter_answers,
    letter_pages,
    place_pages,
    rule_list,
    rule_pages,
)
from agents.views import worker_answers as answers
from agents.views.inside import table_answers, table_pages, trace_answers, trace_pages
from agents.views.watching.watch import Watch
from agents.views.worker_pages import WorkerPages
from agents.web.queries import show_page
from agents.web.routes import COMMON, Route

if TYPE_CHECKING:
    from agents.app import WorkerApp


def _for_people(path: str, file: str, name: str, shows: str) -> Route:
    """Return the route of a page for people.

    Args:
        path: Its own.
        file: In this folder.
        name: What programs call it.
        shows: What is to be seen on it.
    """

    async def show(pages: WorkerPages, view: View, request: Request) -> Response:
        return show_page(view, pages.for_people[file])

    show.__name__ = name
    return Route(path, show, f"a page for people: {shows}", media="text/html")


# What chooses sensors, alike on each page that does (`SensorChoice`).
CHOOSING = "?find=&state=&under=&place=&machine=&group=&without=&measures=&differ=&prefix="
ROUTES = (
    _for_people(
        "/",
        "home.html",
        "start",
        "rates, sensors with their newest readings and expected band, anomalies, quality, ledger, "
        "workers. Loads nothing from elsewhere. `/?sensor=ID&quantity=NAME` opens one series",
    ),
    Route(
        "/api/overview",
        WorkerPages.overview,
        "what `/` shows: what is wrong, worst first (`conditions`), rates, totals, lag and workers",
        answers=answers.OverviewAnswer,
    ),
    Route(
        "/api/sensors",
        WorkerPages.sensors,
        "sensors that have sent something, by id; with `sort=worst` all that are known, the worst first",
        CHOOSING + "&sort=&after=&limit=",
        answers=answers.SensorsAnswer,
    ),
    Route(
        "/api/sensors/{sensor_id}",
        WorkerPages.sensor,
        "one sensor: last value, open windows, detectors, limits in force, newest readings and what was expected then, "
        "anomalies",
        answers=answers.SensorAnswer,
    ),
    Route(
        "/api/history",
        history_pages.history,
        "a series over time, from MongoDB: count, mean, deviation, least and greatest value of each point; anomalies",
        "?sensor=&quantity=&from=&to=&points=",
        answers=answers.HistoryAnswer,
    ),
    Route(
        "/api/findings",
        history_pages.list_findings,
        "what [model analysis](insights.md) has found of a series and its sensor, from MongoDB, newest first",
        "?sensor=&quantity=&limit=",
        answers=answers.FindingsAnswer,
    ),
    _for_people(
        "/devices",
        "devices.html",
        "show_devices",
        "which devices there are, whether each is there, since when and why, and what differs from "
        "what is announced",
    ),
    Route(
        "/api/devices",
        device_pages.list_devices,
        "devices by id, or with `sort=worst` by state: whether each is there, since when and why, its name, place and "
        "units, what it measures, and where people say something else than is announced (`conflicts`)",
        CHOOSING + "&sort=&after=&limit=",
        answers=answers.DevicesAnswer,
    ),
    _for_people(
        "/places",
        "places.html",
        "show_places",
        "which place, machine, group or quantity is how ill, the worst first",
    ),
    Route(
        "/api/places",
        place_pages.list_places,
        "how many sensors of each place, machine, group or quantity are how ill, the worst first: alarms, anomalies, "
        "presence, newest reading",
        CHOOSING + "&by=&levels=&unfold=&after=&limit=",
        answers=answers.PlacesAnswer,
    ),
    Route(
        "/api/devices/history",
        device_pages.show_past,
        "the states that a device was in, newest first, from MongoDB: since when, until when, why",
        "?sensor=&limit=",
        answers=answers.DevicePast,
    ),
    Route(
        "/api/rules/try",
        rule_pages.try_rule,
        "what a [limit](rules.md#on-the-page) would have raised on a series, over the windows that MongoDB has: "
        "approximate; over each reading where `count`, `when`, a forecast or a limit of change asks for that; over the "
        "windows of its peers for `above_peers` and `below_peers`; beside it what the limits in force raise, and the "
        "points of `/api/history`",
        "?sensor=&quantity=&low=&high=&deadband=&minutes=&count=&within_minutes=&when=&forecast_above="
        "&forecast_below=&forecast_hours=&above_peers=&below_peers=&peers_of=&from=&to=&points=",
    ),
    _for_people(
        "/rules",
        "rules.html",
        "show_rule_page",
        "the [rules](rules.md#in-force) in force, who set each, when, why, and what it was before",
    ),
    Route(
        "/api/rules",
        rule_list.tell_rules,
        "the [rules](rules.md#in-force) in force, in the order in which they count, each with `text`, `set_by` and its "
        "`history`; `gone`: patterns that have none any more; `settings`. As `weir rules list --json`",
    ),
    Route(
        "/api/rules",
        rule_pages.apply_rule,
        "put a [limit](rules.md#on-the-page) on a series in force: a JSON object with `sensor`, `quantity`, `low`, "
        "`high`, `deadband`, `minutes`, `count`, `within_minutes`, `when`, `forecast_above`, `forecast_below`, "
        "`forecast_hours`, `above_peers`, `below_peers`, `peers_of`, `severity`, `by`, `why`, and `follows`: what "
        "`/api/rules/try` has as `rules`. For whom `/api/actions` is",
        posts=True,
    ),
    _for_people(
        "/tables",
        "tables.html",
        "show_tables",
        "which tables there are, any row of them in words, its history, what a replay makes of it",
    ),
    Route(
        "/api/tables",
        table_pages.list_tables,
        "the tables: what each holds, of which topic it is made, its changelog, and how many rows all workers have",
        answers=table_answers.TablesAnswer,
    ),
    Route(
        "/api/tables/{table}",
        WorkerPages.table,
        "rows of a table by key",
        "?prefix=&after=&limit=",
        answers=answers.TableAnswer,
    ),
    Route(
        "/api/tables/{table}/row",
        table_pages.show_row,
        "one row in words, whichever worker has it: that worker, partition, offsets, and each part with what it means",
        "?key=",
        answers=table_answers.RowAnswer,
    ),
    Route(
        "/api/tables/{table}/history",
        table_pages.show_history,
        "the newest records of a row in its changelog, newest first: when, where, and what each changed",
        "?key=&limit=",
        answers=table_answers.RowHistory,
    ),
    Route(
        "/api/tables/{table}/replayed",
        table_pages.show_replayed,
        "what a replay of the log up to the newest checkpoint makes of a row, against what the table holds; reads the "
        "log for 30 s at most",
        "?key=",
        answers=table_answers.RowReplayed,
    ),
    Route(
        "/api/quality",
        WorkerPages.quality,
        "anomalies against labels",
        "?tolerance=",
        answers=answers.QualityAnswer,
    ),
    Route(
        "/api/ledger",
        WorkerPages.ledger,
        "counts of every hop, and whether they balance",
        answers=answers.LedgerAnswer,
    ),
    _for_people(
        "/trace",
        "trace.html",
        "show_trace",
        "one reading from MQTT to MongoDB, hop by hop, and the ledger",
    ),
    Route(
        "/api/trace",
        trace_pages.trace_reading,
        "one reading by its id, or those of a sensor and time: every hop with time, partition and offset, and where "
        "it ends. As `weir trace`, but for 20 s of the log at most, and of the dead letters as long",
        "?id=&sensor=&at=",
        answers=trace_answers.TraceAnswer,
    ),
    Route(
        "/api/unread",
        WorkerPages.unread,
        "topics that nothing reads, as the bridge tells them: examples, and maps that would read them",
    ),
    _for_people(
        "/dead-letters",
        "dead_letters.html",
        "show_letters",
        "what was refused, why and what to do about it, topics that nothing reads, each letter with "
        "its bytes, and the command that sends it through again",
    ),
    Route(
        "/api/dead-letters",
        letter_pages.list_letters,
        "dead letters from MongoDB, the newest first, and counted by reason and topic; how much the bridge refuses",
        "?reason=&topic=&since=&until=&limit=",
        answers=letter_answers.LettersAnswer,
    ),
    Route(
        "/api/dead-letters/{letter_id}",
        letter_pages.show_letter,
        "one dead letter, with all of its bytes that are kept",
        answers=letter_answers.LetterAnswer,
    ),
    _for_people("/alarms", "alarms.html", "show_alarms", "what stands, to be acknowledged and shelved"),
    Route(
        "/api/alarms",
        alarm_pages.list_open,
        "alarms that stand, the worst first, and the [incidents](alarms.md#incidents) that are open, as of the last "
        "time that somebody asked",
        "?limit=",
        answers=answers.AlarmsAnswer,
    ),
    Route(
        "/api/actions",
        alarm_pages.act,
        "put an [action](alarms.md) into the log: a JSON object with `kind`, `by` and what the kind needs. From this "
        "machine, or with the token of `WEIR_WEB__ACTION_TOKEN`",
        posts=True,
    ),
    Route(
        "/api/planned-work",
        alarm_pages.list_planned,
        "the [work that is planned](alarms.md#planned-work): of which sensors, when, by whom, why, and how many alarms "
        "it has kept from being told. As `weir alarms planned --json`",
        "?over=",
        answers=answers.PlannedAnswer,
    ),
    Route(
        "/api/planned-work",
        alarm_pages.plan_work,
        "plan work: a JSON object with `by`, `why`, `start`, `until` (seconds since the Unix epoch), and `sensors`, "
        "`place`, `machine`, `group`, `kind`, `every`, `times`, `zone` as `weir alarms plan` has them. For whom "
        "`/api/actions` is",
        posts=True,
    ),
    Route(
        "/api/planned-work/withdraw",
        alarm_pages.withdraw_planned,
        "withdraw planned work, all that is not over of it: a JSON object with `plan`, `by` and `why`",
        posts=True,
    ),
    *COMMON,
)


def serve_worker(app: "WorkerApp", watch: Watch) -> None:
    """Serve the worker's pages."""
    WorkerPages(app, ROUTES, watch).serve()
