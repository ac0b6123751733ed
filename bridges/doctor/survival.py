"""How long each part may be away before something is lost, from limits that are known.

sensors ─▶ MQTT: queue of the bridge's session ─▶ Kafka: retention of topics ─▶ MongoDB
           bridge or Kafka away                   worker or MongoDB away
"""

from dataclasses import dataclass

from bridges.doctor.diagnosis import Diagnoses, Diagnosis, ok, warning

HOUR = 3600.0
DAY = 24 * HOUR
SHORT_SECONDS = 10 * 60.0


@dataclass(frozen=True)
class OutageBounds:
    """What bounds the outages; ``None`` where it could not be found out.

    Args:
        rate: Readings a second that come.
        queued_messages: Messages that the MQTT broker keeps for a bridge that is away; 0 for no limit.
        session_seconds: How long it keeps the bridge's session.
        keeps_nothing: Whether it grants only QoS 0 for some filter, and so keeps nothing of that.
        broker_keeps: Whether the queue outlives a restart of the MQTT broker.
        readings_seconds: Retention of `readings`; negative for ever.
        results_seconds: Shortest retention of the topics that are stored in MongoDB; negative for ever.
    """

    rate: float
    queued_messages: int | None = None
    session_seconds: float | None = None
    keeps_nothing: bool = False
    broker_keeps: bool | None = None
    readings_seconds: float | None = None
    results_seconds: float | None = None


def outages(limits: OutageBounds) -> Diagnoses:
    """Return what may be away for how long."""
    findings = [_bridge(limits)]
    if limits.broker_keeps is False:
        findings.append(
            warning(
                "MQTT broker restarted",
                "what it had queued for the bridge is lost",
                "use a broker that keeps sessions on disk, such as mosquitto with persistence",
            )
        )
    for what, seconds, variable in (
        ("worker away", limits.readings_seconds, "WEIR_KAFKA__RETENTION_DAYS"),
        ("MongoDB away", limits.results_seconds, "the retention of the topics that are stored"),
    ):
        if seconds is not None:
            findings.append(_by_retention(what, seconds, variable))
    return findings


def _bridge(limits: OutageBounds) -> Diagnosis:
    what = "bridge or Kafka away"
    if limits.keeps_nothing:
        found = "what comes meanwhile is lost: at QoS 0 the MQTT broker keeps nothing for the bridge"
        return warning(what, found, "allow the bridge QoS 1, or use a broker that has it")
    if limits.queued_messages is None:
        return warning(
            what,
            "the MQTT broker does not say how many messages it keeps for the bridge",
            "look up its limit (mosquitto: max_queued_messages, 1,000 by default) and divide it by your rate",
        )
    bounds = [
        (limits.queued_messages / limits.rate, f"{limits.queued_messages:,} queued at {limits.rate:,.0f}/s")
        if limits.queued_messages
        else None,
        (limits.session_seconds, "then the session ends") if limits.session_seconds is not None else None,
    ]
    known = [bound for bound in bounds if bound is not None]
    if not known:
        return ok(what, "nothing is lost as long as the MQTT broker's disk has room")
    seconds, because = min(known)
    found = f"nothing is lost for {duration_at_least(seconds)} ({because})"
    if seconds >= SHORT_SECONDS:
        return ok(what, found)
    return warning(what, found, "raise max_queued_messages of the MQTT broker, or the session's expiry")


def _by_retention(what: str, seconds: float, variable: str) -> Diagnosis:
    if seconds < 0:
        return ok(what, "nothing is lost: the records are kept for ever")
    found = f"nothing is lost for {duration_at_least(seconds)} (retention)"
    return ok(what, found) if seconds >= DAY else warning(what, found, f"raise {variable}")


def duration_at_least(seconds: float) -> str:
    """Return a duration as people say it, rounded down.

    >>> duration_at_least(45), duration_at_least(200), duration_at_least(20_000), duration_at_least(30 * 86_400)
    ('45 s', '3 min', '5 h', '30 days')
    """
    for unit, length in (("days", DAY), ("h", HOUR), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{int(seconds // length):,} {unit}"
    return f"{int(seconds)} s"
