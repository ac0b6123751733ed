"""Real workers in processes of their own, to be killed, frozen and restarted."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from bridges.kafka.options import aiokafka_options
from bridges.process.settings import Settings
from bridges.stack.child_process import free_port
from streams.records.topics import READINGS
from tests.support.patience import PATIENCE


def environment(settings: dict[str, str]) -> dict[str, str]:
    """Return this process's environment with only the given WEIR settings."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WEIR_")}
    return {**clean, **settings}


class WorkerProcess:
    """``weir worker`` as a process.

    Args:
        settings: WEIR variables.
        folder: For its data and its log.
        name: Static membership: the same name continues where it was.
        tree: Checkout whose worker it is; ``None``: this one.
    """

    command = "worker"
    worker_section, web_section = "WORKER", "WEB"

    def __init__(self, settings: dict[str, str], folder: Path, name: str, tree: Path | None = None) -> None:
        self.name = name
        self._tree = tree
        self.port = free_port()
        self._settings = {
            **settings,
            f"WEIR_{self.worker_section}__INSTANCE": name,
            f"WEIR_{self.worker_section}__DATA_DIR": str(folder / name),
            f"WEIR_{self.web_section}__PORT": str(self.port),
        }
        self.log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def variables(self) -> dict[str, str]:
        """Its WEIR variables."""
        return dict(self._settings)

    def know(self, variable: str, value: str) -> None:
        """Set a variable, before it starts."""
        self._settings[variable] = value

    @property
    def pid(self) -> int:
        """The process id; the process must have been started."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Tell whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, if it does not run."""
        if self.running:
            return
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "agents", self.command],
                env=environment(self._settings),
                cwd=self._tree,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it runs."""
        if self.running and self._process is not None:
            self._process.send_signal(number)

    async def freeze(self, seconds: float) -> None:
        """Stop it for a while (SIGSTOP), and let it go on."""
        self.signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(10)

    def stop(self, seconds: float = 90) -> int:
        """Ask it to stop, and wait; returns its exit code."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def wait(self, seconds: float) -> int:
        """Wait until it ends; returns its exit code. It is killed if it does not end in time."""
        assert self._process is not None
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"{self.name} did not stop within {seconds} s; see its log:\n{self.tail()}"
            ) from None

    def ledger(self) -> dict[str, Any]:
        """Return its ledger; empty while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/ledger", timeout=5) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except (OSError, ValueError):
            return {}

    def tail(self, lines: int = 30) -> str:
        """Return the end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class AnalysisProcess(WorkerProcess):
    """``weir analysis`` as a process."""

    command = "analysis"
    worker_section = web_section = "ANALYSIS"


async def until_ready(workers: Sequence[WorkerProcess], seconds: float = PATIENCE) -> None:
    """Wait until each worker says at its health address that it is ready, all at the same time."""
    deadline = time.monotonic() + seconds
    while True:
        states = await asyncio.gather(*(asyncio.to_thread(_is_ready, worker.port) for worker in workers))
        if all(states):
            return
        if time.monotonic() > deadline:
            raise AssertionError(
                f"not ready after {seconds} s: {states}\n" + "\n".join(w.tail() for w in workers)
            )
        await asyncio.sleep(0.2)


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


async def consume(settings: Settings, worker: WorkerProcess) -> None:
    """Run a worker until it has read everything; it stops in order."""
    worker.start()
    await until_consumed(settings, [worker])
    assert await asyncio.to_thread(worker.stop) == 0, worker.tail()


async def until_consumed(
    settings: Settings,
    workers: Sequence[WorkerProcess],
    seconds: float = PATIENCE,
    *,
    topic: str = READINGS.name,
) -> None:
    """Wait until the workers' group has committed every record of a topic; they are restarted if they end."""
    partitions = [
        TopicPartition(settings.topic(topic), number) for number in range(settings.kafka.partitions)
    ]
    group = f"{settings.kafka.namespace}{settings.worker.application}"
    deadline = time.monotonic() + seconds
    async with AIOKafkaConsumer(
        **aiokafka_options(settings),
        group_id=group,
        enable_auto_commit=False,
        isolation_level="read_committed",
    ) as consumer:
        consumer.assign(partitions)
        while True:
            behind = {tp.partition: left for tp in partitions if (left := await _not_committed(consumer, tp))}
            if not behind:
                return
            if time.monotonic() > deadline:
                logs = "\n".join(f"--- {worker.name}\n{worker.tail()}" for worker in workers)
                raise AssertionError(f"{topic} is not consumed after {seconds} s, behind by {behind}\n{logs}")
            for worker in workers:
                worker.start()
            await asyncio.sleep(0.2)


async def _not_committed(consumer: AIOKafkaConsumer, tp: TopicPartition) -> int:
    """Return how far a group's commit is from the end; 0 if nothing but markers of transactions is between."""
    end = (await consumer.end_offsets([tp]))[tp]
    committed = await consumer.committed(tp) or 0
    if committed >= end:
        return 0
    consumer.seek(tp, committed)
    while await consumer.position(tp) < end:
        if await consumer.getmany(tp, timeout_ms=200, max_records=1):
            return end - committed
    return 0
