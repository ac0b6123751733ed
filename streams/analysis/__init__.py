"""What is worth knowing about each series beyond windows and anomalies, learned online in bounded memory.

    readings ──▶ five-minute buckets ──▶ hours ──▶ history (28 days) ──▶ shape of the day, trend, seasonality
        │              │                   │
        │              │                   ├──▶ forecasts, with the record of their past errors
        │              │                   └──▶ drift: lasting changes of level, and when
        │              └──▶ correlation and lag within a group of sensors
        └──▶ quantiles, health (stalled, stuck, clock, sequence, unit)

    digest.py       quantiles, location and scale that forget
    history.py      hourly means of 28 days; what is read off them
    shape.py        the shape of a day, its strength, the trend
    forecasters.py  six cheap forecasters
    forecasting.py  which of them to believe, with what interval, and how right that was
    track_record.py progressive validation
    drift.py        river's ADWIN and Page-Hinkley on deseasonalised hours
    health.py       a sensor's cadence, clock and sequence
    values.py       a series' stuck values and jumps of unit
    correlation.py  sensors that move together, and which comes first
    series.py       all of it for one series
    sensor.py       all series of one sensor, and its buckets
    analyse.py      records of `readings` -> insights: what the live agent and a replay both call

Event time only (health alone also looks at ingest time); no clock; a state restored from its plain values goes on
bit for bit.
"""
