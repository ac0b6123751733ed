"""The second Faust application: ``faust -A agents.analysis.app:app worker``, or ``weir analysis``."""

from typing import TYPE_CHECKING

from agents.analysis.analysis_pages import serve_analysis
from agents.analysis.compare_groups import group_stage
from agents.analysis.keep_marks import anomaly_mark_stage, label_mark_stage
from agents.analysis.learn_series import series_stage
from agents.lane.core.bounds import ANALYSIS_RECORDS, CHANGED_ROWS
from agents.lane.core.held import HeldLimits
from agents.lane.lane_app import LaneApp
from bridges.process import logs
from bridges.process.settings import Settings, load

if TYPE_CHECKING:
    app: "AnalysisApp"


class AnalysisApp(LaneApp):
    """Model analysis on the batch lane.

    Args:
        settings: All settings of Weir.
    """

    port_setting = "WEIR_ANALYSIS__PORT"
    reset_command = "weir reset --analysis"

    def __init__(self, settings: Settings) -> None:
        super().__init__(as_worker(settings), HeldLimits(ANALYSIS_RECORDS, CHANGED_ROWS))
        self.analysed = self.add(series_stage(self.settings))
        self.compared = self.add(group_stage())
        self.anomaly_marks = self.add(anomaly_mark_stage())
        self.label_marks = self.add(label_mark_stage())


def as_worker(settings: Settings) -> Settings:
    """Return the settings with those of the worker and its web server replaced by the analysis' own."""
    analysis = settings.analysis
    worker = settings.worker.model_copy(
        update={
            "application": analysis.application,
            "instance": analysis.instance,
            "checkpoint_seconds": analysis.checkpoint_seconds,
            "data_dir": analysis.data_dir,
            "processing": True,
            "sinks": False,
        }
    )
    web = settings.web.model_copy(
        update={"host": analysis.host, "port": analysis.port, "advertised_host": analysis.advertised_host}
    )
    return settings.model_copy(update={"worker": worker, "web": web})


def create_app(settings: Settings) -> AnalysisApp:
    """Build the application that the settings ask for, with its pages."""
    app = AnalysisApp(settings)
    serve_analysis(app, settings)
    return app


def __getattr__(name: str) -> object:
    """Make ``app`` when it is asked for, so that importing this module reads no settings."""
    if name == "app":
        settings = load()
        logs.configure(settings, "analysis")
        globals()["app"] = create_app(settings)
        return globals()["app"]
    raise AttributeError(name)
