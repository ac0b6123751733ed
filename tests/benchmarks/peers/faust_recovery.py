"""Recover two tables as an ordinary Faust application does, from the changelogs that a worker of Weir has written.

Prints a line of JSON with what it cost, from the start of the process to the end of the recovery.

    faust_recovery.py BROKERS APPLICATION TOPIC PARTITIONS
"""

import json
import os
import sys
import time

import faust
import psutil

BROKERS, APPLICATION, TOPIC, PARTITIONS = sys.argv[1:]

app = faust.App(
    APPLICATION,
    broker=[f"kafka://{BROKERS}"],
    store="memory://",
    topic_partitions=int(PARTITIONS),
    topic_disable_leader=True,
    web_enabled=False,
)
tables = [
    app.Table(name, key_type=bytes, value_type=bytes, partitions=int(PARTITIONS))
    for name in ("windows", "models")
]
recovered: list[int] = []


@app.agent(app.topic(TOPIC, value_type=bytes))
async def read(stream: faust.StreamT[bytes]) -> None:
    """Give the application a source topic; nothing of it is read before the recovery ends."""
    async for _ in stream:
        pass


async def done() -> None:
    """Say what it cost when both tables are there."""
    recovered.append(1)
    if len(recovered) == len(tables):
        process = psutil.Process()
        cost = {"seconds": time.time() - process.create_time(), "cpu_seconds": time.process_time()}
        # On a line of its own: Faust has hidden the cursor on this one.
        print("\n" + json.dumps({**cost, "keys": sum(map(len, tables))}), flush=True)
        os._exit(0)


for table in tables:
    table.on_recover(done)

if __name__ == "__main__":
    faust.Worker(app, loglevel="ERROR", quiet=True, redirect_stdouts=False).execute_from_commandline()
