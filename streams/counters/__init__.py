"""Counters, numbers that only grow: how fast they do is a quantity of its own, made from readings in their order."""
