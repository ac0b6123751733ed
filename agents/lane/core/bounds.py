"""Every bound of the memory of an application on the lane: why it is as large as it is, and what it costs.

    Kafka ──▶ fetched ──▶ stream buffer ──▶ held: records, changed rows ──▶ written ──▶ Kafka
             (bytes)       (batches)                                      (bytes)
                                └──▶ outbox of a sink (documents) ──▶ MongoDB

A full buffer stops what fills it: the stream's pauses the partition, the outbox's stops the agent. What is held never
stops anything, it makes a checkpoint at once. Beside these there is what the work itself keeps: rows, a kilobyte or
two for each series with a model, and a page's worth of newest readings for the views (`agents.views.watching.recent`).
"""

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

# -- fetched -----------------------------------------------------------------------------------------------------------

FETCH_BYTES: Final = 1 * MIB
"""So much is fetched without waiting for more: a backlog. A fetch costs about a millisecond, however little it brings.

Less: more fetches for the same readings. It costs nothing while there is less: ``fetch_wait_seconds`` ends the wait.
"""

LARGEST_FETCH: Final = 4 * MIB
"""Most bytes of one partition in one fetch; aiokafka holds one fetch of each partition that is not taken yet.

Costs up to this, for each partition of each topic that is read: 16 MiB a topic of four partitions in a backlog.
"""

STREAM_BATCHES: Final = 16
"""Batches in a stream's buffer at which its partitions are paused: one is worked on, the others hide a slow moment.

An event is a whole fetch here (``WEIR_WORKER__FETCH_RECORDS``, 5,000 records at most); Faust's own 4,096 events would
be 20 million readings.
"""

RECOVERED_BATCHES: Final = 2
"""Fetches of a changelog that wait to be applied in recovery: none is to wait for many others.

With 1, Faust would go on to read the changelog after recovery, too (`tests/unit/test_recovery.py`).
"""

# -- held --------------------------------------------------------------------------------------------------------------

APPLIED_TOGETHER: Final = 20_000
"""Records that wait at most before they are applied; all are at the next checkpoint.

Rows that are touched and encoded in one go cost less than those of many small batches; beyond this the gain is gone,
and applying would hold up the event loop for longer (0.1 s at 5 µs a reading).
"""

WORKER_RECORDS: Final = 100_000
"""Records held by the worker before a checkpoint is made at once: about a second's worth at full speed.

A record that other agents read, too, is in memory until its batch is acknowledged: decoded, about 0.6 kB.
"""

ANALYSIS_RECORDS: Final = 1_000_000
"""The same of model analysis, which lets go of a batch's records once they are applied: a held batch is some 100 bytes.

A checkpoint writes whole models, up to 17 kB a series, and so should come seldom while a backlog is worked off.
"""

CHANGED_ROWS: Final = 20_000
"""Rows changed before a checkpoint is made at once.

They are in memory twice more while they are written, encoded and in a request: of as many sensors as that hardly any
changes twice before the next checkpoint, so that waiting would save nothing.
"""

# -- written -----------------------------------------------------------------------------------------------------------

BATCH_BYTES: Final = 512 * KIB
"""Most bytes of one record batch that the writer builds; a record that is larger stops the worker.

The broker's own limit (``message.max.bytes``) is 1 MiB.
"""

LARGEST_RESULT: Final = BATCH_BYTES - KIB
"""Most bytes of a result with its key: a batch of one record has 80 bytes around it. A row may be larger, in parts."""

LARGEST_REQUEST: Final = 4 * MIB
"""Most bytes of one request of a writer: the batches of several topics go together."""

OUTBOX_WRITES: Final = 5
"""Documents in a sink's outbox at which its agent waits, in full writes (``WEIR_MONGO__INSERT_BATCH``, 2,000).

Two writes are under way at once; the others are ready when these are done. A document is about 1 kB.
"""
