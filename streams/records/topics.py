"""The topics of the catalogue by name, for those who need no more of it."""

from streams.records.alarm_records import Action, Alarm, AlarmInput, Notification
from streams.records.catalogue import CATALOGUE
from streams.records.peer_records import PeerInput
from streams.records.record_type import DAY_MS, TopicSpec
from streams.records.types import (
    Aggregate,
    Anomaly,
    DeadLetter,
    GroupBucket,
    HourBand,
    Insight,
    Label,
    LateReading,
    Reading,
)

__all__ = [
    "ACTIONS",
    "AGGREGATES",
    "ALARMS",
    "ALARM_INPUTS",
    "ALL_TOPICS",
    "ANOMALIES",
    "BANDS",
    "DAY_MS",
    "DEAD_LETTERS",
    "GROUP_BUCKETS",
    "INSIGHTS",
    "LABELS",
    "LATE_READINGS",
    "NOTIFICATIONS",
    "PEER_INPUTS",
    "READINGS",
    "TopicSpec",
]

READINGS = CATALOGUE.of(Reading).topic
AGGREGATES = CATALOGUE.of(Aggregate).topic
ANOMALIES = CATALOGUE.of(Anomaly).topic
BANDS = CATALOGUE.of(HourBand).topic
LATE_READINGS = CATALOGUE.of(LateReading).topic
DEAD_LETTERS = CATALOGUE.of(DeadLetter).topic
LABELS = CATALOGUE.of(Label).topic
INSIGHTS = CATALOGUE.of(Insight).topic
GROUP_BUCKETS = CATALOGUE.of(GroupBucket).topic
ACTIONS = CATALOGUE.of(Action).topic
ALARM_INPUTS = CATALOGUE.of(AlarmInput).topic
ALARMS = CATALOGUE.of(Alarm).topic
PEER_INPUTS = CATALOGUE.of(PeerInput).topic
NOTIFICATIONS = CATALOGUE.of(Notification).topic

ALL_TOPICS = CATALOGUE.topics
