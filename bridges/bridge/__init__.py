"""The bridge: what MQTT delivers becomes records on Kafka, and is acknowledged when Kafka has them."""
