"""Limits that people set: no learning, no warm-up, no rest.

limit_rules.py      what they say
limit_watch.py      the limits of one series: values in, raised or cleared out
limit_band.py       the state machine of one signal between two bounds
breach_count.py     so often within so long
late_breaches.py    values that come late
forecast_watch.py   where the values will go
as_written.py       numbers as people write them
"""
