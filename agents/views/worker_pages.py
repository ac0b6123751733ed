"""What the pages of the worker's web server have in common, and those of sensors, of the ledger and of quality."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from faust.web import Request, Response, View

from agents.views import ledger, overview
from agents.views.alarm_pages import IncidentWatch, PlanWatch
from agents.views.letter_pages import RedriveWatch
from agents.views.live import LiveState
from agents.views.place_pages import PlaceCounting
from agents.views.rule_answers import limits_in_force, peers_by
from agents.views.rule_list import RuleWatch
from agents.views.sensor_choice import SensorChoice
from agents.views.store_asking import SHORT_PATIENCE_SECONDS, asked_store
from agents.views.watching.ranked import Ranked
from agents.views.watching.watch import Watch
from agents.web.navigation import read_pages
from agents.web.queries import (
    Json,
    Listing,
    Page,
    answer,
    is_local,
    not_found,
    read_number,
    read_word,
)
from agents.web.routes import Pages, Route
from bridges.alarms.incident_log import IncidentLog
from bridges.alarms.plan_log import PlanLog
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
        routes: Its table.
        watch: What its views have seen go by.
    """

    def __init__(self, app: "WorkerApp", routes: Sequence[Route], watch: Watch) -> None:
        super().__init__(app, routes)
        self.watch = watch
        self.state = LiveState(app, watch.recent, watch.bands, watch.devices)
        self.incidents = IncidentWatch(IncidentLog(app.settings, watch.devices.devices.get))
        self.plans = PlanWatch(PlanLog(app.settings))
        self.rules = RuleWatch(app.settings)
        self.places = PlaceCounting(app, watch.devices)
        self.redrives = RedriveWatch(RedriveLog(app.settings))
        self.histories = asyncio.Semaphore(MOST_HISTORIES)
        self.searches = asyncio.Semaphore(MOST_SEARCHES)
        self.for_people = read_pages("agents.views", app.settings)

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
            of_rules = {"peers_by": peers_by(self.app, sensor_id, quantities)}
            found = {**found, "limits": limits_in_force(self.app, sensor_id, quantities), **of_rules}
        else:
            found = await self.found_elsewhere(request, request.rel_url.raw_path)
        if found is None:
            return not_found(view, f"sensor: {sensor_id}")
        anomalies = self.watch.anomalies.newest(100, sensor_id)
        return answer(view, {**found, "anomalies": anomalies or found.get("anomalies", [])})

    async def table(self, view: View, request: Request, table: str) -> Response:
        """List rows of a table by key, over all workers."""
        listing = Listing.of(request.query)
        own = self.state.page(table, *listing)
        if own is None:
            return self.no_table(view, table)
        return answer(view, await self.listed(request, f"/api/tables/{table}", listing, own))

    def no_table(self, view: View, table: str) -> Response:
        """Answer that there is no table of a name, and which there are."""
        return not_found(view, f"table: {table}; there are {', '.join(self.state.tables())}")

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
        others = await self.others(request, path, asked)
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
