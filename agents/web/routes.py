"""The pages of a web server as a table: path, handler, and what it shows.

Both applications serve such a table; `/api` and the pages docs/reference/http.md and insights.md show it to people.
`agents.web.guard` stands before each page.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from faust.web import Request, Response, View

from agents.web import readiness, tables
from agents.web.assets import ASSETS, read_asset
from agents.web.common_answers import AssignmentAnswer, IndexAnswer, LiveAnswer, TableEntry
from agents.web.openapi import JSON, describe_pages
from agents.web.peers import Answers, ask_all
from agents.web.queries import BadRequest, Json, MissingWorker, answer, is_local, not_found
from bridges.process import metrics
from streams.errors import ConfigurationError

if TYPE_CHECKING:
    from agents.lane.lane_app import LaneApp

A = TypeVar("A", bound="LaneApp")
Handler = Callable[..., Awaitable[Response]]


class Route(NamedTuple):
    """One page.

    Args:
        path: With the names of its parts in braces: ``/api/sensors/{sensor_id}``.
        handler: A method of the pages: called with Faust's view, the request, and the parts of the path by name.
        help: What it shows, in Markdown.
        query: Parameters that it takes: ``?limit=``.
        posts: It is posted to, and changes something.
        answers: The type of its answer, for programs; ``None``: an object, or a list, that is described elsewhere.
        media: The media type of its answer.
    """

    path: str
    handler: Handler
    help: str
    query: str = ""
    posts: bool = False
    answers: Any = None
    media: str = JSON

    @property
    def method(self) -> str:
        """How it is asked for."""
        return "post" if self.posts else "get"

    @property
    def shown(self) -> str:
        """The page as lists show it."""
        return f"{'POST ' if self.posts else ''}{self.path}{self.query}"


class Pages(Generic[A]):
    """The pages that every application has, and what its own have in common.

    Args:
        app: The application.
        routes: Its table, `COMMON` included.
    """

    def __init__(self, app: A, routes: Sequence[Route]) -> None:
        self.app = app
        self.routes = routes

    def serve(self) -> None:
        """Serve the table; what is wrong with a request is said in its own words."""
        by_path: dict[str, dict[str, Handler]] = {}
        for route in self.routes:
            by_path.setdefault(route.path, {})[route.method] = self._careful(route.handler)
        for path, handlers in by_path.items():
            name = next(iter(handlers.values())).__name__
            self.app.page(path)(type(name, (View,), dict(handlers)))

    def _careful(self, handler: Handler) -> Handler:
        @wraps(handler)
        async def careful(view: View, request: Request, **parts: str) -> Response:
            try:
                return await handler(self, view, request, **parts)
            except BadRequest as error:
                return answer(view, {"error": str(error), **error.told}, status=error.status)

        return careful

    async def refresh_metrics(self) -> None:
        """Bring the gauges up to date, just before they are read."""
        await readiness.refresh_gauges(self.app)

    async def others(self, request: Request, path: str, params: Mapping[str, str] | None = None) -> Answers:
        """Ask the other workers for a page, unless one of them asks.

        Args:
            request: What this worker is asked for.
            path, params: What they are, as for `ask_all`.
        """
        return Answers() if is_local(request.query) else await ask_all(self.app, path, params)

    async def found_elsewhere(
        self, request: Request, path: str, params: Mapping[str, str] | None = None
    ) -> Json | None:
        """Return what one of the other workers has, and this one has not; ``None`` if none has it.

        Args:
            request, path, params: As for `others`.

        Raises:
            MissingWorker: If none has it, and one does not answer.
        """
        answers = await self.others(request, path, params)
        found: Json | None = next(iter(answers.found.values()), None)
        if found is None and answers.missing:
            raise MissingWorker(answers.missing)
        return found

    async def index(self, view: View, request: Request) -> Response:
        """List the pages."""
        return answer(view, {"pages": [{"path": route.shown, "help": route.help} for route in self.routes]})

    async def openapi(self, view: View, request: Request) -> Response:
        """Describe the pages for programs."""
        return answer(view, describe_pages(self.routes, self.app.conf.id))

    async def asset(self, view: View, request: Request, name: str) -> Response:
        """Return a file that pages for people load."""
        if name not in ASSETS:
            return not_found(view, f"asset: {name}; there are {', '.join(ASSETS)}")
        try:
            found = read_asset(name)
        except ConfigurationError as error:
            return answer(view, {"error": str(error)}, status=500)
        headers = {"Cache-Control": "no-cache"}
        return view.bytes(found.content, content_type=found.content_type, headers=headers)

    async def live(self, view: View, request: Request) -> Response:
        """Say that the event loop runs."""
        return answer(view, {"live": True})

    async def ready(self, view: View, request: Request) -> Response:
        """Say whether the application does its work."""
        lost = readiness.what_is_lost(self.app)
        if reason := readiness.why_not_ready(self.app):
            return answer(view, {"ready": False, "reason": reason, **lost}, status=503)
        return answer(view, {"ready": True, **lost})

    async def table_list(self, view: View, request: Request) -> Response:
        """List the tables."""
        return answer(view, [tables.describe_table(state) for state in self.app.lane.states])

    async def table_detail(self, view: View, request: Request, name: str) -> Response:
        """Say what a table is, and how many rows are here."""
        state = tables.state_of(self.app, name)
        return (
            not_found(view, f"table: {name}")
            if state is None
            else answer(view, tables.counted(self.app, state))
        )

    async def table_row(self, view: View, request: Request, name: str, key: str) -> Response:
        """Return one row, whichever worker has it."""
        state = tables.state_of(self.app, name)
        if state is None:
            return not_found(view, f"table: {name}")
        row = tables.row_of(self.app, state, key)
        if row is None:
            row = await self.found_elsewhere(request, request.rel_url.raw_path)
        return not_found(view, f"row of {name}: {key}") if row is None else answer(view, row)

    async def assignment(self, view: View, request: Request) -> Response:
        """Return the partitions that are this application's, by topic."""
        assignor = self.app.assignor
        return answer(
            view,
            {
                "actives": tables.by_topic(assignor.assigned_actives()),
                "standbys": tables.by_topic(assignor.assigned_standbys()),
            },
        )

    async def metrics_text(self, view: View, request: Request) -> Response:
        """Return all metrics in Prometheus' text format."""
        await self.refresh_metrics()
        return view.bytes(metrics.render(), headers={"Content-Type": metrics.CONTENT_TYPE})


COMMON = (
    Route("/api", Pages.index, "these pages, and what they show", answers=IndexAnswer),
    Route("/api/openapi.json", Pages.openapi, "the same for programs, by OpenAPI 3.1"),
    Route("/assets/{name}", Pages.asset, "what pages for people load", media="text/javascript"),
    Route("/health/live", Pages.live, "200 while the event loop runs", answers=LiveAnswer),
    Route("/health/ready", Pages.ready, "200 while it does all of its work, otherwise 503 with the reason"),
    Route("/metrics", Pages.metrics_text, "[Prometheus](metrics.md)", media="text/plain"),
    Route("/table/", Pages.table_list, "Faust's tables, each with what it is", answers=list[TableEntry]),
    Route(
        "/table/{name}/",
        Pages.table_detail,
        "one table, and how many rows this worker has, by partition",
        answers=TableEntry,
    ),
    Route("/table/{name}/{key}/", Pages.table_row, "one row as JSON, whichever worker has it"),
    Route(
        "/assignment/", Pages.assignment, "the partitions of this worker, by topic", answers=AssignmentAnswer
    ),
)


def table_of(routes: Sequence[Route]) -> list[str]:
    """Write a table of pages in Markdown."""
    return [
        "| page | what it shows |",
        "|---|---|",
        *(f"| `{route.shown}` | {route.help} |" for route in routes),
    ]
