"""The pages of the worker's web server, on port 3000; docs/reference/http.md describes what they answer."""

import asyncio
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from faust.web import Request, Response, View

from agents.views import ledger, overview
from agents.views.live import LiveState, Page
from agents.views.watch import Watch
from agents.web.peers import Answers, ask_all
from agents.web.queries import Listing, answer, is_local, not_found, read_number
from agents.web.routes import COMMON, Pages, Route
from bridges.mongo.mongo_history import quality

if TYPE_CHECKING:
    from agents.app import WorkerApp

Json = dict[str, Any]

# How long a page waits for MongoDB before it says that there is no answer.
MONGO_PATIENCE_SECONDS = 5.0
DEFAULT_TOLERANCE_SECONDS = 300.0


class WorkerPages(Pages["WorkerApp"]):
    """The worker's own pages.

    Args:
        app: The worker.
        watch: What its views have seen go by.
    """

    def __init__(self, app: "WorkerApp", watch: Watch) -> None:
        super().__init__(app, ROUTES)
        self.watch = watch
        self.state = LiveState(app, watch.recent)
        self.home = files("agents.views").joinpath("home.html").read_text(encoding="utf-8")

    async def start(self, view: View, request: Request) -> Response:
        """Show what goes on."""
        return view.html(self.home, headers={"Cache-Control": "no-cache"})

    async def overview(self, view: View, request: Request) -> Response:
        """Return rates, totals, lag, workers and the newest anomalies."""
        if is_local(request.query):
            return answer(view, await overview.worker_overview(self.app, self.watch))
        return answer(view, await overview.whole_overview(self.app, self.watch))

    async def sensors(self, view: View, request: Request) -> Response:
        """List sensors by id."""
        listing = Listing.of(request.query)
        return answer(
            view, await self._listed(request, "/api/sensors", listing, self.state.sensors(*listing))
        )

    async def sensor(self, view: View, request: Request, sensor_id: str) -> Response:
        """Describe one sensor, whichever worker has it."""
        found = self.state.sensor(sensor_id)
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

    async def tables(self, view: View, request: Request) -> Response:
        """List the names of the tables."""
        return answer(view, {"tables": self.state.tables()})

    async def table(self, view: View, request: Request, table: str) -> Response:
        """List rows of a table by key, over all workers."""
        listing = Listing.of(request.query)
        own = self.state.page(table, *listing)
        if own is None:
            return not_found(view, f"table: {table}; there are {', '.join(self.state.tables())}")
        return answer(view, await self._listed(request, f"/api/tables/{table}", listing, own))

    async def quality(self, view: View, request: Request) -> Response:
        """Compare anomalies with labels."""
        tolerance = read_number(request.query, "tolerance", DEFAULT_TOLERANCE_SECONDS, least=0, greatest=1e9)
        sinks = self.app.sinks
        if sinks is None:
            return answer(view, {"error": "this worker has no MongoDB (WEIR_WORKER__SINKS)"}, status=503)
        try:
            async with asyncio.timeout(MONGO_PATIENCE_SECONDS):
                found = await quality(sinks.mongo, tolerance)
        except TimeoutError:
            return answer(view, {"error": f"MongoDB: {sinks.mongo.why_away or 'slow'}"}, status=503)
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

    async def _listed(self, request: Request, path: str, listing: Listing, own: Page) -> Json:
        """Merge this worker's part of a listing with the others'."""
        others = Answers() if is_local(request.query) else await ask_all(self.app, path, listing.as_query())
        rows = {row["key"]: row for part in others.found.values() for row in part["rows"]}
        rows |= {key: {"key": key, **row} for key, row in own.rows}
        keys = sorted(rows)
        more = own.more or len(keys) > listing.limit or any(part["next"] for part in others.found.values())
        shown = keys[: listing.limit]
        return {
            "rows": [rows[key] for key in shown],
            "next": shown[-1] if more and shown else None,
            "workers": 1 + len(others.found),
            "missing": others.missing,
        }


ROUTES = (
    Route(
        "/",
        WorkerPages.start,
        "a page for people: rates, sensors with their newest readings and expected band, anomalies, quality, ledger, "
        "workers. One file, loads nothing from elsewhere. `/?sensor=ID&quantity=NAME` opens one series",
    ),
    Route(
        "/api/overview",
        WorkerPages.overview,
        "what `/` shows: what is wrong, worst first (`conditions`), rates, totals, lag and workers",
    ),
    Route("/api/sensors", WorkerPages.sensors, "sensors by id", "?prefix=&after=&limit="),
    Route(
        "/api/sensors/{sensor_id}",
        WorkerPages.sensor,
        "one sensor: last value, open windows, detectors, newest readings, anomalies",
    ),
    Route("/api/tables", WorkerPages.tables, "names of the tables"),
    Route("/api/tables/{table}", WorkerPages.table, "rows of a table by key", "?prefix=&after=&limit="),
    Route("/api/quality", WorkerPages.quality, "anomalies against labels", "?tolerance="),
    Route("/api/ledger", WorkerPages.ledger, "counts of every hop, and whether they balance"),
    *COMMON,
)


def serve_worker(app: "WorkerApp", watch: Watch) -> None:
    """Serve the worker's pages."""
    WorkerPages(app, watch).serve()
