"""The worker's web views: what goes on, live, over all workers of the application.

watch.py       agents that look on
recent.py      what they remember
live.py        the state of this worker's partitions
worker_pages.py  what is served, and home.html
"""

from typing import Any

from agents.views import watch
from agents.views.worker_pages import serve_worker


def add_to(app: Any) -> watch.Watch:
    """Add the views to the application."""
    watching = watch.add_to(app)
    serve_worker(app, watching)
    return watching
