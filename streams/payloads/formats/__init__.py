"""Formats: bytes become plain values (tables, lists, numbers, texts), bounded, or an `InputError`."""
