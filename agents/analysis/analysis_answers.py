"""What the pages of model analysis answer, as types; times are seconds since the epoch. See `worker_answers`."""

from typing import Any, NotRequired, TypedDict


class AnalysisOverview(TypedDict):
    """How many series there are, what is open by kind, and what waits."""

    series: int
    conditions: dict[str, int]
    lag: int
    ready: str
    workers: int
    missing: list[str]


class Forecast(TypedDict):
    """A forecast, and the record of those like it."""

    hours: int
    start: float
    end: float
    low: float
    point: float
    high: float
    forecaster: str
    record: dict[str, Any]


class SeriesRow(TypedDict):
    """A series in short; what is not known yet is null."""

    id: str
    sensor_id: str
    quantity: str
    label: str
    newest: float | None
    location: float | None
    scale: float | None
    hours: int
    recent: list[float | None]
    forecast: Forecast | None
    conditions: list[str]


class SeriesAnswer(TypedDict):
    """Series by id; ``next`` is the ``after`` of the page that follows."""

    rows: list[SeriesRow]
    next: str | None
    missing: list[str]


class Health(TypedDict):
    """Whether a sensor sends as it usually does."""

    cadence_seconds: float | None
    stalled: bool
    clock: str
    clock_offset_seconds: float
    missing: int
    late: int
    duplicates: int
    left_out: int


class Means(TypedDict):
    """Means of stretches of equal length, the oldest first; null where nothing came."""

    start: float
    step: float
    means: list[float | None]


class SeriesDetail(TypedDict):
    """All that is known of a series; ``profile`` and what was found are those of docs/reference/insights.md."""

    id: str
    history: Means
    recent: Means
    profile: dict[str, Any]
    forecasts: list[Forecast]
    path: list[dict[str, float]]
    past: dict[str, Any]
    changes: list[dict[str, Any]]
    conditions: list[str]
    anomalies: list[dict[str, Any]]
    labels: list[dict[str, Any]]


class FoundRow(TypedDict):
    """One thing that was found."""

    sensor_id: str
    quantity: str
    label: NotRequired[str]
    at: float
    kind: str
    state: str
    open: bool
    summary: str
    details: dict[str, Any]


class SensorDetail(TypedDict):
    """A sensor, with all of its series or one of them."""

    sensor_id: str
    label: str
    newest: float | None
    health: Health
    findings: list[FoundRow]
    series: dict[str, SeriesDetail]


class FoundAnswer(TypedDict):
    """What was found, newest first."""

    rows: list[FoundRow]
    missing: list[str]


class GroupRow(TypedDict):
    """A group: how many sensors by quantity, and which of them move together, the strongest first."""

    group: str
    sensors: dict[str, int]
    related: list[dict[str, Any]]


class GroupsAnswer(TypedDict):
    """Groups of sensors."""

    rows: list[GroupRow]
    missing: list[str]
