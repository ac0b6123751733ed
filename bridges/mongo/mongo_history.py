"""Read results back from MongoDB, for the views."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bridges.mongo.mongo_sink import MongoSink
from streams.detection.quality import Quality, Series, judge
from streams.records.catalogue import CATALOGUE
from streams.records.types import Anomaly, Label
from streams.signals import DELIVERY_FAULTS

# Plenty for a page, and a bound on what a request can cost.
MOST_ANOMALIES = 50_000
_ANOMALIES = CATALOGUE.of(Anomaly).collection


async def newest_anomalies(sink: MongoSink, limit: int) -> list[Anomaly]:
    """Return the anomalies raised last, newest first; waits while MongoDB is away."""

    async def ask() -> list[Anomaly]:
        cursor = sink.collection(_ANOMALIES).find().sort("raised_at", -1).limit(limit)
        return [_anomaly(each) async for each in cursor]

    return await sink.until_answered(ask)


async def quality(sink: MongoSink, tolerance_seconds: float) -> Quality:
    """Compare all anomalies with all labels; waits while MongoDB is away."""

    async def ask() -> Quality:
        raised: dict[Series, list[float]] = defaultdict(list)
        labels: dict[Series, list[tuple[float, float, str]]] = defaultdict(list)
        wanted = {"metadata": 1, "raised_at": 1, "_id": 0}
        async for each in sink.collection(_ANOMALIES).find({}, wanted).limit(MOST_ANOMALIES):
            raised[_series(each)].append(each["raised_at"].timestamp())
        async for each in sink.collection(CATALOGUE.of(Label).collection).find().limit(MOST_ANOMALIES):
            labels[_series(each)].append((each["start"].timestamp(), each["end"].timestamp(), each["kind"]))
        return judge(raised, labels, tolerance_seconds=tolerance_seconds, not_in_values=DELIVERY_FAULTS)

    return await sink.until_answered(ask)


def _series(document: Mapping[str, Any]) -> Series:
    metadata = document["metadata"]
    return metadata["sensor_id"], metadata["quantity"]


def _anomaly(document: Mapping[str, Any]) -> Anomaly:
    sensor_id, quantity = _series(document)
    cleared_at: datetime | None = document["cleared_at"]
    same = ("state", "score", "value", "expected", "lower", "upper", "direction", "cause", "seen")
    return Anomaly(
        id=document["_id"].binary.hex(),
        sensor_id=sensor_id,
        quantity=quantity,
        raised_at=document["raised_at"].timestamp(),
        changed_at=document["changed_at"].timestamp(),
        cleared_at=None if cleared_at is None else cleared_at.timestamp(),
        severity=document.get("severity"),
        **{name: document[name] for name in same},
    )
