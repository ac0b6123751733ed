"""The catalogue of Weir's metrics: every one that any process counts, and nothing is counted elsewhere.

Names are ``weir_<noun>_<unit>_total``; label values come from short fixed lists (never a sensor id, which
would make as many series as there are sensors). Hot paths count in plain integers and add the sum here once
per batch: one `Counter.inc` costs about as much as decoding a reading.
"""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

REGISTRY = CollectorRegistry(auto_describe=True)
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

CONTENT_TYPE = CONTENT_TYPE_LATEST

# From a Kafka on the same machine (5 ms linger) to one that is away for a minute.
LATENCY_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(name, text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(name, text, labels, registry=REGISTRY)


def _histogram(name: str, text: str, *labels: str) -> Histogram:
    return Histogram(name, text, labels, buckets=LATENCY_SECONDS, registry=REGISTRY)


# Bridge: MQTT -> Kafka. items = readings, labels, births, changes of presence and dead letters; arrays taken apart.
MQTT_MESSAGES = _counter("weir_mqtt_messages_received_total", "MQTT messages received, redelivered ones too.")
MQTT_BYTES = _counter("weir_mqtt_payload_bytes_total", "Bytes of payload received.")
MQTT_REDELIVERED = _counter(
    "weir_mqtt_messages_redelivered_total", "MQTT messages that the broker marked as delivered before."
)
MQTT_RETAINED = _counter("weir_mqtt_messages_retained_total", "Retained messages received.")
MQTT_PASSED_OVER = _counter(
    "weir_mqtt_messages_passed_over_total",
    "Messages of which nothing went on: presence that is known, settings, what a map or a setting passes over.",
)
DEVICES_LEARNED = _counter(
    "weir_devices_learned_total",
    "Announcements of devices (`learn_devices`): new, changed, that wait since they have changed within the hour, "
    "left_out for want of room; rounds that have failed.",
    "became",
)
MQTT_COPIES = _counter(
    "weir_mqtt_messages_copies_total", "Messages that came again because another filter fits them, too."
)
MQTT_UNREAD = _counter(
    "weir_mqtt_messages_unread_total",
    "Messages on topics that nothing reads: dead letters, or passed over; `/api/unread` has examples and maps.",
)
MQTT_ACKNOWLEDGED = _counter(
    "weir_mqtt_messages_acknowledged_total", "MQTT messages acknowledged: Kafka has all that came of them."
)
MQTT_CONNECTIONS = _counter("weir_mqtt_connections_total", "MQTT connections made, the first one too.")
MQTT_CONNECTED = _gauge("weir_mqtt_connected", "1 while the bridge is connected to the MQTT broker.")
MQTT_AT_QOS_0 = _gauge(
    "weir_mqtt_filters_at_qos_0",
    "Topic filters for which the broker grants only QoS 0: readings can be lost.",
)
BRIDGE_ITEMS = _counter("weir_bridge_items_received_total", "Readings, labels and bad items received.")
BRIDGE_PRODUCED = _counter("weir_bridge_items_produced_total", "Items that Kafka has confirmed.", "kind")
BRIDGE_DEAD_LETTERS = _counter(
    "weir_bridge_items_refused_total", "Items set aside as dead letters, confirmed by Kafka.", "reason"
)
BRIDGE_REFUSED_TOPICS = _gauge(
    "weir_bridge_refused_topics",
    "Topics of which messages are refused: three in a row, or ten that are more than 1 %.",
)
BRIDGE_UNASKED_TOPICS = _gauge(
    "weir_bridge_unasked_topics", "Topics of what could be readings, and that the bridge does not ask for."
)
BRIDGE_RETRIES = _counter("weir_bridge_produce_retries_total", "Records handed to Kafka once more.")
BRIDGE_IN_FLIGHT = _gauge("weir_bridge_in_flight_messages", "MQTT messages not acknowledged yet.")
BRIDGE_PAUSES = _counter("weir_bridge_pauses_total", "Times that reading stopped because Kafka was behind.")
BRIDGE_TICKS = _counter("weir_bridge_ticks_produced_total", "Ticks written into partitions of readings.")
BRIDGE_CLOCK_DOUBT = _gauge(
    "weir_bridge_clock_doubt_seconds", "Step of the host's clock that the bridge does not follow yet."
)
BRIDGE_LATENCY = _histogram(
    "weir_bridge_latency_seconds", "From reading an MQTT message to Kafka's confirmation (sampled)."
)


# Notifier: alarms -> targets. read = told + passed over + failed + under way.
NOTIFY_READ = _counter("weir_notify_changes_read_total", "Changes of alarms read, by target.", "target")
NOTIFY_CHANGES = _counter(
    "weir_notify_changes_total",
    "Changes of alarms by what became of them: `told`, `failed` (refused for good), or why they are passed over.",
    "target",
    "outcome",
)
NOTIFY_UNDER_WAY = _gauge("weir_notify_changes_under_way", "Changes read that are not told yet.", "target")
NOTIFY_FAILURES = _counter("weir_notify_attempts_failed_total", "Attempts that will be repeated.", "target")
NOTIFY_FAILING = _gauge(
    "weir_notify_failing_seconds", "Since when a target takes nothing; 0 if it does.", "target"
)
NOTIFY_HEARTBEATS = _counter(
    "weir_notify_heartbeats_total", "Heartbeats: `sent`, `failed`, or `withheld`: no tick came.", "outcome"
)

# Sinks: Kafka -> MongoDB. consumed = stored + already there + refused + unreadable + not kept + under way.
SINK_CONSUMED = _counter("weir_sink_records_consumed_total", "Records taken from Kafka.", "collection")
SINK_DOCUMENTS = _counter(
    "weir_sink_documents_total", "Documents by what became of them in MongoDB.", "collection", "outcome"
)
SINK_SET_ASIDE = _counter(
    "weir_sink_records_set_aside_total", "Records that became dead letters.", "collection", "reason"
)
SINK_NOT_KEPT = _counter("weir_sink_records_not_kept_total", "Ticks: read, not stored.", "collection")
SINK_RELEASED = _counter(
    "weir_sink_records_released_total", "Records given back unwritten in a rebalance.", "collection"
)
HISTORY_HOURS = _counter(
    "weir_history_hours_total",
    "Hours of a series computed from its windows, those that run three times; kept: some of these had been deleted.",
    "outcome",
)
HISTORY_WINDOWS_DELETED = _counter(
    "weir_history_windows_deleted_total", "Windows deleted from MongoDB for their age; their hours stay."
)
SINK_RETRIES = _counter("weir_sink_write_retries_total", "Attempts that MongoDB did not answer, or not yet.")
SINK_WRITE_SECONDS = _histogram(
    "weir_sink_write_seconds", "Writing one chunk to MongoDB, outages included.", "collection"
)
SINK_DELAY_SECONDS = _histogram(
    "weir_sink_delay_seconds", "From a record's Kafka time-stamp to MongoDB's acknowledgement.", "collection"
)
CONSUMER_LAG = _gauge(
    "weir_consumer_lag_records",
    "Records of an owned partition that are not committed yet.",
    "topic",
    "partition",
)
LOST_OFFSETS = _counter(
    "weir_lost_offsets_total", "Offsets that were deleted from a topic before they were read.", "topic"
)
TABLE_ROWS = _gauge("weir_table_rows", "Rows of a table in owned partitions.", "table")
DEVICES = _gauge("weir_devices", "Devices of owned partitions by whether they are there.", "state")
DEVICE_CONFLICTS = _gauge(
    "weir_device_conflicts", "Fields of devices in which people and announcements differ, of all partitions."
)
LIMITS_UNJUDGED = _counter(
    "weir_limit_values_unjudged_total",
    "Values beyond a limit that has a condition (`when`) of which was not known whether it held: not judged.",
)
LET_GO = _counter("weir_table_rows_let_go_total", "Rows of sensors that were silent for long.", "table")
WORKER_READY = _gauge("weir_worker_ready", "1 while the worker does all of its work.")
MONGO_AVAILABLE = _gauge("weir_mongo_available", "1 while MongoDB answers writes.")

# Worker: windows and detection. Counted per batch; a value is one quantity of one reading.
WORKER_READINGS = _counter("weir_worker_values_total", "Values by what the windows did with them.", "outcome")
WORKER_LATE = _counter("weir_worker_values_late_total", "Values that came after their windows had closed.")
WORKER_UNCHECKED = _counter(
    "weir_worker_values_unchecked_total",
    "Late values put into windows that might be repetitions of older ones.",
)
COUNTER_RATES = _counter(
    "weir_counter_rates_total",
    "Rates of counters: put into `windows`, or `left_out`, without room.",
    "outcome",
)
COUNTER_FALLS = _counter(
    "weir_counter_falls_total",
    "Falls of counters by what they were: `reset`, `step_back` (by less than a tenth), `wrap`, or `dip` (passed over).",
    "kind",
)
WORKER_UNREADABLE = _counter(
    "weir_worker_records_unreadable_total", "Records of readings set aside as dead letters."
)
WORKER_RESULTS = _counter("weir_worker_results_total", "Results by topic.", "topic")
WORKER_ANOMALIES = _counter("weir_worker_anomalies_total", "Changes in the life of anomalies.", "state")
UNPROCESSABLE = _counter(
    "weir_unprocessable_records_total", "Records set aside in which a stage or a sink failed.", "stage"
)
UNDONE = _counter(
    "weir_partitions_undone_total", "Times that a partition was taken back to its checkpoint.", "table"
)
ALARM_CHANGES = _counter(
    "weir_alarm_changes_total",
    "Changes in the life of alarms; `quiet` says why nobody is told of one, `none`: it is to be told.",
    "event",
    "quiet",
)
ALARM_ACTIONS = _counter(
    "weir_alarm_actions_total", "Actions of people: taken, and those of them that changed nothing.", "outcome"
)
ALARM_INPUTS_UNREADABLE = _counter(
    "weir_alarm_inputs_unreadable_total", "Records on `actions` and `alarm-inputs` that cannot be read."
)
PEER_VALUES = _counter(
    "weir_peer_values_total",
    "Means of windows by what became of them beside their peers: `compared`, `few` (too few others in the window), "
    "`late`, `left_out`, `repeated`, `unreadable`.",
    "outcome",
)
CHECKPOINTS = _counter("weir_checkpoints_total", "Checkpoints made.")
CHECKPOINT_SECONDS = _histogram("weir_checkpoint_seconds", "From taking a checkpoint to its acknowledgement.")

# Model analysis: the second Faust application.
ANALYSIS_READINGS = _counter("weir_analysis_readings_total", "Readings by what became of them.", "outcome")
ANALYSIS_INSIGHTS = _counter("weir_analysis_insights_total", "Insights found.", "kind")
ANALYSIS_SERIES = _gauge("weir_analysis_series", "Series that this worker analyses.")
ANALYSIS_APPLY_SECONDS = _histogram("weir_analysis_apply_seconds", "Learning one batch of readings.")

# Simulator: what it published over MQTT.
SIMULATOR_PUBLISHED = _counter(
    "weir_simulator_messages_published_total", "MQTT messages handed to the broker.", "kind"
)
SIMULATOR_ACKNOWLEDGED = _counter(
    "weir_simulator_messages_acknowledged_total", "MQTT messages that the broker acknowledged.", "kind"
)
SIMULATOR_RECONNECTS = _counter(
    "weir_simulator_reconnects_total", "Times that the connections were made again."
)
SIMULATOR_EVENT_TIME = _gauge("weir_simulator_event_time_seconds", "Simulated time of the last message.")


def render() -> bytes:
    """Return all metrics in Prometheus' text format; serve it with `CONTENT_TYPE`."""
    return generate_latest(REGISTRY)
