"""The pages of the worker's web server; docs/reference/http.md describes each."""

import asyncio
from importlib.resources import files
from typing import Any

from agents.views import ledger, overview
from agents.views.live import LiveState, Page
from agents.views.watch import Watch
from agents.web import readiness as health
from agents.web.peers import Answers, ask_all
from agents.web.queries import Listing, answer, is_local, not_found, pages_of, read_number
from bridges.mongo.mongo_history import quality
from bridges.process import metrics

Json = dict[str, Any]

# How long a page waits for MongoDB before it says that there is no answer.
MONGO_PATIENCE_SECONDS = 5.0
DEFAULT_TOLERANCE_SECONDS = 300.0


def add_to(app: Any, watch: Watch) -> None:
    """Add the pages to the application's web server."""
    live = LiveState(app, watch.recent)
    home = files("agents.views").joinpath("home.html").read_text(encoding="utf-8")

    page = pages_of(app)

    @page("/")
    async def start_page(self: Any, request: Any) -> Any:
        """Show what goes on."""
        return self.html(home, headers={"Cache-Control": "no-cache"})

    @page("/api/overview")
    async def api_overview(self: Any, request: Any) -> Any:
        """Return rates, totals, lag, workers and the newest anomalies."""
        if is_local(request.query):
            return answer(self, await overview.worker_overview(app, watch))
        return answer(self, await overview.whole_overview(app, watch))

    @page("/api/sensors")
    async def api_sensors(self: Any, request: Any) -> Any:
        """List sensors by id."""
        listing = Listing.of(request.query)
        return answer(self, await _listed(request, "/api/sensors", listing, live.sensors(*listing)))

    @page("/api/sensors/{sensor_id}")
    async def api_sensor(self: Any, request: Any, sensor_id: str) -> Any:
        """Describe one sensor, whichever worker has it."""
        found = live.sensor(sensor_id)
        if found is None and not is_local(request.query):
            others = await ask_all(app, request.rel_url.raw_path)
            found = next(iter(others.found.values()), None)
            if found is None and others.missing:
                return answer(
                    self, {"error": "a worker does not answer", "missing": others.missing}, status=503
                )
        if found is None:
            return not_found(self, f"sensor: {sensor_id}")
        anomalies = watch.anomalies.newest(100, sensor_id)
        return answer(self, {**found, "anomalies": anomalies or found.get("anomalies", [])})

    @page("/api/tables")
    async def api_tables(self: Any, request: Any) -> Any:
        """List the names of the tables."""
        return answer(self, {"tables": live.tables()})

    @page("/api/tables/{table}")
    async def api_table(self: Any, request: Any, table: str) -> Any:
        """List rows of a table by key, over all workers."""
        listing = Listing.of(request.query)
        own = live.page(table, *listing)
        if own is None:
            return not_found(self, f"table: {table}; there are {', '.join(live.tables())}")
        return answer(self, await _listed(request, f"/api/tables/{table}", listing, own))

    @page("/api/quality")
    async def api_quality(self: Any, request: Any) -> Any:
        """Compare anomalies with labels."""
        tolerance = read_number(request.query, "tolerance", DEFAULT_TOLERANCE_SECONDS, least=0, greatest=1e9)
        if app.sinks is None:
            return answer(self, {"error": "this worker has no MongoDB (WEIR_WORKER__SINKS)"}, status=503)
        try:
            async with asyncio.timeout(MONGO_PATIENCE_SECONDS):
                found = await quality(app.sinks.mongo, tolerance)
        except TimeoutError:
            return answer(self, {"error": f"MongoDB: {app.sinks.mongo.why_away or 'slow'}"}, status=503)
        return answer(
            self,
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

    @page("/api/ledger")
    async def api_ledger(self: Any, request: Any) -> Any:
        """Return the counts of every hop, and whether they balance."""
        if is_local(request.query):
            return answer(self, ledger.worker_ledger(app, watch))
        return answer(self, await ledger.whole_ledger(app, watch))

    @page("/health/live")
    async def health_live(self: Any, request: Any) -> Any:
        """Say that the event loop runs."""
        return answer(self, {"live": True})

    @page("/health/ready")
    async def health_ready(self: Any, request: Any) -> Any:
        """Say whether the worker does its work."""
        if reason := health.why_not_ready(app):
            return answer(self, {"ready": False, "reason": reason}, status=503)
        return answer(self, {"ready": True})

    @page("/metrics")
    async def metrics_page(self: Any, request: Any) -> Any:
        """Return all metrics in Prometheus' text format."""
        await health.refresh_gauges(app)
        return self.bytes(metrics.render(), headers={"Content-Type": metrics.CONTENT_TYPE})

    async def _listed(request: Any, path: str, listing: Listing, own: Page) -> Json:
        """Merge this worker's part of a listing with the others'."""
        others = Answers() if is_local(request.query) else await ask_all(app, path, listing.as_query())
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
