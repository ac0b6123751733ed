"""The worker: ``faust -A agents.app:app worker``, or ``weir worker``.

readings ─┬─▶ aggregate_readings ─┬▶ aggregates, late-readings, dead-letters ─┐
          │                       └▶ peer-inputs ─▶ compare_peers ┐           │
          ├─▶ detect_anomalies ─┬──▶ anomalies ───────────────────────────────┼─▶ store_… ─▶ MongoDB
          │                     ├──▶ alarm-inputs ─▶ raise_alarms ─▶ alarms ──┤
actions ──│─▶ take_actions ─────┘                                             │
          └───────────────────────────────────────────────────────────────────┘
                    └ windows, models, alarms ─▶ views :3000
"""

from typing import TYPE_CHECKING

from agents.lane.core.state import WriteBehindState
from agents.lane.lane_app import LaneApp
from agents.stages import sink
from agents.stages.aggregate import window_stage
from agents.stages.alarm import alarm_stage
from agents.stages.compare_peers import peer_stage
from agents.stages.detect import model_stage
from agents.stages.keep_history import keep_history
from agents.stages.take_actions import action_stage
from agents.views import show_views
from bridges.process import logs
from bridges.process.settings import Settings, load
from streams.alarms.raising import SensorAlarms
from streams.detection.sensor_models import SensorModels
from streams.peers.peer_states import PeerState
from streams.windows.sensor_windows import SensorWindows

if TYPE_CHECKING:
    app: "WorkerApp"


class WorkerApp(LaneApp):
    """The worker: what it does of windows, models and sinks, the settings say.

    Attributes:
        windows, models, alarms: Their states; ``None`` if it does no processing.
        peers: Its state; ``None`` if no series has any, too.
        sinks: Of MongoDB; ``None`` if it has none.
    """

    windows: WriteBehindState[SensorWindows] | None = None
    models: WriteBehindState[SensorModels] | None = None
    alarms: WriteBehindState[SensorAlarms] | None = None
    peers: WriteBehindState[PeerState] | None = None
    sinks: sink.Sinks | None = None

    async def on_shutdown(self) -> None:
        """Close the connections of the sinks, too."""
        await super().on_shutdown()
        if self.sinks is not None:
            await self.sinks.close()


def create_app(settings: Settings) -> WorkerApp:
    """Build the worker that the settings ask for, with its stages, sinks and views."""
    app = WorkerApp(settings)
    if settings.worker.processing:
        app.windows = app.add(window_stage(settings))
        app.models = app.add(model_stage(settings))
        app.add(action_stage())
        app.alarms = app.add(alarm_stage(settings))
        if settings.peer_plan().used:
            app.peers = app.add(peer_stage(settings))
    if settings.worker.sinks:
        app.sinks = sink.store_records(app)
        keep_history(app, app.sinks)
    show_views(app)
    return app


def __getattr__(name: str) -> object:
    """Make ``app`` when it is asked for, so that importing this module reads no settings."""
    if name == "app":
        settings = load()
        logs.configure(settings, "worker")
        globals()["app"] = create_app(settings)
        return globals()["app"]
    raise AttributeError(name)
