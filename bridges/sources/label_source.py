"""Ground truth: from a CSV file, the Numenta Anomaly Benchmark's JSON, the topic `labels`, or MongoDB.

CSV     sensor_id,quantity,start,end,kind     quantity may be * (every quantity of the sensor)
JSON    {"group/file.csv": [["2014-02-26 22:05:00", "2014-02-27 17:15:00"], ...], ...}
"""

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from bridges.process.settings import Settings
from bridges.sources.recorded_source import NAMES, recorded_labels
from bridges.sources.source import Selection
from streams.backtest.evaluation import ANY_QUANTITY, unmatched
from streams.backtest.outcome import Outcome
from streams.errors import ConfigurationError, InputError
from streams.payloads.event_times import read_event_time
from streams.records.catalogue import CATALOGUE
from streams.records.documents import label_of
from streams.records.types import Label, decode_as
from streams.standing_labels import standing

_COLUMNS = ("sensor_id", "start", "end")


def read_labels(name: str, settings: Settings) -> list[Label]:
    """Read labels by the name given on the command line.

    Args:
        name: ``kafka``, ``mongo``, ``waterflow``, or the path of a ``.csv`` or ``.json`` file.
        settings: Where Kafka and MongoDB are.

    Raises:
        ConfigurationError: If there are none, or one cannot be read, with its place.
        TransientError: If Kafka or MongoDB cannot be reached.
    """
    if name == "kafka":
        labels = _from_kafka(settings)
    elif name == "mongo":
        labels = _from_mongo(settings)
    elif name in NAMES:
        labels = recorded_labels(name)
    elif name.endswith(".json"):
        labels = _from_json(Path(name))
    else:
        labels = _from_csv(Path(name))
    if not labels:
        raise ConfigurationError(f"there are no labels in {name}")
    return sorted(
        set(standing(labels)),
        key=lambda each: (each.sensor_id, each.quantity, each.start, each.end, each.kind),
    )


@dataclass(frozen=True, slots=True)
class SelectedLabels:
    """The labels that concern what was read.

    Args:
        labels: Wholly inside the event times that were read.
        outside: How many lie, wholly or in part, outside of them.
    """

    labels: list[Label]
    outside: int


def select_labels(labels: Iterable[Label], selection: Selection, first: float, last: float) -> SelectedLabels:
    """Take the labels of the selected sensors that lie within the event times read.

    A label of which only a part was read is left out: whether it could have been found is not known.

    Args:
        labels: All there are.
        selection: What was read.
        first, last: The first and last event time that was read.
    """
    since, until = selection.event_range()
    since, until = max(since, first), min(until, last)
    kept, outside = [], 0
    for label in labels:
        if selection.sensors and not any(fnmatchcase(label.sensor_id, each) for each in selection.sensors):
            continue
        if label.start >= since and label.end <= until:
            kept.append(label)
        else:
            outside += 1
    return SelectedLabels(kept, outside)


def _label(where: str, sensor_id: str, quantity: str, start: str, end: str, kind: str) -> Label:
    try:
        begun, ended = read_event_time(start), read_event_time(end)
    except InputError as error:
        raise ConfigurationError(f"{where}: {error.detail}") from None
    if ended < begun:
        raise ConfigurationError(f"{where}: end must not be before start, got {start} to {end}")
    return Label(sensor_id, quantity, begun, ended, kind)


def _from_csv(path: Path) -> list[Label]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            if missing := [name for name in _COLUMNS if name not in (rows.fieldnames or ())]:
                raise ConfigurationError(f"{path}: column {', '.join(missing)} is missing")
            labels = []
            for row in rows:
                if None in row or None in row.values():
                    raise ConfigurationError(
                        f"{path}:{rows.line_num}: expected as many cells as the header has"
                    )
                labels.append(
                    _label(
                        f"{path}:{rows.line_num}",
                        row["sensor_id"],
                        row.get("quantity") or ANY_QUANTITY,
                        row["start"],
                        row["end"],
                        row.get("kind") or "label",
                    )
                )
            return labels
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read labels {path}: {error}") from None


def _from_json(path: Path) -> list[Label]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return [
            _label(f"{path}: {file}", Path(file).stem, ANY_QUANTITY, start, end, "label")
            for file, windows in found.items()
            for start, end in windows
        ]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"cannot read labels {path}: expected file names with lists of [start, end] ({error})"
        ) from None


def _from_kafka(settings: Settings) -> list[Label]:
    from bridges.sources.kafka_source import Log

    topic = settings.topic(CATALOGUE.of(Label).topic.name)
    labels = []
    with Log(settings) as log:
        for partition in log.partitions_of(topic):
            for messages in log.read(topic, partition, *log.ends(topic, partition)):
                for message in messages:
                    try:
                        labels.append(decode_as(Label, message.value() or b""))
                    except InputError as error:
                        raise ConfigurationError(
                            f"{topic}-{partition}@{message.offset()} is no label: {error.detail}"
                        ) from None
    return labels


def _from_mongo(settings: Settings) -> list[Label]:
    from bridges.sources.mongo_source import labels_in_mongo

    return [label_of(each) for each in labels_in_mongo(settings)]


def labels_for(
    labels: Iterable[Label], selection: Selection, outcome: Outcome, *, ignore_unmatched: bool = False
) -> list[Label]:
    """Take the labels that the readings of a backtest can be judged by.

    Args:
        labels: All there are.
        selection: What was read.
        outcome: What came of it.
        ignore_unmatched: Leave out labels whose series was not read, instead of refusing them.

    Raises:
        ConfigurationError: If no label is left, or one names a series that was not read.
    """
    sensors = outcome.sensors
    first = min(sensor.first for sensor in sensors.values())
    last = max(sensor.last for sensor in sensors.values())
    chosen = select_labels(labels, selection, first, last)
    strange = unmatched(
        chosen.labels, {sensor_id: sensor.quantities for sensor_id, sensor in sensors.items()}
    )
    if strange and not ignore_unmatched:
        some = ", ".join(dict.fromkeys(f"{each.sensor_id}/{each.quantity}" for each in strange[:5]))
        raise ConfigurationError(
            f"{len(strange)} of {len(chosen.labels)} labels match nothing that was read ({some}): correct them, or "
            "leave them out with --ignore-unmatched"
        )
    left = [label for label in chosen.labels if label not in strange]
    if not left:
        raise ConfigurationError(
            f"no label matches what was read, {Selection(since=first, until=last + 0.001).describe_range()}: "
            f"{chosen.outside} lie outside of it, {len(strange)} name other series"
        )
    return left
