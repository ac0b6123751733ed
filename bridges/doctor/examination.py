"""The whole examination, in the order in which it is read."""

from pathlib import Path

from bridges.doctor import kafka_check as kafka
from bridges.doctor import machine_check as local
from bridges.doctor import mongo_check as mongo
from bridges.doctor import mqtt_check as mqtt
from bridges.doctor import notify_check as notify
from bridges.doctor import offsets_check as offsets
from bridges.doctor import running_check as running
from bridges.doctor.diagnosis import Diagnoses, Diagnosis, failure, ok
from bridges.doctor.survival import OutageBounds, outages
from bridges.process import settings as all_settings
from bridges.process.settings import Settings
from bridges.stack.environment import local_environment
from streams.errors import ConfigurationError


def examine(data: Path, rate: float | None = None) -> Diagnoses:
    """Return all findings; never raises for what it examines.

    Args:
        data: Data folder of a local stack; while one runs there, its addresses are used where the settings name
            none.
        rate: Readings a second; by default what the settings make the simulator send.
    """
    with local_environment(data) as used:
        try:
            settings = all_settings.load()
        except ConfigurationError as error:
            return [failure("settings", str(error), "correct the variable or the file")]
        return _examine(settings, data, used, rate)


def _examine(settings: Settings, data: Path, used: set[str], rate: float | None) -> Diagnoses:
    simulator = settings.simulator
    rate = rate or simulator.sensors * simulator.rate * simulator.speed
    findings: Diagnoses = [ok("settings", "every name and value is known")]
    if used:
        findings.append(_local(data, used))
    findings += local.examine_machine(settings, data, rate)
    kafka_findings, kept = kafka.examine_kafka(settings)
    mqtt_findings, session = mqtt.examine_mqtt(settings, data if "WEIR_MQTT__HOST" in used else None)
    findings += [*kafka_findings, *mqtt_findings, *mongo.examine_mongo(settings)]
    if not kafka_findings[0].remedy:
        findings += offsets.examine_offsets(settings)
    findings += running.examine_running(settings)
    findings += notify.examine_targets(settings)
    if kafka_findings[0].remedy or mqtt_findings[0].remedy:
        return findings  # nothing to say about outages of what is not there
    return [*findings, *outages(OutageBounds(rate=rate, **kept, **session))]


def _local(data: Path, used: set[str]) -> Diagnosis:
    names = sorted({name.removeprefix("WEIR_").partition("__")[0].lower() for name in used})
    return ok("local stack", f"weir up runs on {data.resolve()}: {', '.join(names)} are its own")
