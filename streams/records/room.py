"""How much an application keeps: bounds that the log fills, so that the same readings find room in every replay."""

from typing import Final, NamedTuple

from streams.records.rows import is_key


class Room(NamedTuple):
    """What has room in the tables of windows and models.

    The first to come have it: a sensor whose row is there, a quantity that the row has. What has none is set aside, and
    everything else goes on as if it had not come.

    Args:
        sensors: Rows of one partition. A row is about 3 kB, and 2 kB more for each series with a model.
        quantities: Series of one sensor.
    """

    sensors: int = 25_000
    quantities: int = 256

    def for_a_row(self, sensor_id: str, rows: int) -> bool:
        """Tell whether a sensor can have a row.

        Args:
            sensor_id: As it came. The bridge admits none with a NUL, but others may write to the log.
            rows: How many there are.
        """
        return rows < self.sensors and is_key(sensor_id)


ENOUGH: Final = Room()
"""What is kept where nobody says anything else."""
