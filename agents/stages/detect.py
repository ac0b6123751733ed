"""The stage that watches each series with a model of its own, and raises and clears anomalies."""

from collections.abc import Iterable
from functools import partial
from operator import attrgetter

from agents.counts import Counts
from agents.lane.core.changelog import RowForm
from agents.lane.core.stage import Stage, Writes
from bridges.process.settings import Settings
from streams.alarms.inputs import inputs_of_detection
from streams.detection.detecting import DetectionOutcome, detect
from streams.detection.detection_plan import DetectionPlan
from streams.detection.model_rows import MODEL_CHANGES, models_from_state, models_to_state, settle_models
from streams.detection.sensor_models import SensorModels
from streams.records.alarm_records import AlarmInput
from streams.records.catalogue import CATALOGUE
from streams.records.rows import Row
from streams.records.types import Anomaly, DeviceChange, HourBand, Logged, Reading

Numbered = tuple[int, int, Logged]


def model_rows(plan: DetectionPlan) -> RowForm[SensorModels]:
    """Tell how the models of a sensor are kept; they come back with the settings of now."""
    return RowForm(
        begin=lambda _: SensorModels(),
        to_state=models_to_state,
        from_state=partial(models_from_state, plan),
        changes=MODEL_CHANGES,
        version=9,
        settle=partial(settle_models, plan),
    )


def model_stage(settings: Settings) -> Stage[DetectionPlan, Numbered, SensorModels, DetectionOutcome]:
    """Score each reading with its series' model, learn it, and publish what changes in an anomaly's life.

    Delivery: each reading is learned once; rows remember the offset they contain, anomalies have derived ids.
    Back pressure: a full buffer pauses the partition; too much held makes a checkpoint at once.
    """
    plan = settings.detection_plan()
    return Stage(
        name="detect_anomalies",
        reads=CATALOGUE.of(Reading),
        table="models",
        form=model_rows(plan),
        plan=plan,
        read=attrgetter("decoded"),
        run=_run,
        writes=(
            Writes(CATALOGUE.of(Anomaly), attrgetter("anomalies")),
            Writes(CATALOGUE.of(HourBand), attrgetter("bands")),
            Writes(CATALOGUE.of(DeviceChange), attrgetter("devices")),
            Writes(CATALOGUE.of(AlarmInput), partial(_inputs, settings.bridge.tick_seconds), awaited=True),
        ),
        count=Counts.detected,
    )


def _run(
    plan: DetectionPlan, rows: dict[str, Row[SensorModels]], records: Iterable[Numbered]
) -> DetectionOutcome:
    outcome = DetectionOutcome()
    detect(plan, rows, records, outcome)
    return outcome


def _inputs(tick_seconds: float, outcome: DetectionOutcome) -> Iterable[AlarmInput]:
    return inputs_of_detection(outcome.in_order, tick_seconds)
