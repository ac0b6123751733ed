"""Replay recorded readings: recompute, publish again at any pace, verify against what was emitted live."""
