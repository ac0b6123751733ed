"""What a fault-free sensor measures: a room's or a street's temperature, as a cheap thermometer reports it.

temperature = mean + daily cycle + weather + ageing + noise, rounded to half a degree.
battery     = a slow fall from full to the replacement, in tenths of a percent.
"""

import math
from dataclasses import dataclass

from streams.signals.noise import Noise

DAY = 86_400.0
BATTERY_LIFE = 300 * DAY  # about what a coin cell gives a sensor that sends once a minute
_WEATHER_KNOT = 18 * 3600.0
RESOLUTION = 0.5  # DS18B20 in its 9-bit mode and most hygrometers on the market: half a degree
TEMPERATURE = "temperature"
BATTERY = "battery"


@dataclass(frozen=True, slots=True)
class Thermometer:
    """One sensor's character, drawn once from its seed.

    Args:
        mean: Degrees Celsius.
        daily: Half of the difference between the warmest and the coldest hour, degrees.
        peak: Second of the day (UTC) at which it is warmest.
        weather: Amplitude of slow, irregular changes, degrees.
        ageing: Drift of the sensor itself, degrees per day.
        scatter: Standard deviation of the measurement, degrees.
        battery_phase: Share of the battery's life that is over at the epoch.
        noise: The sensor's random numbers.
    """

    mean: float
    daily: float
    peak: float
    weather: float
    ageing: float
    scatter: float
    battery_phase: float
    noise: Noise

    @classmethod
    def drawn(cls, noise: Noise) -> "Thermometer":
        """Draw a sensor's character from its random numbers."""
        a, b = noise.branch("character").uniforms(0)
        c, d = noise.branch("character").uniforms(1)
        e, f = noise.branch("character").uniforms(2)
        return cls(
            mean=12.0 + 14.0 * a,
            daily=1.5 + 3.0 * b,
            peak=(13.0 + 3.0 * c) * 3600.0,
            weather=0.5 + 1.0 * d,
            ageing=0.01 * (2.0 * e - 1.0),
            scatter=0.15 + 0.2 * f,
            battery_phase=noise.branch("battery").uniform(0),
            noise=noise,
        )

    def exact(self, event_time: float, since: float, index: int) -> float:
        """Return the temperature before rounding.

        Args:
            event_time: Seconds since the Unix epoch.
            since: Event time from which the sensor ages.
            index: The reading's number: chooses its noise.
        """
        cycle = self.daily * math.cos(math.tau * (event_time - self.peak) / DAY)
        weather = self.weather * self.noise.smooth(event_time / _WEATHER_KNOT)
        ageing = self.ageing * (event_time - since) / DAY
        return self.mean + cycle + weather + ageing + self.scatter * self.noise.normal(index)

    def battery(self, event_time: float) -> float:
        """Return the charge in percent, to a tenth; the battery is replaced at 5 %."""
        used = (event_time / BATTERY_LIFE + self.battery_phase) % 1.0
        return round(100.0 - 95.0 * used, 1)


def rounded(temperature: float) -> float:
    """Round to what the thermometer can show.

    >>> rounded(21.3), rounded(21.2), rounded(-0.1)
    (21.5, 21.0, 0.0)
    """
    return round(temperature / RESOLUTION) * RESOLUTION + 0.0


def fahrenheit(celsius: float) -> float:
    """Convert degrees.

    >>> fahrenheit(100.0)
    212.0
    """
    return celsius * 1.8 + 32.0
