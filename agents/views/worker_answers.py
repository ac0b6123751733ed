"""What the worker's pages answer, as types: the description for programs is made of them, and answers are held to them.

What a page passes on from elsewhere (the bridge's ledger, a row of a table) is an object here.
"""

from typing import Any, NotRequired, TypedDict

from agents.views.inside.trace_answers import LedgerHop
from agents.views.watching.band_watch import Stretch
from streams.records.alarm_records import Alarm
from streams.records.types import Anomaly
from streams.window_history import HistoryPoint

Point = tuple[float, float]
"""Event time (seconds since the Unix epoch) and value."""


class ShownCondition(TypedDict):
    """One thing that is not as it should be."""

    name: str
    severity: str
    text: str


class WorkerState(TypedDict):
    """One worker: its address, why it is not ready (empty: it is), its partitions, and what it is behind by topic."""

    worker: str
    not_ready: str
    partitions: list[int]
    lag: dict[str, int]


class ShownAnomaly(Anomaly, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """An anomaly, with what people call its sensor and the unit of its values."""

    label: str
    unit: str


class OverviewAnswer(TypedDict):
    """What is wrong, worst first; rates as growth a second of the Unix epoch; counts since the workers started."""

    conditions: list[ShownCondition]
    workers: list[WorkerState]
    missing: list[str]
    totals: dict[str, int]
    lag: dict[str, int]
    sensors: int
    devices: dict[str, int]
    open_anomalies: int
    alarms: dict[str, int]
    rates: dict[str, list[Point]]
    anomalies: list[ShownAnomaly]


class DeviceAnswer(TypedDict):
    """Whether a device is there, since when and why, and what the registry says of it."""

    state: str
    since: float | None
    reason: str
    last: float | None
    name: str
    place: str
    machine: str
    group: str
    kind: str
    units: dict[str, str]
    precisions: dict[str, int]
    ranges: dict[str, tuple[float, float]]
    interval: float | None


class ConflictRow(TypedDict):
    """In what people say something else of a device than is announced; what people say counts."""

    field: str
    said: Any
    announced: Any
    source: str


class DeviceRow(DeviceAnswer):
    """A device, by its id, and the quantities that it has measured; ``rank`` where the worst come first."""

    key: str
    measures: list[str]
    conflicts: list[ConflictRow]
    rank: NotRequired[int]


class DevicesAnswer(TypedDict):
    """Devices; ``next`` is the ``after`` of the page that follows."""

    rows: list[DeviceRow]
    next: str | None
    workers: int
    missing: list[str]


class CountsAnswer(TypedDict):
    """What is counted of some sensors, as of the last look, alarms and anomalies as of now.

    ``ranked`` has each sensor once, under the worst that is told of it; ``worst`` is the first of these that any has.
    """

    sensors: int
    worst: str
    ranked: dict[str, int]
    states: dict[str, int]
    alarms: dict[str, int]
    unacknowledged: int
    anomalies: int
    last: float | None


class PlaceAnswer(CountsAnswer):
    """A place with what lies below it, a machine, group or quantity; an empty ``key``: none is known.

    ``below`` places lie directly below it, and follow if it is ``open``; ``itself``: what stands at it, beside these.
    """

    key: str
    name: str
    depth: int
    itself: bool
    below: int
    open: bool


class PlacesAnswer(TypedDict):
    """Places, the worst first; ``count``: how many are known; ``next`` is the ``after`` of the page that follows.

    ``not_whole``: why not all sensors are counted, or not at their places, although no worker is missing.
    """

    by: str
    rows: list[PlaceAnswer]
    next: str | None
    count: int
    total: CountsAnswer
    workers: int
    missing: list[str]
    not_whole: str


class SpellRow(TypedDict):
    """A state of a device, from when to when (null: it has not ended), why, and how many absences are not told."""

    state: str
    since: float
    until: float | None
    reason: str
    untold: int


class DevicePast(TypedDict):
    """The states that a device was in, newest first.

    ``missing``: workers that do not answer; if one of them has a device whose topic says that it is away, whether it
    sends is not known.
    """

    sensor: str
    rows: list[SpellRow]
    missing: list[str]


class LastReading(TypedDict):
    """The newest reading by event time."""

    collected_at: float
    values: dict[str, float]


class Model(TypedDict):
    """What the detector of a series expects now; what is not known yet is null."""

    expected: float | None
    lower: float | None
    upper: float | None
    score: float | None
    threshold: float
    seen: int
    warm_up: int
    ready: bool
    open: bool
    anomalies: list[dict[str, Any]]
    skipped: int


class SensorRow(TypedDict):
    """A sensor; ``rank`` where the worst come first."""

    key: str
    device: DeviceAnswer
    last: LastReading | None
    series: dict[str, Model]
    open_windows: int
    recent: dict[str, list[Point]]
    rank: NotRequired[int]


class SensorsAnswer(TypedDict):
    """Sensors; ``next`` is the ``after`` of the page that follows."""

    rows: list[SensorRow]
    next: str | None
    workers: int
    missing: list[str]


class OpenWindow(TypedDict):
    """A window that is not closed yet."""

    quantity: str
    start: float
    end: float
    count: int
    mean: float
    variance: float
    min: float
    max: float
    first: float
    last: float


class OpenWindows(TypedDict):
    """The open windows of a sensor, and its event clock."""

    stream_time: float | None
    watermark: float | None
    open: list[OpenWindow]


class CounterAnswer(TypedDict):
    """What is known of a counter: its last rate, what its falls were, and when it was reset last (event times)."""

    rate: float | None
    rate_at: float | None
    falls: dict[str, int]
    reset_at: float | None


class Detectors(TypedDict):
    """The detectors of a sensor by quantity, and its counters, if it has any."""

    series: dict[str, Model]
    counters: NotRequired[dict[str, CounterAnswer]]


class SensorAnswer(TypedDict):
    """One sensor."""

    sensor_id: str
    device: DeviceAnswer
    last: LastReading | None
    windows: OpenWindows | None
    detector: Detectors | None
    recent: dict[str, list[Point]]
    bands: dict[str, list[Stretch]]
    applied_through: dict[str, int]
    limits: dict[str, dict[str, Any]]
    peers_by: dict[str, str]
    anomalies: list[Anomaly]


class SeriesHistory(TypedDict):
    """The points of a series, oldest first, each as ``columns`` says; a stretch without readings has none."""

    tier: str
    step_seconds: float
    windows: int
    points: list[HistoryPoint]


HistoryAnswer = TypedDict(
    "HistoryAnswer",
    {
        "sensor": NotRequired[str],
        "tier": NotRequired[str],
        "step_seconds": NotRequired[float],
        "windows": NotRequired[int],
        "points": NotRequired[list[HistoryPoint]],
        "series": NotRequired[dict[str, SeriesHistory]],
        "quantity": str,
        "from": float,
        "to": float,
        "columns": list[str],
        "anomalies": list[Anomaly],
        "alarms": list[dict[str, Any]],
    },
)
"""One series' points; those of several sensors stand in ``series``, by sensor."""


class FindingRow(TypedDict):
    """One thing that model analysis found: of a series, or, where ``quantity`` is empty, of its sensor."""

    at: float
    quantity: str
    kind: str
    state: str
    summary: str


class FindingsAnswer(TypedDict):
    """What model analysis found, newest first."""

    rows: list[FindingRow]


class AlarmRow(Alarm, frozen=True, gc=False, omit_defaults=False, kw_only=True):
    """An alarm as of its newest change, with a sentence for people, its incident, and to whom it was escalated."""

    title: str
    summary: str
    incident: str | None
    escalated_to: list[str]


class AlarmsAnswer(TypedDict):
    """Alarms that stand, the worst first, and the incidents that were open at the last look."""

    alarms: list[AlarmRow]
    incidents: list[dict[str, Any]]
    incidents_whole: bool
    open: int
    workers: int
    missing: list[str]
    not_whole: str


class PlanAnswer(TypedDict):
    """Work that was planned together; ``start`` and ``until`` are those of now, or of the next time."""

    plan: str
    whose: str
    sensors: list[str] | str
    by: str
    why: str
    planned_at: float
    start: float | None
    until: float | None
    is_on: bool
    times_left: int
    times: list[tuple[float, float]]
    withdrawn: dict[str, Any] | None
    kept: int


class PlannedAnswer(TypedDict):
    """The work that is planned, what comes first before the others."""

    plans: list[PlanAnswer]


class QualityAnswer(TypedDict):
    """Anomalies against labels; what nothing is known of is null."""

    precision: float | None
    recall: float | None
    labels: int
    found: int
    anomalies: int
    true: int
    delay_seconds: float | None
    by_kind: dict[str, dict[str, int]]
    unlabelled: int
    tolerance_seconds: float


class LedgerAnswer(TypedDict):
    """What every hop has counted, and whether it balances; parts are those of docs/reference/http.md."""

    balanced: bool
    hops: list[LedgerHop]
    bridge: dict[str, Any]
    kafka: dict[str, Any]
    accounts: dict[str, Any]
    pending: dict[str, int] | None
    workers: list[dict[str, Any]]
    missing: list[str]


class TableAnswer(TypedDict):
    """Rows of a table, each as its table describes it; ``next`` is the ``after`` of the page that follows."""

    rows: list[dict[str, Any]]
    next: str | None
    workers: int
    missing: list[str]
