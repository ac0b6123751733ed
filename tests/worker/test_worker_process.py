"""The worker as a process: it starts with one sentence or wholly, and ends within a stated time, whatever is away."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from agents.lane.faust.lane_worker import STOP_SECONDS
from bridges.stack.child_process import free_port
from bridges.stack.kafka_server import KafkaServer
from tests.support.patience import PATIENCE
from tests.support.worker_process import WorkerProcess, environment, until_ready

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("command", "setting"),
    [
        ("worker", "WEIR_WEB__PORT"),
        ("analysis", "WEIR_ANALYSIS__PORT"),
        ("bridge", "WEIR_BRIDGE__METRICS_PORT"),
    ],
)
def test_a_process_whose_port_is_taken_names_port_and_setting_and_ends(
    tmp_path: Path, command: str, setting: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "agents", command],
            env=environment({setting: str(port), "WEIR_KAFKA__BROKERS": f"127.0.0.1:{free_port()}"}),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 2, done.stderr
    assert f"cannot listen on port {port} of 127.0.0.1" in done.stderr
    assert setting in done.stderr
    assert "Traceback" not in done.stderr


def test_kafka_away_at_the_start_is_one_sentence(tmp_path: Path) -> None:
    away = f"127.0.0.1:{free_port()}"
    done = subprocess.run(
        [sys.executable, "-m", "agents", "worker"],
        env=environment({"WEIR_WEB__PORT": str(free_port()), "WEIR_KAFKA__BROKERS": away}),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert f"Kafka cannot be reached at {away}" in done.stderr
    assert "Traceback" not in done.stderr


def without_sinks(brokers: str, namespace: str) -> dict[str, str]:
    """Return the settings of a worker that needs nothing but Kafka.

    Args:
        brokers: ``host:port``.
        namespace: What its topics begin with.
    """
    return {
        "WEIR_KAFKA__BROKERS": brokers,
        "WEIR_KAFKA__NAMESPACE": namespace,
        "WEIR_WORKER__SINKS": "false",
    }


class FaustProcess(WorkerProcess):
    """``faust -A agents.app:app worker --web-port``, as any Faust worker is started."""

    def start(self) -> None:
        """Start it, with the port as an option alone."""
        settings = {
            name: value
            for name, value in self._settings.items()
            if name not in ("WEIR_WEB__PORT", "WEIR_WORKER__INSTANCE")
        }
        program = [sys.executable, "-m", "faust", "-A", "agents.app:app", "worker"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*program, "--web-port", str(self.port)],
                env=environment(settings) | {"PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


async def test_workers_that_faust_starts_on_ports_of_their_own_share_the_partitions(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    settings = without_sinks(kafka, topic_prefix)
    workers = [FaustProcess(settings, tmp_path, name) for name in ("one", "two")]
    try:
        for worker in workers:
            worker.start()
            await until_ready([worker])
        await until_ready(workers)
        deadline = time.monotonic() + PATIENCE
        while len(found := workers[0].ledger().get("workers", [])) < 2:
            assert time.monotonic() < deadline, f"one worker knows of {found}\n{workers[1].tail()}"
        assert [worker.stop() for worker in workers] == [0, 0]
    finally:
        for worker in workers:
            worker.kill()


async def test_a_worker_ends_when_told_to_although_kafka_and_mongodb_are_gone(
    stack_dir: Path, topic_prefix: str, tmp_path: Path
) -> None:
    kafka = KafkaServer(stack_dir, say=print)
    kafka.start()
    settings = {
        "WEIR_KAFKA__BROKERS": kafka.address,
        "WEIR_KAFKA__NAMESPACE": topic_prefix,
        "WEIR_MONGO__URI": f"mongodb://127.0.0.1:{free_port()}",
    }
    worker = WorkerProcess(settings, tmp_path, "one")
    try:
        worker.start()
        deadline = time.monotonic() + PATIENCE
        while not worker.ledger():
            assert time.monotonic() < deadline, worker.tail()
        kafka.kill()
        asked = time.monotonic()
        worker.signal(signal.SIGTERM)
        worker.wait(STOP_SECONDS + 6)
        assert time.monotonic() - asked < STOP_SECONDS + 6
        assert worker.log.stat().st_size < 200_000, worker.tail()
    finally:
        worker.kill()
        kafka.stop()


async def test_a_second_signal_ends_a_worker_at_once(
    stack_dir: Path, topic_prefix: str, tmp_path: Path
) -> None:
    kafka = KafkaServer(stack_dir, say=print)
    kafka.start()
    settings = without_sinks(kafka.address, topic_prefix)
    worker = WorkerProcess(settings, tmp_path, "one")
    try:
        worker.start()
        await until_ready([worker])
        assert kafka.pid is not None
        os.kill(kafka.pid, signal.SIGSTOP)  # it neither answers nor refuses: the goodbye waits
        worker.signal(signal.SIGTERM)
        deadline = time.monotonic() + 5
        while b"Signal received" not in worker.log.read_bytes() and time.monotonic() < deadline:
            if not worker.running:
                break
        worker.signal(signal.SIGTERM)
        assert worker.wait(5) in (0, 128 + signal.SIGTERM)
    finally:
        worker.kill()
        kafka.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_still_prepares_ends_at_once_when_told_to(
    tmp_path: Path, number: signal.Signals
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and answers nothing
        settings = {"WEIR_KAFKA__BROKERS": f"127.0.0.1:{silent.getsockname()[1]}"}
        worker = WorkerProcess(settings, tmp_path, "one")
        try:
            worker.start()
            silent.settimeout(60)
            kept, _ = silent.accept()
            with kept:
                time.sleep(0.2)
                worker.signal(number)
                assert worker.wait(5) == 128 + number, worker.tail()
            assert "Traceback" not in worker.log.read_text()
        finally:
            worker.kill()


LATE_THREAD = """
import asyncio, os, signal, sys
from agents.cli import main
from agents.lane.faust.thread import CommittedConsumerThread

serve = CommittedConsumerThread._serve

async def serve_late(thread):
    os.kill(os.getpid(), signal.SIGTERM)
    while not thread.consumer.should_stop:
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.5)
    await serve(thread)

CommittedConsumerThread._serve = serve_late
sys.argv = ["weir", "worker"]
main()
"""
"""A worker that is told to stop when its consumer's thread is there and has not begun; it begins after all others
have stopped."""


def test_a_worker_that_is_told_to_stop_before_its_consumers_thread_begins_ends_cleanly(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    settings = without_sinks(kafka, topic_prefix) | {"WEIR_WEB__PORT": str(free_port())}
    done = subprocess.run(
        [sys.executable, "-c", LATE_THREAD],
        env=environment(settings), cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "stop.given_up" not in done.stdout + done.stderr


@pytest.mark.parametrize("seconds", [0.0, 0.3, 0.8, 1.5])
def test_a_worker_that_is_not_ready_yet_ends_cleanly_when_told_to(
    kafka: str, topic_prefix: str, tmp_path: Path, seconds: float
) -> None:
    settings = without_sinks(kafka, topic_prefix)
    worker = WorkerProcess(settings, tmp_path, "one")
    try:
        worker.start()
        deadline = time.monotonic() + PATIENCE
        while "Starting..." not in worker.log.read_text(errors="replace"):
            assert worker.running, worker.tail()
            assert time.monotonic() < deadline, worker.tail()
            time.sleep(0.02)
        time.sleep(seconds)
        worker.signal(signal.SIGTERM)
        assert worker.wait(STOP_SECONDS + 6) == 0, worker.tail()
        assert "Traceback" not in worker.log.read_text(errors="replace")
        # The leader of a new group may not know the changelogs yet: a worker says so, and is started again.
        while '"ready":true' not in health(worker):
            assert time.monotonic() < deadline, worker.tail()
            worker.start()
            time.sleep(0.2)
    finally:
        worker.kill()


def health(worker: WorkerProcess) -> str:
    """Return what a worker says of itself; empty if it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/health/ready", timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""
