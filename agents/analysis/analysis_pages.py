"""The pages of model analysis on port 8010; docs/reference/insights.md describes what they answer."""

from importlib.resources import files
from typing import Any

from agents.analysis.describe import Known
from agents.web import readiness as health
from agents.web.peers import Answers, ask_all
from agents.web.queries import Listing, answer, is_local, not_found, pages_of, read_number
from bridges.process import metrics

Json = dict[str, Any]


def add_to(app: Any) -> None:
    """Add the pages to the application's web server."""
    known = Known(app)
    home = files("agents.analysis").joinpath("page.html").read_text(encoding="utf-8")

    page = pages_of(app)

    async def others(request: Any, path: str, params: dict[str, str] | None = None) -> Answers:
        return Answers() if is_local(request.query) else await ask_all(app, path, params)

    @page("/")
    async def start_page(self: Any, request: Any) -> Any:
        """Show what is known, with plots."""
        return self.html(home, headers={"Cache-Control": "no-cache"})

    @page("/api/overview")
    async def api_overview(self: Any, request: Any) -> Any:
        """Count series, open conditions and records that wait."""
        behind = await health.lag(app)
        own: Json = {
            "series": known.series_count(),
            "conditions": known.open_conditions(),
            "lag": sum(sum(partitions.values()) for partitions in behind.values()),
            "ready": health.why_not_ready(app) or "yes",
        }
        parts = await others(request, "/api/overview")
        for part in parts.found.values():
            own["series"] += part["series"]
            own["lag"] += part["lag"]
            own["conditions"] = {
                kind: count + part["conditions"][kind] for kind, count in own["conditions"].items()
            }
        return answer(self, {**own, "workers": 1 + len(parts.found), "missing": parts.missing})

    @page("/api/series")
    async def api_series(self: Any, request: Any) -> Any:
        """List series by id, over all workers."""
        listing = Listing.of(request.query)
        rows, more = known.series(*listing)
        parts = await others(request, "/api/series", listing.as_query())
        rows += [row for part in parts.found.values() for row in part["rows"]]
        rows.sort(key=lambda row: row["id"])
        more = more or len(rows) > listing.limit or any(part["next"] for part in parts.found.values())
        rows = rows[: listing.limit]
        following = rows[-1]["id"] if more and rows else None
        return answer(self, {"rows": rows, "next": following, "missing": parts.missing})

    async def described(self: Any, request: Any, sensor_id: str, quantity: str) -> Any:
        found = known.sensor(sensor_id, quantity)
        if found is None:
            parts = await others(request, request.rel_url.raw_path)
            found = next(iter(parts.found.values()), None)
            if found is None and parts.missing:
                missing = {"error": "a worker does not answer", "missing": parts.missing}
                return answer(self, missing, status=503)
        if found is None:
            return not_found(self, f"series: {sensor_id}/{quantity}" if quantity else f"sensor: {sensor_id}")
        return answer(self, found)

    @page("/api/series/{sensor_id}")
    async def api_sensor(self: Any, request: Any, sensor_id: str) -> Any:
        """Describe a sensor and all its series, whichever worker has it."""
        return await described(self, request, sensor_id, "")

    @page("/api/series/{sensor_id}/{quantity}")
    async def api_one_series(self: Any, request: Any, sensor_id: str, quantity: str) -> Any:
        """Describe one series."""
        return await described(self, request, sensor_id, quantity)

    @page("/api/groups")
    async def api_groups(self: Any, request: Any) -> Any:
        """List the groups, and which of their sensors move together."""
        rows = known.groups()
        parts = await others(request, "/api/groups")
        rows += [row for part in parts.found.values() for row in part["rows"]]
        return answer(
            self, {"rows": sorted(rows, key=lambda row: str(row["group"])), "missing": parts.missing}
        )

    @page("/api/findings")
    async def api_findings(self: Any, request: Any) -> Any:
        """List what was found lately, newest first."""
        limit = int(read_number(request.query, "limit", 50, least=1, greatest=1000))
        rows = known.findings(limit)
        parts = await others(request, "/api/findings", {"limit": str(limit)})
        rows += [row for part in parts.found.values() for row in part["rows"]]
        rows.sort(key=lambda row: (-row["at"], row["sensor_id"], row["quantity"]))
        return answer(self, {"rows": rows[:limit], "missing": parts.missing})

    @page("/health/live")
    async def health_live(self: Any, request: Any) -> Any:
        """Say that the event loop runs."""
        return answer(self, {"live": True})

    @page("/health/ready")
    async def health_ready(self: Any, request: Any) -> Any:
        """Say whether the analysis does its work."""
        if reason := health.why_not_ready(app):
            return answer(self, {"ready": False, "reason": reason}, status=503)
        return answer(self, {"ready": True})

    @page("/metrics")
    async def metrics_page(self: Any, request: Any) -> Any:
        """Return all metrics in Prometheus' text format."""
        await health.refresh_gauges(app)
        metrics.ANALYSIS_SERIES.set(known.series_count())
        return self.bytes(metrics.render(), headers={"Content-Type": metrics.CONTENT_TYPE})
