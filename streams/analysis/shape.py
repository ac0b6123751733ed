"""The shape of a day, how strong daily and weekly seasonality are, and the trend: all read off the hourly history.

value = level + shape[hour of the day] + what is left
"""

from math import erfc, floor, sqrt
from typing import Any, NamedTuple

import numpy as np

from streams.analysis.history import DAY_HOURS, Values, without_gaps

# Days whose hours form the shape: long enough for a steady median, short enough to follow the seasons.
SHAPE_DAYS = 14
MIN_SHAPE_DAYS = 2
MIN_DAILY_DAYS = 3
MIN_WEEKLY_DAYS = 21
MIN_TREND_DAYS = 7
# Hours with readings that a day needs to have a mean.
MIN_DAY_HOURS = 3
# Below this an estimate of persistence is kept from being a unit root, whose long forecasts would never return.
_MAX_PERSISTENCE = 0.995


class DayShape(NamedTuple):
    """A day as it usually is.

    Args:
        by_hour: Deviation from the level in each hour of the day, from midnight to 23:00 UTC.
        level: Median of what is left without the shape, over the last week.
        persistence: Share of a deviation that is still there an hour later, in [0, 1).
        deviation: Deviation from level and shape in the last hour.
        hour: The last hour that it is read off (hours since the Unix epoch).
    """

    by_hour: tuple[float, ...]
    level: float
    persistence: float
    deviation: float
    hour: int

    def forecast(self, hour: int) -> float:
        """Forecast a later hour: level and shape, and a deviation that fades (an AR(1) around the two)."""
        fading: float = self.persistence ** (hour - self.hour) * self.deviation
        return self.level + self.by_hour[hour % DAY_HOURS] + fading

    def usual(self, event_time: float) -> float:
        """Return what is usual at a time of day, between the middles of two hours by a straight line."""
        position = event_time / 3600.0 - 0.5
        hour = floor(position)
        share = position - hour
        before, after = self.by_hour[hour % DAY_HOURS], self.by_hour[(hour + 1) % DAY_HOURS]
        return self.level + before + share * (after - before)

    def residuals(self, values: Values, last_hour: int) -> Values:
        """Take the shape (not the level) out of hourly means that end with ``last_hour``."""
        hours = np.arange(last_hour - len(values) + 1, last_hour + 1) % DAY_HOURS
        shape: Values = np.array(self.by_hour, dtype=np.float64)[hours]
        return values - shape


def day_shape(values: Values, last_hour: int) -> DayShape | None:
    """Find the shape of a day: medians over the last two weeks of each hour's deviation from its day's mean.

    Args:
        values: Hourly means, oldest first, ``nan`` where there were no readings.
        last_hour: The hour of the last one, in hours since the Unix epoch.

    Returns:
        The shape; ``None`` for less than two days.
    """
    days = min(len(values) // DAY_HOURS, SHAPE_DAYS)
    if days < MIN_SHAPE_DAYS:
        return None
    latest = values[len(values) - days * DAY_HOURS :]
    missing = np.isnan(latest)
    if missing.any():
        if missing.all():
            return None
        latest = without_gaps(latest)
    grid = latest.reshape(days, DAY_HOURS)
    shape = np.median(grid - grid.mean(axis=1, keepdims=True), axis=0)
    shape -= shape.mean()
    left = (grid - shape).ravel()
    level = float(np.median(left[-7 * DAY_HOURS :]))
    left -= level
    energy = float(left[:-1] @ left[:-1])
    persistence = float(left[1:] @ left[:-1]) / energy if energy > 0 else 0.0
    # Element 0 is the hour after the last one.
    by_hour = np.roll(shape, (last_hour + 1) % DAY_HOURS).tolist()
    return DayShape(
        tuple(by_hour), level, min(max(persistence, 0.0), _MAX_PERSISTENCE), float(left[-1]), last_hour
    )


class Seasonality(NamedTuple):
    """How much of a series its seasons explain; ``None`` where the history is too short to tell.

    Args:
        daily, weekly: Strength in [0, 1]: 0 explains nothing, 1 everything.
        weekdays: Deviation from the trend on Monday to Sunday (UTC).
    """

    daily: float | None
    weekly: float | None
    weekdays: tuple[float, ...] | None


def seasonality(values: Values, last_hour: int) -> Seasonality:
    """Measure daily and weekly seasonality.

    The strength is that of Wang, Smith & Hyndman (2006), the share of variance that goes with the seasonal
    component, but adjusted for the number of seasonal means (as R² is): with four weeks of data the plain
    measure finds a quarter of any noise to be weekly.

    Args:
        values: Hourly means, oldest first.
        last_hour: The hour of the last one, in hours since the Unix epoch.
    """
    days = len(values) // DAY_HOURS
    if days < MIN_DAILY_DAYS or np.isnan(values).mean() > 0.3:
        return Seasonality(None, None, None)
    filled = without_gaps(values)
    smooth = np.convolve(filled, _centred_day(), mode="valid")
    half = DAY_HOURS // 2
    detrended = filled[half : half + len(smooth)] - smooth
    first = last_hour - len(values) + 1 + half
    hours = (first + np.arange(len(detrended))) % DAY_HOURS
    daily = _explained(detrended, hours, DAY_HOURS, spent=0)[0]
    if days < MIN_WEEKLY_DAYS:
        return Seasonality(daily, None, None)
    means, first_day = daily_means(filled, last_hour)
    at = np.arange(len(means), dtype=np.float64)
    slope, offset = np.polyfit(at, means, 1)
    weekdays = (first_day + 3 + np.arange(len(means))) % 7  # 1970-01-01 was a Thursday
    weekly, by_weekday = _explained(means - slope * at - offset, weekdays, 7, spent=1)
    return Seasonality(daily, weekly, tuple(by_weekday.tolist()))


def _centred_day() -> Values:
    """Weights of a centred moving average over 24 hours: 25 points, the ends at half weight."""
    weights = np.full(DAY_HOURS + 1, 1.0 / DAY_HOURS)
    weights[0] = weights[-1] = 0.5 / DAY_HOURS
    return weights


def _explained(values: Values, season: Any, period: int, *, spent: int) -> tuple[float, Values]:
    """Return the adjusted share of variance that the means of each season explain, and those means."""
    counts = np.bincount(season, minlength=period)
    means = np.bincount(season, weights=values, minlength=period) / np.maximum(counts, 1)
    total = float(((values - values.mean()) ** 2).sum())
    rest = float(((values - means[season]) ** 2).sum())
    free = len(values) - period - spent
    if total <= 1e-12 * max(1.0, float((values**2).sum())) or free <= 0:
        return 0.0, means
    return max(0.0, 1.0 - rest / total * (len(values) - 1 - spent) / free), means


def daily_means(values: Values, last_hour: int) -> tuple[Values, int]:
    """Return the mean of each whole UTC day in the history, and the number of the first (days since the epoch)."""
    first_hour = last_hour - len(values) + 1
    first_day = -(-first_hour // DAY_HOURS)
    days = (last_hour + 1) // DAY_HOURS - first_day
    if days <= 0:
        return np.empty(0), first_day
    start = first_day * DAY_HOURS - first_hour
    grid = values[start : start + days * DAY_HOURS].reshape(days, DAY_HOURS)
    missing = np.isnan(grid)
    if not missing.any():
        return grid.mean(axis=1), first_day
    present = (~missing).sum(axis=1)
    means = np.where(missing, 0.0, grid).sum(axis=1) / np.maximum(present, 1)
    return np.where(present >= MIN_DAY_HOURS, means, np.nan), first_day


class Trend(NamedTuple):
    """The trend of the daily means.

    Args:
        per_day: Median of the slopes between all pairs of days (Theil 1950, Sen 1968).
        low, high: Its 90 % confidence interval.
        chance: Probability of so ordered a sequence without any trend (Mann 1945, Kendall 1975).
        days: Days that it is read off.
    """

    per_day: float
    low: float
    high: float
    chance: float
    days: int


def trend(values: Values, last_hour: int) -> Trend | None:
    """Estimate the trend, unmoved by single odd days; ``None`` for less than a week."""
    means, _ = daily_means(values, last_hour)
    at = np.flatnonzero(~np.isnan(means))
    n = len(at)
    if n < MIN_TREND_DAYS:
        return None
    means = means[at]
    rows, columns = np.triu_indices(n, 1)
    rises = means[columns] - means[rows]
    slopes = np.sort(rises / (at[columns] - at[rows]))
    order = float(np.sign(rises).sum())
    spread = sqrt(n * (n - 1) * (2 * n + 5) / 18.0)
    z = max(0.0, abs(order) - 1.0) / spread
    pairs = len(slopes)
    reach = (
        1.6448536269514722 * spread
    )  # 95 % quantile of the normal distribution: Gilbert 1987, section 16.5
    low = slopes[max(0, round((pairs - reach) / 2) - 1)]
    high = slopes[min(pairs - 1, round((pairs + reach) / 2))]
    return Trend(float(np.median(slopes)), float(low), float(high), erfc(z / sqrt(2)), n)
