"""The worker's web views: what goes on, live, over all workers of the application.

watching/         what looks on, and what it remembers
live.py           the state of this worker's partitions
worker_routes.py  what is served
"""

from typing import TYPE_CHECKING

from agents.views.watching.watch import look_on
from agents.views.worker_routes import serve_worker

if TYPE_CHECKING:
    from agents.app import WorkerApp


def show_views(app: "WorkerApp") -> None:
    """Serve the views of the application."""
    serve_worker(app, look_on(app))
