"""The edges: MQTT, Kafka, MongoDB, files, settings, logs, metrics and the local stack."""
