"""The Numenta Anomaly Benchmark: its scoring rules, and runs of detectors on its files."""
