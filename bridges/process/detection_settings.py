"""How series are watched, as a section of the settings."""

from typing import Annotated, Any, Final

from pydantic import Field, model_validator

from bridges.process.section import JsonTable, Section
from streams.detection.detection_config import DetectionConfig
from streams.detection.detection_plan import DetectionPlan
from streams.errors import ConfigurationError
from streams.records.room import Room

_DEFAULT: Final = DetectionConfig()


class DetectionSettings(Section):
    """How each series is watched.

    A table ``[detection.series."boiler-*/temperature"]`` of the TOML file changes single values for the series that
    match.
    """

    # Ranges stand with `DetectionConfig`, which also checks the exceptions by series: `_is_a_plan` asks it.
    detector: str = _DEFAULT.detector
    """Name of a detector: ``tailwatch``, one of river's, the ensembles ``max`` and ``vote``; ``none``: limits alone."""
    parameters: Annotated[dict[str, Any], JsonTable] = Field(default_factory=dict)
    """The detector's parameters, where they differ from its defaults; a JSON object in the environment."""
    warm_up: int = _DEFAULT.warm_up
    """Readings before the first score, at least 10."""
    raise_at: float | None = _DEFAULT.raise_at
    """Score in (0, 1) at which an anomaly is raised; none: as the alarm budget says."""
    clear_at: float = _DEFAULT.clear_at
    """Score under which it must stay to be cleared; at most ``raise_at``."""
    budget_per_week: float | None = _DEFAULT.budget_per_week
    """Raises a week allowed on normal data; wins over ``raise_at``; without either one a quarter (0.077)."""
    interval_seconds: float | None = _DEFAULT.interval_seconds
    """Time between readings that the budget reckons with; none: as measured, series by series."""
    min_duration_seconds: float = _DEFAULT.min_duration_seconds
    """The score must have been at ``raise_at`` for so long; 0 raises at once."""
    clear_seconds: float = _DEFAULT.clear_seconds
    """The score must have been under ``clear_at`` for so long before an anomaly is cleared."""
    rest_seconds: float = _DEFAULT.rest_seconds
    """Nothing new is raised for so long after a raise."""
    settle_seconds: float = _DEFAULT.settle_seconds
    """Nothing new is raised for so long after an anomaly ended."""
    regime_seconds: float = _DEFAULT.regime_seconds
    """An anomaly open for so long is the new normal: closed as ``regime_change``."""
    lift_nats: float = _DEFAULT.lift_nats
    """Each raise lifts the threshold by so much."""
    lift_seconds: float = _DEFAULT.lift_seconds
    """Time constant with which the lift fades."""
    low: float | None = _DEFAULT.low
    """Lower limit: a value below is an anomaly of its own, told at once, and is not learned."""
    high: float | None = _DEFAULT.high
    """Upper limit, likewise."""
    deadband: float = _DEFAULT.deadband
    """A value must be back within ``low`` or ``high`` by so much before that anomaly is cleared."""
    delay_seconds: float = _DEFAULT.delay_seconds
    """Values (or their change) must have been beyond a limit for so long; 0 raises at once."""
    severity: str = _DEFAULT.severity
    """Of the anomalies that limits raise: ``info``, ``warning`` or ``critical``."""
    rise_per_hour: float | None = _DEFAULT.rise_per_hour
    """Limit of change upwards; a value that came too fast is learned all the same."""
    fall_per_hour: float | None = _DEFAULT.fall_per_hour
    """Limit of change downwards, as a positive number."""
    rate_seconds: float = _DEFAULT.rate_seconds
    """The change is taken over at least so long."""
    silent_after_seconds: float | None = _DEFAULT.silent_after_seconds
    """Limit of silence: an anomaly is raised when nothing has come for so long, by arrival; less than
    ``WEIR_WINDOWS__SILENT_DAYS``. None: a series may be silent."""
    silent_after_gaps: float | None = _DEFAULT.silent_after_gaps
    """The same, for so many times the usual gap between two readings, which is learned (more than 1; 5 is what
    ``weir devices`` calls silent); at least ``silent_after_seconds``, or 300 s."""
    count: int | None = _DEFAULT.count
    """So many values (or changes) must have been beyond a limit on one side within ``within_seconds``, up to 100; it is
    over once a value within finds fewer. 1 raises at once and holds it for so long. None: the first is enough."""
    within_seconds: float | None = _DEFAULT.within_seconds
    """The time in which ``count`` counts."""
    when: str = _DEFAULT.when
    """Condition, such as ``flow < 1 and pump == 1``: limits of values and of change count only while it holds of other
    quantities of the same sensor. A value beyond of which that is not known is not judged, but counted."""
    when_seconds: float = _DEFAULT.when_seconds
    """How old a value that ``when`` asks for may be, by event time."""
    above_peers: float | None = _DEFAULT.above_peers
    """Limit of how far the mean of a window may lie over the median of the other series of its group; with
    ``deadband``, ``delay_seconds``, ``count`` and ``severity`` as other limits."""
    below_peers: float | None = _DEFAULT.below_peers
    """The same under it, as a positive number."""
    peers_of: str = _DEFAULT.peers_of
    """Which group that is: empty, the series of that quantity that have the same pattern; ``group``, those whose ids
    have the same beginning, up to the last colon; else those of another pattern, which this one joins."""
    forecast_above: float | None = _DEFAULT.forecast_above
    """Limit of where a series is expected to go: told before it is beyond, once ``forecast_share`` of its own forecasts
    went so far; nothing before it has been watched for two days."""
    forecast_below: float | None = _DEFAULT.forecast_below
    """The same below it."""
    forecast_hours: float = _DEFAULT.forecast_hours
    """How far ahead, 1 to 72 hours."""
    forecast_share: float = _DEFAULT.forecast_share
    """How often such forecasts have to come true, 0.5 to 0.95."""
    peer_rules: bool = False
    """Whether rules in the log may set limits of peers, too: the stage that compares them runs then. Where the settings
    say who peers are, or set such a limit, it runs anyway."""
    peers: str = _DEFAULT.peers
    """With what a series is compared: ``pattern`` (series that have the same pattern; said of a pattern only),
    ``group`` (ids with the same beginning, up to the last colon), ``none``."""
    follows: tuple[str, ...] = _DEFAULT.follows
    """Other quantities of the same sensor from which one follows; said of a pattern of that one quantity only."""
    peers_after_seconds: float = _DEFAULT.peers_after_seconds
    """A series is compared for so long before peers or a relation raise anything: two days show a daily course."""
    counter: bool = False
    """Whether a series is a counter, a number that only grows: its rate is a series of its own (``energy_per_hour``).
    Said of a pattern only, as ``true`` or a table: ``wraps_at``, the value at which it begins again at 0; ``per``,
    ``second``, ``minute``, ``hour`` or ``day``; ``over_seconds``, the least time a rate is taken over (45)."""
    sensors: tuple[str, ...] | None = _DEFAULT.sensors
    """Of the series that a pattern matches only those of these sensors; said of a pattern only, whose name may have
    `` @ something`` behind it that tells it from others of the same series."""
    place: str = _DEFAULT.place
    """The same, for the sensors that the registry of devices has at a place, or below it; said of a pattern only, in a
    file of rules (``weir rules apply``) or of a backtest: settings do not ask the registry."""
    machine: str = _DEFAULT.machine
    """The same, for those of a machine."""
    group: str = _DEFAULT.group
    """The same, for those of a group."""
    kind: str = _DEFAULT.kind
    """The same, for those of a kind, such as ``DS18B20*``."""
    series: Annotated[dict[str, dict[str, Any]], JsonTable] = Field(default_factory=dict)
    """Exceptions by pattern, the first match counts; in the environment a JSON object:
    ``{"boiler-*/temperature": {"high": 120}}``."""

    @model_validator(mode="after")
    def _is_a_plan(self) -> "DetectionSettings":
        try:
            self.plan()
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
        return self

    def given(self) -> dict[str, Any]:
        """Return what was set, as plain values, without the defaults."""
        return self.model_dump(mode="python", exclude_unset=True)

    def plan(self, room: Room | None = None) -> DetectionPlan:
        """Make the plan of detection.

        Args:
            room: How many sensors and quantities have models, as for the windows.
        """
        return DetectionPlan(self.given(), room)
