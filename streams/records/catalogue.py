"""The catalogue: every type of record, its topic, its collection and what is done with it.

A new type of record is a struct in `streams.records.types`, the function that makes its document (if it is kept), and
an entry here. Topics, sinks, collections and indexes, reset, replay, verify, audit, rehearsals and the reference
follow from the entry.
"""

from streams.records import documents
from streams.records.alarm_records import Action, Alarm, AlarmInput, Notification
from streams.records.letter_parts import Redrive
from streams.records.peer_records import PeerInput
from streams.records.record_type import DAY_MS, Catalogue, Kept, Maker, Recomputed, RecordType, TopicSpec
from streams.records.rule_records import RuleChange, RulesApplied
from streams.records.types import (
    Aggregate,
    Announcement,
    Anomaly,
    Birth,
    DeadLetter,
    Device,
    DeviceChange,
    GroupBucket,
    HourBand,
    Insight,
    Label,
    LateReading,
    Presence,
    Reading,
    Tick,
    decode_reading,
)
from streams.records.versions import Versions

_READINGS = TopicSpec("readings", "sensor id (none for a tick and a change of rules)", 30 * DAY_MS)

CATALOGUE = Catalogue(
    (
        RecordType(
            kind=Reading,
            topic=_READINGS,
            word="readings",
            identity=(),
            event_time="collected_at",
            decode=decode_reading,
            kept=Kept(
                collection="sensors",
                document=documents.reading_document,
                identity=(),
                indexes=("metadata.sensor_id collected_at",),
                id_in_header=True,
            ),
        ),
        RecordType(
            kind=Tick,
            topic=_READINGS,
            word="ticks",
            key_field="",
            identity=("tick_at",),
            event_time="tick_at",
            decode=decode_reading,
        ),
        RecordType(
            kind=RuleChange,
            topic=_READINGS,
            word="changes of rules",
            key_field="",
            identity=("fingerprint",),
            event_time="at",
            decode=decode_reading,
        ),
        RecordType(
            kind=RulesApplied,
            topic=TopicSpec("rules", "none; all in partition 0", -1),
            word="sets of rules",
            key_field="",
            identity=(),
        ),
        RecordType(
            kind=Aggregate,
            topic=TopicSpec("aggregates", "sensor id", 30 * DAY_MS),
            word="windows",
            # A window, and supplements of what came late for it.
            identity=("id", "supplement"),
            event_time="start",
            made_by=Maker.WORKER,
            recomputed=Recomputed.WINDOWS,
            audited=True,
            kept=Kept(
                collection="aggregates",
                document=documents.aggregate_document,
                identity=("id",),
                indexes=("metadata.sensor_id metadata.quantity start", "-start"),
                in_parts=True,
            ),
        ),
        RecordType(
            kind=Anomaly,
            topic=TopicSpec("anomalies", "sensor id", -1),
            word="anomalies",
            identity=("id", "state"),
            event_time="changed_at",
            made_by=Maker.WORKER,
            recomputed=Recomputed.MODELS,
            audited=True,
            kept=Kept(
                collection="anomalies",
                document=documents.anomaly_document,
                identity=("id",),
                indexes=("metadata.sensor_id -raised_at", "-raised_at", "state -raised_at"),
                versions=Versions("changed_at", "state", ("raised", "regime_change", "cleared")),
            ),
        ),
        RecordType(
            kind=HourBand,
            topic=TopicSpec("bands", "sensor id", 30 * DAY_MS),
            word="bands",
            identity=("sensor_id", "quantity", "start"),
            event_time="start",
            made_by=Maker.WORKER,
            recomputed=Recomputed.MODELS,
            audited=True,
            kept=Kept(
                collection="bands",
                document=documents.band_document,
                identity=("sensor_id", "quantity", "start"),
                indexes=("metadata.sensor_id metadata.quantity start",),
            ),
        ),
        RecordType(
            kind=LateReading,
            topic=TopicSpec("late-readings", "sensor id", 30 * DAY_MS),
            word="late values",
            # A late reading that comes twice is late twice, each time against the watermark of that moment.
            identity=("id", "quantity", "watermark"),
            event_time="collected_at",
            made_by=Maker.WORKER,
            recomputed=Recomputed.WINDOWS,
            audited=True,
            kept=Kept(
                collection="late_readings",
                document=documents.late_document,
                identity=("id", "quantity"),
                indexes=("metadata.sensor_id collected_at",),
            ),
        ),
        RecordType(
            kind=DeadLetter,
            topic=TopicSpec("dead-letters", "where it came from", 90 * DAY_MS),
            word="dead letters",
            key_field="topic",
            event_time="received_at",
            audited=True,
            kept=Kept(
                collection="dead_letters",
                document=documents.dead_letter_document,
                identity=("id",),
                indexes=("-received_at", "reason -received_at"),
            ),
        ),
        RecordType(
            kind=Birth,
            topic=TopicSpec("births", "edge node or device", -1, compacted=True),
            word="births",
            key_field="source",
            identity=("source", "at"),
            event_time="at",
        ),
        RecordType(
            kind=Device,
            topic=TopicSpec("devices", "sensor id", -1, compacted=True, whole_ms=365 * DAY_MS),
            word="devices",
            identity=("sensor_id", "at"),
            event_time="at",
        ),
        RecordType(
            kind=Announcement,
            topic=TopicSpec("announcements", "sensor id", -1),
            word="announcements of devices",
            identity=("sensor_id", "source", "at"),
            event_time="at",
        ),
        RecordType(
            kind=Presence,
            topic=TopicSpec("presence", "sensor id", -1, compacted=True, whole_ms=30 * DAY_MS),
            word="changes of presence",
            identity=("sensor_id", "since", "state"),
            event_time="since",
            kept=Kept(
                collection="presence",
                document=documents.presence_document,
                identity=("sensor_id", "since", "state"),
                indexes=("metadata.sensor_id -since", "-since"),
            ),
        ),
        RecordType(
            kind=DeviceChange,
            topic=TopicSpec("device-changes", "sensor id", -1),
            word="changes of devices",
            event_time="since",
            made_by=Maker.WORKER,
            recomputed=Recomputed.MODELS,
            audited=True,
            kept=Kept(
                collection="device_changes",
                document=documents.device_change_document,
                identity=("id",),
                indexes=("metadata.sensor_id -since", "-since", "state -since"),
            ),
        ),
        RecordType(
            kind=Redrive,
            topic=TopicSpec("redrives", "batch", 90 * DAY_MS),
            word="redrives",
            key_field="batch",
            identity=("batch", "state"),
            event_time="at",
        ),
        RecordType(
            kind=Label,
            topic=TopicSpec("labels", "sensor id", -1),
            word="labels",
            identity=Label.__struct_fields__,
            event_time="start",
            audited=True,
            kept=Kept(
                collection="labels",
                document=documents.label_document,
                identity=Label.__struct_fields__,
                indexes=("metadata.sensor_id start",),
            ),
        ),
        RecordType(
            kind=Insight,
            topic=TopicSpec("insights", "sensor id", 30 * DAY_MS),
            word="insights",
            event_time="at",
            made_by=Maker.ANALYSIS,
            kept=Kept(
                collection="insights",
                document=documents.insight_document,
                identity=("id",),
                indexes=("metadata.sensor_id metadata.quantity -at", "kind -at"),
            ),
        ),
        RecordType(
            kind=GroupBucket,
            topic=TopicSpec("group-buckets", "group of sensors", 2 * DAY_MS),
            word="group buckets",
            key_field="group",
            identity=("group", "quantity", "sensor_id", "number"),
            made_by=Maker.ANALYSIS,
        ),
        RecordType(
            kind=PeerInput,
            topic=TopicSpec(
                "peer-inputs", "group (empty for a tick, which is in each partition)", 30 * DAY_MS
            ),
            word="inputs of peers",
            key_field="group",
            identity=(),
            made_by=Maker.WORKER,
        ),
        RecordType(
            kind=Action,
            topic=TopicSpec("actions", "sensor id (empty for planned work, in each partition)", -1),
            word="actions",
            event_time="at",
            kept=Kept(
                collection="actions",
                document=documents.action_document,
                identity=("id",),
                indexes=("metadata.sensor_id -at", "-at"),
            ),
        ),
        RecordType(
            kind=AlarmInput,
            topic=TopicSpec("alarm-inputs", "sensor id (empty for a tick and for planned work)", -1),
            word="inputs of alarms",
            identity=(),
            made_by=Maker.WORKER,
        ),
        RecordType(
            kind=Alarm,
            topic=TopicSpec("alarms", "sensor id", -1),
            word="alarms",
            identity=("id", "number"),
            event_time="changed_at",
            made_by=Maker.WORKER,
            audited=True,
            kept=Kept(
                collection="alarms",
                document=documents.alarm_document,
                identity=("id",),
                indexes=("metadata.sensor_id -raised_at", "state -changed_at", "-changed_at"),
                versions=Versions("number", "state", ()),
            ),
        ),
        RecordType(
            kind=Notification,
            topic=TopicSpec("notifications", "target", 90 * DAY_MS),
            word="notifications",
            key_field="target",
            event_time="at",
        ),
    )
)
