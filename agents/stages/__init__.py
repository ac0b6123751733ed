"""The stages of the pipeline: each reads one topic, keeps one table, and writes its results."""
