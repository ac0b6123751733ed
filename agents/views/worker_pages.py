"""The pages of the worker's web server, on port 3000; docs/reference/http.md describes what they answer."""

import asyncio
from typing import TYPE_CHECKING

from faust.web import Request, Response, View

from agents.views import (
    alarm_pages,
    device_pages,
    history_pages,
    ledger,
    letter_answers,
    letter_pages,
    overview,
    place_pages,
)
from agents.views import worker_answers as answers
from agents.views.inside import table_answers, table_pages, trace_answers, trace_pages
from agents.views.live import LiveState
from agents.views.rule_list import RuleWatch, show_rule_page, tell_rules
from agents.views.rule_pages import apply_rule, limits_in_force, try_rule
from agents.views.sensor_choice import SensorChoice
from agents.views.store_asking import SHORT_PATIENCE_SECONDS, asked_store
from agents.views.watching.ranked import Ranked
from agents.views.watching.watch import Watch
from agents.web.navigation import read_page
from agents.web.peers import Answers, ask_all
from agents.web.queries import (
    Json,
    Listing,
    Page,
    answer,
    is_local,
    not_found,
    read_number,
    read_word,
    show_page,
)
from agents.web.routes import COMMON, Pages, Route
from bridges.alarms.incident_log import IncidentLog
from bridges.dead_letters.redrive_log import RedriveLog
from bridges.mongo.mongo_history import quality

if TYPE_CHECKING:
    from agents.app import WorkerApp


DEFAULT_TOLERANCE_SECONDS = 300.0
# Histories that are computed at once.
MOST_HISTORIES = 2
# Searches of the log at once: each reads as fast as Kafka gives.
MOST_SEARCHES = 1


class WorkerPages(Pages["WorkerApp"]):
    """The worker's own pages.

    Args:
        app: The worker.
        watch: What its views have seen go by.
    """

    def __init__(self, app: "WorkerApp", watch: Watch) -> None:
        super().__init__(app, ROUTES)
        self.watch = watch
        self.state = LiveState(app, watch.recent, watch.bands, watch.devices)
        self.incidents = alarm_pages.IncidentWatch(IncidentLog(app.settings, watch.devices.devices.get))
        self.rules = RuleWatch(app.settings)
        self.places = place_pages.PlaceCounting(app, watch.devices)
        self.redrives = RedriveLog(app.settings)
        self.histories = asyncio.Semaphore(MOST_HISTORIES)
        self.searches = asyncio.Semaphore(MOST_SEARCHES)
        self.home = read_page("agents.views", "home.html", app.settings)
        self.alarms = read_page("agents.views", "alarms.html", app.settings)
        self.place_page = read_page("agents.views", "places.html", app.settings)
        self.table_page = read_page("agents.views", "tables.html", app.settings)
        self.trace_page = read_page("agents.views", "trace.html", app.settings)
        self.device_page = read_page("agents.views", "devices.html", app.settings)
        self.letter_page = read_page("agents.views", "dead_letters.html", app.settings)
        self.rule_page = read_page("agents.views", "rules.html", app.settings)

    async def start(self, view: View, request: Request) -> Response:
        """Show what goes on."""
        return show_page(view, self.home)

    async def overview(self, view: View, request: Request) -> Response:
        """Return rates, totals, lag, workers and the newest anomalies."""
        if is_local(request.query):
            return answer(view, await overview.worker_overview(self.app, self.watch))
        return answer(view, await overview.whole_overview(self.app, self.watch))

    async def sensors(self, view: View, request: Request) -> Response:
        """List sensors by id, or those that are known, the worst first."""
        listing, choice = Listing.of(request.query), SensorChoice.of(request.query)
        if read_word(request.query, "sort", ("id", "worst")) == "worst":
            own = self.state.worst_sensors(Ranked.read(listing.after), listing.limit, choice)
        else:
            own = self.state.sensors(listing.after, listing.limit, choice)
        return answer(view, await self.listed(request, "/api/sensors", listing, own))

    async def sensor(self, view: View, request: Request, sensor_id: str) -> Response:
        """Describe one sensor, whichever worker has it."""
        found = self.state.sensor(sensor_id)
        if found is not None:
            quantities = list((found["detector"] or {"series": ()})["series"])
            found = {**found, "limits": limits_in_force(self.app, sensor_id, quantities)}
        if found is None and not is_local(request.query):
            others = await ask_all(self.app, request.rel_url.raw_path)
            found = next(iter(others.found.values()), None)
            if found is None and others.missing:
                missing = {"error": "a worker does not answer", "missing": others.missing}
                return answer(view, missing, status=503)
        if found is None:
            return not_found(view, f"sensor: {sensor_id}")
        anomalies = self.watch.anomalies.newest(100, sensor_id)
        return answer(view, {**found, "anomalies": anomalies or found.get("anomalies", [])})

    async def table(self, view: View, request: Request, table: str) -> Response:
        """List rows of a table by key, over all workers."""
        listing = Listing.of(request.query)
        own = self.state.page(table, *listing)
        if own is None:
            return not_found(view, f"table: {table}; there are {', '.join(self.state.tables())}")
        return answer(view, await self.listed(request, f"/api/tables/{table}", listing, own))

    async def refresh_metrics(self) -> None:
        """Bring the gauges up to date, those of devices, too."""
        await super().refresh_metrics()
        self.watch.devices.refresh_gauges()

    async def quality(self, view: View, request: Request) -> Response:
        """Compare anomalies with labels."""
        tolerance = read_number(request.query, "tolerance", DEFAULT_TOLERANCE_SECONDS, least=0, greatest=1e9)
        async with asked_store(self.app, SHORT_PATIENCE_SECONDS) as mongo:
            found = await quality(mongo, tolerance)
        return answer(
            view,
            {
                "precision": found.precision,
                "recall": found.recall,
                "labels": found.labels,
                "found": found.found,
                "anomalies": found.anomalies,
                "true": found.true,
                "delay_seconds": found.delay_seconds,
                "by_kind": {
                    kind: {"labels": labels, "found": hits}
                    for kind, (labels, hits) in sorted(found.by_kind.items())
                },
                "unlabelled": found.unlabelled,
                "tolerance_seconds": tolerance,
            },
        )

    async def ledger(self, view: View, request: Request) -> Response:
        """Return the counts of every hop, and whether they balance."""
        if is_local(request.query):
            return answer(view, ledger.worker_ledger(self.app, self.watch))
        return answer(view, await ledger.whole_ledger(self.app, self.watch))

    async def unread(self, view: View, request: Request) -> Response:
        """Return what comes by MQTT and nothing reads, as the bridge tells it."""
        return answer(view, await ledger.bridge_part(self.app, "/api/unread"))

    async def listed(self, request: Request, path: str, listing: Listing, own: Page) -> Json:
        """Merge this worker's part of a listing with the others'.

        Args:
            request: The request: the others are asked with its parameters.
            path: Of the page.
            listing: Which part is asked for.
            own: This worker's.
        """
        asked = {**dict(request.query), **listing.as_query()}
        others = Answers() if is_local(request.query) else await ask_all(self.app, path, asked)
        rows = {row["key"]: row for part in others.found.values() for row in part["rows"]}
        rows |= {key: {"key": key, **row} for key, row in own.rows}
        found = sorted(rows.values(), key=_place)
        more = own.more or len(found) > listing.limit or any(part["next"] for part in others.found.values())
        shown = found[: listing.limit]
        return {
            "rows": shown,
            "next": _next(shown[-1]) if more and shown else None,
            "workers": 1 + len(others.found),
            "missing": others.missing,
        }


def _place(row: Json) -> tuple[int, str]:
    return row.get("rank", 0), row["key"]


def _next(row: Json) -> str:
    """Return after what the following page begins."""
    return Ranked(*_place(row)).written if "rank" in row else str(row["key"])


# What chooses sensors, alike on each page that does (`SensorChoice`).
CHOOSING = "?find=&state=&under=&place=&machine=&group=&without=&measures=&differ=&prefix="
ROUTES = (
    Route(
        "/",
        WorkerPages.start,
        "a page for people: rates, sensors with their newest readings and expected band, anomalies, quality, ledger, "
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
    Route(
        "/devices",
        device_pages.show_devices,
        "a page for people: which devices there are, whether each is there, since when and why, and what differs from "
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
    Route(
        "/places",
        place_pages.show_places,
        "a page for people: which place, machine, group or quantity is how ill, the worst first",
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
        try_rule,
        "what a [limit](rules.md#on-the-page) would have raised on a series, over the windows that MongoDB has: "
        "approximate; over each reading where `count`, `when` or a limit of change asks for that; beside it what the "
        "limits in force raise, and the points of `/api/history`",
        "?sensor=&quantity=&low=&high=&deadband=&minutes=&count=&within_minutes=&when=&from=&to=&points=",
    ),
    Route(
        "/rules",
        show_rule_page,
        "a page for people: the [rules](rules.md#in-force) in force, who set each, when, why, and what it was before",
    ),
    Route(
        "/api/rules",
        tell_rules,
        "the [rules](rules.md#in-force) in force, in the order in which they count, each with `text`, `set_by` and its "
        "`history`; `gone`: patterns that have none any more; `settings`. As `weir rules list --json`",
    ),
    Route(
        "/api/rules",
        apply_rule,
        "put a [limit](rules.md#on-the-page) on a series in force: a JSON object with `sensor`, `quantity`, `low`, "
        "`high`, `deadband`, `minutes`, `count`, `within_minutes`, `when`, `severity`, `by`, `why`, and `follows`: "
        "what `/api/rules/try` has as `rules`. For whom `/api/actions` is",
        posts=True,
    ),
    Route(
        "/tables",
        table_pages.show_tables,
        "a page for people: which tables there are, any row of them in words, its history, what a replay makes of it",
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
    Route(
        "/trace",
        trace_pages.show_trace,
        "a page for people: one reading from MQTT to MongoDB, hop by hop, and the ledger",
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
    Route(
        "/dead-letters",
        letter_pages.show_letters,
        "a page for people: what was refused, why and what to do about it, topics that nothing reads, each letter with "
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
    Route(
        "/alarms", alarm_pages.show_alarms, "a page for people: what stands, to be acknowledged and shelved"
    ),
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
    *COMMON,
)


def serve_worker(app: "WorkerApp", watch: Watch) -> None:
    """Serve the worker's pages."""
    WorkerPages(app, watch).serve()
