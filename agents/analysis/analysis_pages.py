"""The pages of model analysis on port 8010; docs/reference/insights.md describes what they answer."""

from typing import TYPE_CHECKING, Any

from faust.web import Request, Response, View

from agents.analysis import analysis_answers as answers
from agents.analysis.describe import Known
from agents.web import readiness
from agents.web.navigation import read_page
from agents.web.queries import Listing, answer, not_found, read_number, show_page
from agents.web.routes import COMMON, Pages, Route
from agents.web.sensor_names import SensorNames
from bridges.process import metrics
from bridges.process.settings import Settings

if TYPE_CHECKING:
    from agents.analysis.app import AnalysisApp

Json = dict[str, Any]


class AnalysisPages(Pages["AnalysisApp"]):
    """The analysis' own pages.

    Args:
        app: The analysis.
        settings: As they were given: the application's own have its web server in the place of the worker's.
    """

    def __init__(self, app: "AnalysisApp", settings: Settings) -> None:
        super().__init__(app, ROUTES)
        self.known = Known(app)
        self.names = SensorNames(app)
        self.home = read_page("agents.analysis", "page.html", settings)

    async def refresh_metrics(self) -> None:
        """Bring the gauges up to date, the number of series too."""
        await super().refresh_metrics()
        metrics.ANALYSIS_SERIES.set(self.known.series_count())

    async def start(self, view: View, request: Request) -> Response:
        """Show what is known, with plots."""
        return show_page(view, self.home)

    async def overview(self, view: View, request: Request) -> Response:
        """Count series, open conditions and records that wait."""
        behind = await readiness.lag(self.app)
        own: Json = {
            "series": self.known.series_count(),
            "conditions": self.known.open_conditions(),
            "lag": sum(sum(partitions.values()) for partitions in behind.values()),
            "ready": readiness.why_not_ready(self.app) or "yes",
        }
        parts = await self.others(request, "/api/overview")
        for part in parts.found.values():
            own["series"] += part["series"]
            own["lag"] += part["lag"]
            own["conditions"] = {
                kind: count + part["conditions"][kind] for kind, count in own["conditions"].items()
            }
        return answer(view, {**own, "workers": 1 + len(parts.found), "missing": parts.missing})

    async def series(self, view: View, request: Request) -> Response:
        """List series by id, over all workers."""
        listing = Listing.of(request.query)
        rows, more = self.known.series(*listing)
        parts = await self.others(request, "/api/series", listing.as_query())
        rows += [row for part in parts.found.values() for row in part["rows"]]
        rows.sort(key=lambda row: row["id"])
        more = more or len(rows) > listing.limit or any(part["next"] for part in parts.found.values())
        rows = rows[: listing.limit]
        self.names.add_to(rows)
        following = rows[-1]["id"] if more and rows else None
        return answer(view, {"rows": rows, "next": following, "missing": parts.missing})

    async def _described(self, view: View, request: Request, sensor_id: str, quantity: str) -> Response:
        found = self.known.sensor(sensor_id, quantity)
        if found is None:
            found = await self.found_elsewhere(request, request.rel_url.raw_path)
        if found is None:
            return not_found(view, f"series: {sensor_id}/{quantity}" if quantity else f"sensor: {sensor_id}")
        self.names.add_to([found])
        return answer(view, found)

    async def sensor(self, view: View, request: Request, sensor_id: str) -> Response:
        """Describe a sensor and all its series, whichever worker has it."""
        return await self._described(view, request, sensor_id, "")

    async def one_series(self, view: View, request: Request, sensor_id: str, quantity: str) -> Response:
        """Describe one series."""
        return await self._described(view, request, sensor_id, quantity)

    async def groups(self, view: View, request: Request) -> Response:
        """List the groups, and which of their sensors move together."""
        rows = self.known.groups()
        parts = await self.others(request, "/api/groups")
        rows += [row for part in parts.found.values() for row in part["rows"]]
        return answer(
            view, {"rows": sorted(rows, key=lambda row: str(row["group"])), "missing": parts.missing}
        )

    async def findings(self, view: View, request: Request) -> Response:
        """List what was found lately, newest first."""
        limit = int(read_number(request.query, "limit", 50, least=1, greatest=1000))
        rows = self.known.findings(limit)
        parts = await self.others(request, "/api/findings", {"limit": str(limit)})
        rows += [row for part in parts.found.values() for row in part["rows"]]
        rows.sort(key=lambda row: (-row["at"], row["sensor_id"], row["quantity"]))
        self.names.add_to(rows[:limit])
        return answer(view, {"rows": rows[:limit], "missing": parts.missing})


ROUTES = (
    Route(
        "/",
        AnalysisPages.start,
        "the page for people. Loads nothing from elsewhere. `/#SENSOR/QUANTITY` opens a series",
        media="text/html",
    ),
    Route(
        "/api/series",
        AnalysisPages.series,
        "`rows`: series by `id` (`sensor/quantity`), with `newest`, `location`, `scale`, `hours` of history, `recent` "
        "(48 hourly means), `forecast` (the nearest one shown), `conditions`; `next`, `missing`",
        "?prefix=&after=&limit=",
        answers=answers.SeriesAnswer,
    ),
    Route(
        "/api/series/{sensor_id}",
        AnalysisPages.sensor,
        "`health` (`cadence_seconds`, `stalled`, `clock`, `clock_offset_seconds`, `missing`, `late`, `duplicates`, "
        "`left_out`), `findings` (the last 16, newest first), `series` by quantity",
        answers=answers.SensorDetail,
    ),
    Route(
        "/api/series/{sensor_id}/{quantity}",
        AnalysisPages.one_series,
        "the same with one series",
        answers=answers.SensorDetail,
    ),
    Route(
        "/api/groups",
        AnalysisPages.groups,
        "`rows`: `group`, how many `sensors` by quantity, `related` pairs",
        answers=answers.GroupsAnswer,
    ),
    Route(
        "/api/findings",
        AnalysisPages.findings,
        "what was found lately, newest first, forecasts and profiles apart",
        "?limit=",
        answers=answers.FoundAnswer,
    ),
    Route(
        "/api/overview",
        AnalysisPages.overview,
        "number of series, open conditions, records that wait, workers",
        answers=answers.AnalysisOverview,
    ),
    *COMMON,
)


def serve_analysis(app: "AnalysisApp", settings: Settings) -> None:
    """Serve the analysis' pages, to which those of the worker that these settings describe belong."""
    AnalysisPages(app, settings).serve()
