"""What looks on while a worker works, for its pages and its ledger: in memory, bounded, and started with the worker.

watch.py          agents that look on, and count what the log hands to this worker
recent.py         the newest readings, anomalies, rates and backlogs
band_watch.py     what was expected of the sensors that someone looks at
device_watch.py   which devices there are, and whether they are there
pattern_watch.py  which patterns of limits take no series
"""
