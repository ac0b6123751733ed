"""The second Faust application: ``faust -A agents.analysis.app:app worker``, or ``weir analysis``."""

from typing import Any

from agents.analysis import compare_groups as groups
from agents.analysis import keep_marks as marks
from agents.analysis import learn_series as series
from agents.analysis.analysis_pages import serve_analysis
from agents.app import WeirApp
from agents.lane.state import WriteBehindState
from bridges.process import logs
from bridges.process.settings import Settings, load
from streams.analysis.analyse import AnalysisPlan
from streams.analysis.correlation import Group
from streams.analysis.marks import Marks
from streams.analysis.sensor import SensorAnalysis

# Records whose effects wait for a checkpoint at most. Their bodies are let go once they are applied; a checkpoint
# writes whole models, and so should come seldom while a backlog is worked off.
MAX_HELD = 1_000_000


class AnalysisApp(WeirApp):
    """Model analysis on the batch lane.

    Args:
        settings: All settings of Weir.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(as_worker(settings))
        self.lane.max_held = MAX_HELD
        self.analysis_plan = AnalysisPlan(settings.analysis.groups, settings.windows.policy().grace_ms)
        self.analysed: WriteBehindState[SensorAnalysis] = series.add_to(self, self.settings)
        self.compared: WriteBehindState[Group] = groups.add_to(self, self.settings)
        self.anomaly_marks: WriteBehindState[Marks] = marks.add_anomalies_to(self, self.settings)
        self.label_marks: WriteBehindState[Marks] = marks.add_labels_to(self, self.settings)
        self.lane.states += [self.analysed, self.compared, self.anomaly_marks, self.label_marks]
        serve_analysis(self)


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
    """Build the application that the settings ask for."""
    return AnalysisApp(settings)


def __getattr__(name: str) -> Any:
    """Make ``app`` when it is asked for, so that importing this module reads no settings."""
    if name == "app":
        settings = load()
        logs.configure(settings, "analysis")
        globals()["app"] = create_app(settings)
        return globals()["app"]
    raise AttributeError(name)
