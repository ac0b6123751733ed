"""Rows of every table as a release wrote them, kept to see whether later code still reads them.

    python -m tests.support.recorded_rows

writes, for each table, what its present version has no recording of: ``tests/rows/<table>-<version>.json``, with the
newest value of each key of a changelog and, for each key, the row as it is when it is written whole.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from agents.lane.core.stage import Stage
from agents.rebuilding import stages_of
from bridges.process.detection_settings import DetectionSettings
from bridges.process.settings import Settings
from streams.alarms.acting import action_of
from streams.records.alarm_records import Action, AlarmInput
from streams.records.peer_records import PeerInput
from streams.records.rows import Row
from streams.records.types import Anomaly, GroupBucket, Label, Reading

FOLDER = Path(__file__).parents[1] / "rows"
SETTINGS = Settings(
    detection=DetectionSettings.model_validate(
        {"warm_up": 100, "series": {"room-*/temperature": {"peers": "pattern", "warm_up": 10}}}
    )
)
START = 1_760_000_000.0
AnyStage = Stage[Any, Any, Any, Any]


@dataclass(frozen=True)
class Recording:
    """What was recorded of a table.

    Args:
        changelog: Newest value of each key.
        whole: Each row, written whole, by sensor.
    """

    changelog: dict[bytes, bytes]
    whole: dict[str, bytes]

    @classmethod
    def load(cls, path: Path) -> "Recording":
        """Read a file."""
        found = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            {bytes.fromhex(key): b64decode(value) for key, value in found["changelog"].items()},
            {sensor: b64decode(value) for sensor, value in found["whole"].items()},
        )

    def save(self, path: Path) -> None:
        """Write a file."""
        found = {
            "changelog": {key.hex(): b64encode(value).decode() for key, value in self.changelog.items()},
            "whole": {sensor: b64encode(value).decode() for sensor, value in self.whole.items()},
        }
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def stages() -> list[AnyStage]:
    """List the stages of both applications."""
    return [*stages_of(SETTINGS, analysis=False), *stages_of(SETTINGS, analysis=True)]


def whole_row(stage: AnyStage, sensor: str, row: Row[Any]) -> bytes:
    """Return a row as it is when it is written whole."""
    return replace(stage.form, changes=None).news(sensor, row)[1]


def record(stage: AnyStage) -> Recording:
    """Run a stage over records that are the same each time, and record its table."""
    rows: dict[str, Row[Any]] = {}
    changelog: dict[bytes, bytes] = {}
    for batch in _batches(stage):
        outcome = stage.run(stage.plan, rows, batch)
        for sensor in outcome.changed:
            for key, value in stage.form.records({sensor: rows[sensor]}):
                changelog[key or b""] = value or b""
    return Recording(
        changelog, {sensor: whole_row(stage, sensor, row) for sensor, row in sorted(rows.items())}
    )


def _batches(stage: AnyStage) -> Iterator[list[Any]]:
    """Yield three batches of records, so that rows are written whole and what has changed since, too."""
    records = list(_records(stage.reads.kind))
    third = len(records) // 3 + 1
    for begin in range(0, len(records), third):
        yield records[begin : begin + third]


def _records(kind: type) -> Iterable[Any]:
    """Yield records of a type, each with its offset as the stages take them."""
    rng = Random(7)
    for number in range(420):
        time, sensor = START + 10.0 * number, f"s{number % 2}"
        if kind is Reading:
            value = round(20 + rng.gauss(0, 0.5) + (9 if number in (300, 301, 302, 303) else 0), 2)
            values = (
                {"temperature": value, "humidity": 40.0 + number % 7}
                if number % 2
                else {"temperature": value}
            )
            yield number, 0, Reading(sensor, time, values)
        elif kind is GroupBucket:
            yield (
                number,
                GroupBucket("hall", "temperature", sensor, int(START // 300) + number // 2, rng.gauss(0, 1)),
            )
        elif kind is PeerInput:
            yield number, _peer_input(number, rng)
        elif kind is Action and number < 6:
            yield number, action_of("acknowledge", at=time, by="Ada", sensor_id=sensor)
        elif kind is AlarmInput and number < 6:
            yield number, AlarmInput(sensor, found=_anomaly(number - number % 3, sensor, START))
        elif kind is Label and number < 6:
            yield number, Label(sensor, "temperature", time, time + 60, "spike")
        elif kind is Anomaly and number < 6:
            yield number, _anomaly(number, sensor, time)


def _peer_input(number: int, rng: Random) -> PeerInput:
    """Return the value of one of six rooms or, as every seventh, the tick that closes their window."""
    window, room = divmod(number, 7)
    start = START // 60 * 60 + 60.0 * window
    if room == 6:
        return PeerInput("", window % 4, tick_at=start + 150)
    value = 20.0 + room + round(rng.gauss(0, 0.1), 2)
    return PeerInput("room-*/temperature", 0, f"room-{room}", "temperature", start, start + 60, value)


def _anomaly(number: int, sensor: str, time: float) -> Anomaly:
    state = "cleared" if number % 3 else "raised"
    return Anomaly(
        id=f"a{number}", sensor_id=sensor, quantity="temperature", state=state, changed_at=time + 5, raised_at=time,
        score=1.0, value=29.0, expected=20.0, lower=18.0, upper=22.0, direction="above", cause="level", seen=100,
        cleared_at=time + 5 if number % 3 else None,
    )  # fmt: skip


def path_of(stage: AnyStage) -> Path:
    """Return where the recording of a table's present version is."""
    return FOLDER / f"{stage.table}-{stage.form.version}.json"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in stages():
        if not path_of(each).exists():
            record(each).save(path_of(each))
            print(f"recorded {path_of(each).name}")
