"""Put what is known about a series into words and plain values."""

from math import isnan
from typing import Any

from streams.analysis.digest import Digest
from streams.analysis.drift import Change
from streams.analysis.findings import Finding, InsightKind, InsightState, number
from streams.analysis.forecasters import NAMES
from streams.analysis.forecasting import Forecasting, Horizon
from streams.analysis.history import DAY_HOURS, History
from streams.analysis.shape import DayShape, Seasonality, seasonality, trend

PROBABILITIES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def forecast_finding(quantity: str, last_hour: int, forecasting: Forecasting) -> Finding | None:
    """Tell the forecasts that have a track record, when an hour has closed; ``None`` if none has.

    Args:
        last_hour: The hour that has closed (hours since the Unix epoch).
        forecasting: The series' forecasts, that hour learned.
    """
    shown = shown_forecasts(last_hour, forecasting)
    if not shown:
        return None
    nearest = shown[0]
    summary = (
        f"{number(nearest['point'])} ({number(nearest['low'])} to {number(nearest['high'])}) "
        f"{nearest['hours']} h ahead; of late off by {number(nearest['record']['recent_mae'])} on average"
    )
    at = (last_hour + 1) * 3600.0
    return Finding(InsightKind.FORECAST, quantity, at, InsightState.OBSERVED, summary, {"horizons": shown})


def shown_forecasts(last_hour: int, forecasting: Forecasting) -> list[dict[str, Any]]:
    """Return the latest forecasts with their records, those without a record left out."""
    details = [_forecast(last_hour, horizon) for horizon in forecasting.horizons]
    return [each for each in details if each is not None]


def _forecast(last_hour: int, horizon: Horizon) -> dict[str, Any] | None:
    record = horizon.read()
    latest = horizon.latest
    if record is None or isnan(latest.low):
        return None
    target = last_hour + horizon.hours
    return {
        "hours": horizon.hours, "start": target * 3600.0, "end": (target + 1) * 3600.0,
        "low": latest.low, "point": latest.point, "high": latest.high,
        "forecaster": NAMES[horizon.best], "record": {**record._asdict(), "skill": record.skill},
    }  # fmt: skip


def drift_finding(quantity: str, change: Change) -> Finding:
    """Tell a lasting change of level."""
    direction = "up" if change.move > 0 else "down"
    summary = (
        f"moved {direction} from {number(change.before)} to {number(change.after)} "
        f"({number(abs(change.move))} times the usual scatter), noticed by {change.found_by}"
    )
    return Finding(
        InsightKind.DRIFT,
        quantity,
        change.changed_hour * 3600.0,
        InsightState.OBSERVED,
        summary,
        change_details(change),
    )


def change_details(change: Change) -> dict[str, Any]:
    """Return a change of level as plain values."""
    return {
        "changed_at": change.changed_hour * 3600.0, "noticed_at": (change.noticed_hour + 1) * 3600.0,
        "before": change.before, "after": change.after, "move": change.move, "found_by": change.found_by,
    }  # fmt: skip


def profile_finding(
    quantity: str, day: int, digest: Digest, history: History, shape: DayShape | None
) -> Finding:
    """Tell what is usual for a series, at the beginning of a day (days since the Unix epoch).

    Args:
        day: The day that begins (days since the Unix epoch).
        digest, history, shape: As for `profile`.
    """
    details = profile(digest, history, shape)
    summary = "nothing is usual yet"
    if details["location"] is not None:
        summary = f"usually {number(details['location'])} ± {number(details['scale'])}"
    if (daily := details["daily_strength"]) is not None:
        summary += f"; the day explains {daily:.0%}"
    slope = details["trend"]
    if slope is not None and slope["chance"] < 0.05:
        summary += (
            f"; {'rises' if slope['per_day'] > 0 else 'falls'} by {number(abs(slope['per_day']))} a day"
        )
    return Finding(InsightKind.PROFILE, quantity, day * 86_400.0, InsightState.OBSERVED, summary, details)


def profile(digest: Digest, history: History, shape: DayShape | None) -> dict[str, Any]:
    """Return location, scale, quantiles, trend and seasonality as plain values.

    Args:
        digest: Of the values.
        history: Hourly means.
        shape: The usual day; ``None``: not known yet.
    """
    quantiles = digest.quantiles(PROBABILITIES) if digest.count else []
    seasons, slope = Seasonality(None, None, None), None
    if len(history):
        values = history.values()
        seasons = seasonality(values, history.last_hour)
        slope = trend(values, history.last_hour)
    return {
        "readings": digest.count,
        "location": quantiles[3] if quantiles else None,
        "scale": digest.scale() if quantiles else None,
        "quantiles": {str(p): value for p, value in zip(PROBABILITIES, quantiles, strict=False)},
        "days": len(history) / DAY_HOURS,
        "daily_strength": seasons.daily,
        "weekly_strength": seasons.weekly,
        "by_hour": None if shape is None else list(shape.by_hour),
        "by_weekday": None if seasons.weekdays is None else list(seasons.weekdays),
        "trend": None if slope is None else slope._asdict(),
    }
