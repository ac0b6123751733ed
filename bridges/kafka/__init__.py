"""Kafka: how Weir's clients reach it, and what they do there."""
