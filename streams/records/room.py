"""How much an application keeps: bounds that the log fills, so that the same readings find room in every replay."""

from typing import Final, NamedTuple, TypeVar

from streams.records.rows import Row, is_key

S = TypeVar("S")


class Room(NamedTuple):
    """What has room in the tables of windows and models.

    The first to come have it: a sensor whose row is there, a quantity that the row has. What has none is set aside, and
    everything else goes on as if it had not come.

    Args:
        sensors: Rows of one partition. A row is about 3 kB, and 2 kB more for each series with a model.
        quantities: Series of one sensor.
        silent_ms: Rows of sensors that have sent nothing for so long (ingest time) leave; 0: they stay.
    """

    sensors: int = 25_000
    quantities: int = 256
    silent_ms: int = 0

    def for_a_row(self, sensor_id: str, rows: int) -> bool:
        """Tell whether a sensor can have a row.

        Args:
            sensor_id: As it came. The bridge admits none with a NUL, but others may write to the log.
            rows: How many there are.
        """
        return rows < self.sensors and is_key(sensor_id)

    def take_silent(self, rows: dict[str, Row[S]], offset: int, tick_ms: int) -> list[tuple[str, Row[S]]]:
        """Take the rows of sensors out that have been silent for long, by sensor.

        A tick decides, which stands in the log: a replay lets go of the same ones at the same place.

        Args:
            rows: Of the partition.
            offset, tick_ms: Of the tick.
        """
        if not self.silent_ms:
            return []
        latest = tick_ms - self.silent_ms
        silent = [
            sensor_id
            for sensor_id, row in rows.items()
            if 0 < row.seen_ms <= latest and offset >= row.applied_through
        ]
        taken = [(sensor_id, rows.pop(sensor_id)) for sensor_id in sorted(silent)]
        for _, row in taken:
            row.applied_through = offset
            row.leave()
        return taken

    def make_room(self, rows: dict[str, Row[S]], offset: int) -> list[tuple[str, Row[S]]]:
        """Take the rows out that have changed longest ago, a tenth of them, if there is room for no other.

        For tables that are only shown, or only say how far something is taken: what comes has room, always. The log
        decides, and rows remember the offset of their last change: a replay lets go of the same ones.

        Args:
            rows: Of the partition.
            offset: Of the record that wants room.
        """
        if len(rows) < self.sensors:
            return []
        oldest = sorted(rows, key=lambda key: (rows[key].applied_through, key))[: max(1, self.sensors // 10)]
        taken = [(key, rows.pop(key)) for key in oldest]
        for _, row in taken:
            row.applied_through = offset
            row.leave()
        return taken


LARGEST_LEARNED: Final = 1e30
"""Values beyond it, either way, are not learned: what is made of a larger one cannot be squared. Windows take all."""

ENOUGH: Final = Room()
"""What is kept where nobody says anything else."""
