"""Examine this machine: the ports of our own processes, and room on the disk."""

import shutil
from pathlib import Path

from bridges.doctor.diagnosis import Diagnoses, Diagnosis, failure, judged, ok
from bridges.process.ports import port_taken
from bridges.process.settings import Settings
from bridges.stack import probes

BYTES_A_READING = 60  # in Kafka, lz4, batches of a bridge at work; measured with the simulator
GIGABYTE = 1e9
LEAST_FREE_BYTES = 2 * GIGABYTE


def examine_machine(settings: Settings, data: Path, rate: float) -> Diagnoses:
    """Return what is found.

    Args:
        settings: All settings.
        data: A folder on the disk that is used.
        rate: Readings a second that come.
    """
    return [
        _port(
            "bridge", settings.bridge.metrics_host, settings.bridge.metrics_port, "WEIR_BRIDGE__METRICS_PORT"
        ),
        _port("analysis", settings.analysis.host, settings.analysis.port, "WEIR_ANALYSIS__PORT"),
        _port("worker", settings.web.host, settings.web.port, "WEIR_WEB__PORT"),
        _disk(settings, data, rate),
    ]


def _port(name: str, host: str, port: int, variable: str) -> Diagnosis:
    what, where = f"port of {name}", f"{host}:{port}"
    if not port or not port_taken(port, host):
        return ok(what, f"{where} is free")
    reason = probes.why_process_not_ready(where)
    if not reason:
        return ok(what, f"{where} is used by a {name} that is ready")
    found = f"{where} is taken by something that is not a ready {name} ({reason})"
    return failure(what, found, f"stop that program, or choose another port with {variable}")


def _disk(settings: Settings, data: Path, rate: float) -> Diagnosis:
    place = next(folder for folder in (data, *data.resolve().parents) if folder.exists())
    free = shutil.disk_usage(place).free
    needed = rate * settings.kafka.retention_days * 86_400 * BYTES_A_READING
    found = (
        f"{free / GIGABYTE:,.0f} GB free; readings take about {needed / GIGABYTE:,.1f} GB"
        f" in {settings.kafka.retention_days:g} days at {rate:,.0f}/s"
    )
    enough = free > max(needed, LEAST_FREE_BYTES)
    return judged(enough, "disk", found, "make room, or lower WEIR_KAFKA__RETENTION_DAYS")
