"""What is wrong now, worst first: the one list that the page, ``/api/overview`` and ``weir doctor`` follow.

    loss        readings are missing, or counts do not add up         bad      somebody must act
    not_ready   a worker does not do all of its work                  bad
    store_away  MongoDB takes nothing                                 bad
    peers       workers do not answer                                 bad
    qos         the MQTT broker keeps nothing for us      warning  readings can be lost, uncounted
    unprocessable  records in which a stage or a sink failed          warning  nothing is lost, the code has a fault
    refused     messages became dead letters: many of all within the last hour, or of one topic
                                                                      warning  nothing is lost, somebody should look
    unasked     what could be readings comes on topics that nobody asks for  warning  it is nowhere
    lag         records are not worked through yet                    warning
    anomalies   anomalies are open                                    warning
    alarms      alarms stand; bad if a critical one is unacknowledged warning
    disconnected  devices whose topic says that they have gone        warning
    silent      sensors that send nothing for far longer than usual   warning
    idle_patterns  settings and rules whose patterns take no series  warning
    outdated_rules  rules by place or kind that name other sensors than the registry  warning
    ticks       ticks come further apart than workers expect          warning  what follows from them may not happen
    unknown     the bridge cannot be asked                            unknown  it may be well, or not

All is well only if the list is empty: what cannot be asked is not taken for well.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

REFUSED_SHARE = 0.01
"""Share of what has come, of all or on a topic, that may be refused without a word: a device that is being set up."""

LAG_RECORDS = 10_000
"""Records behind that are normal: about two fetches (``WEIR_WORKER__FETCH_RECORDS``, 5,000)."""

REMEDIES = {
    "loss": "look at /api/ledger and the logs: a counted loss has its reason there",
    "not_ready": "wait; if it stays, look at the process' log",
    "store_away": "start MongoDB, or look at WEIR_MONGO__URI",
    "peers": "start those workers, or look at WEIR_WEB__ADVERTISED_HOST and WEIR_WEB__PEER_SECRET",
    "qos": "allow the bridge QoS 1 at the broker, or use one that offers it",
    "unprocessable": "look at them with `weir dead-letters list --reason unprocessable`, and report the fault",
    "refused": "the reasons are explained in docs/reference/payloads.md; the messages are in the dead letters",
    "unasked": "`weir map suggest --listen 60s` says what they would be; WEIR_MQTT__NOT_WANTED names those of which "
    "nothing is wanted",
    "lag": "wait, or start more workers: docs/howto/scale.md",
    "anomalies": "look at the page: they are about what is measured, not about Weir",
    "alarms": "look at them with `weir alarms list`, and answer them",
    "silent": "look at those sensors: `weir devices list --state silent` names them, with since when",
    "disconnected": "look at those devices: `weir devices list --state disconnected` says since when and why",
    "unheard": "look at those devices: `weir devices list --state unknown` names them; take out what is gone",
    "idle_patterns": "correct them: `weir sensors` lists ids and quantities; a pattern is of sensor/quantity, and an "
    "earlier one counts first",
    "outdated_rules": "take their sensors anew with `weir rules renew`; `weir devices list` says what the registry has",
    "ticks": "give all workers the WEIR_BRIDGE__TICK_SECONDS of the bridge, and start them again",
    "findings": "look at the page of model analysis",
    "not_told": "look at the notifier's log; `weir alarms test-notify` tries each target",
    "unknown": "start what does not answer, or correct the setting that says where it is",
}
"""What to do about a condition, by its name."""

SINCE_START = "since the bridge started"
WITHIN_THE_HOUR = "within the last hour"

NAMED = 3
"""So many devices are named in a condition."""
_NEVER_SECONDS = 30 * 86_400.0


class Severity(StrEnum):
    """How bad a condition is, worst first."""

    BAD = "bad"
    WARNING = "warning"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that is not as it should be.

    Args:
        name: Which of the list above.
        severity: How bad it is.
        text: What is the case, in one line.
    """

    name: str
    severity: Severity
    text: str

    def as_json(self) -> dict[str, str]:
        """Return it as plain JSON values."""
        return {"name": self.name, "severity": self.severity.value, "text": self.text}


@dataclass(frozen=True, slots=True)
class Observed:
    """What is known of the whole system at one moment.

    Args:
        missing_records: Records that the log handed to nobody.
        lost: What was deleted from the log before it was read, in words: partition, offsets and times.
        unbalanced: Hops whose counts do not add up.
        not_ready: Worker -> why it does not do all of its work.
        store_away: Why MongoDB takes nothing; empty if it does, or is not used.
        silent_workers: Addresses of workers that do not answer.
        received: Items that the bridge has received lately; ``None``: it cannot be asked.
        refused: Reason -> how many of them became dead letters.
        lately: Since when these count, in words.
        refused_topics: How many topics are refused, and
        worst_topics: some of them, the worst first, as the bridge's ledger has them.
        unasked: How many topics of what could be readings nobody asks for, and
        unasked_of: some of them.
        unprocessable: Records that were set aside since a stage or a sink failed in them.
        at_qos_0: Topic filters for which the MQTT broker grants only QoS 0.
        bridge_silent: Why the bridge cannot be asked; empty if it answers.
        lag: Records not worked through yet; ``None``: not known.
        lag_grows: By how many a second; negative while they are caught up with; ``None``: not known yet.
        pace: Readings a second that all workers are done with, in MongoDB where it is stored; ``None``: not known yet.
        open_anomalies: Anomalies that are raised and not cleared.
        alarms: Alarms that stand, by whether somebody has to look at them: ``open`` is all of them, of these are
            ``unacknowledged`` those that nobody has acknowledged, and of those ``critical`` some.
        silent: Sensors that send nothing, and
        disconnected: devices whose topics say that they have gone (`streams.device_states`).
        unheard: Devices of the registry of which nothing has come, and
        unheard_of: some of them.
        idle_patterns: Patterns of the settings, and of rules in the log, that take no series.
        outdated_rules: Rules in the log that name other sensors than the registry of devices says now, in words.
        ticks_apart: Worker -> how far apart ticks come (seconds), and how far it expects them, where that is too far.
    """

    missing_records: int = 0
    lost: tuple[str, ...] = ()
    unbalanced: tuple[str, ...] = ()
    not_ready: Mapping[str, str] = field(default_factory=dict)
    store_away: str = ""
    silent_workers: tuple[str, ...] = ()
    received: int | None = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    lately: str = WITHIN_THE_HOUR
    refused_topics: int = 0
    worst_topics: Sequence[Mapping[str, Any]] = ()
    unasked: int = 0
    unasked_of: Sequence[str] = ()
    unprocessable: int = 0
    at_qos_0: tuple[str, ...] = ()
    bridge_silent: str = ""
    lag: int | None = 0
    lag_grows: float | None = None
    pace: float | None = None
    open_anomalies: int = 0
    alarms: Mapping[str, int] = field(default_factory=dict)
    silent: int = 0
    disconnected: int = 0
    unheard: int = 0
    unheard_of: Sequence[str] = ()
    idle_patterns: Sequence[str] = ()
    outdated_rules: Sequence[str] = ()
    ticks_apart: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def what_is_wrong(seen: Observed) -> list[Condition]:
    """List what is wrong, worst first.

    >>> [each.text for each in what_is_wrong(Observed(open_anomalies=2, store_away="connection refused"))]
    ['MongoDB: connection refused', '2 anomalies are open']
    >>> what_is_wrong(Observed())
    []
    """
    order = list(Severity)
    return sorted(_found(seen), key=lambda each: order.index(each.severity))


def _found(seen: Observed) -> Iterator[Condition]:
    if seen.missing_records:
        yield Condition("loss", Severity.BAD, f"{seen.missing_records:,} records are missing in the log")
    for each in seen.lost:
        yield Condition("loss", Severity.BAD, f"deleted from the log before it was read: {each}")
    if seen.unbalanced:
        yield Condition("loss", Severity.BAD, f"counts do not balance: {', '.join(seen.unbalanced)}")
    for worker, reason in sorted(seen.not_ready.items()):
        yield Condition("not_ready", Severity.BAD, f"{worker} is not ready: {reason}")
    if seen.store_away:
        yield Condition("store_away", Severity.BAD, f"MongoDB: {seen.store_away}")
    if seen.silent_workers:
        silent = ", ".join(seen.silent_workers)
        yield Condition(
            "peers", Severity.BAD, f"{len(seen.silent_workers)} worker(s) do not answer: {silent}"
        )
    if seen.unprocessable:
        text = f"{seen.unprocessable:,} records could not be worked on: dead letters `unprocessable` say why"
        yield Condition("unprocessable", Severity.WARNING, text)
    if seen.at_qos_0:
        yield Condition("qos", Severity.WARNING, only_qos_0(seen.at_qos_0))
    yield from _refused(seen)
    if seen.unasked:
        yield Condition("unasked", Severity.WARNING, not_asked_for(seen.unasked, seen.unasked_of))
    if seen.lag is not None and seen.lag > LAG_RECORDS:
        yield Condition("lag", Severity.WARNING, behind(seen.lag, seen.lag_grows, seen.pace))
    if seen.open_anomalies:
        noun = "anomaly is" if seen.open_anomalies == 1 else "anomalies are"
        yield Condition("anomalies", Severity.WARNING, f"{seen.open_anomalies:,} {noun} open")
    if standing := seen.alarms.get("open", 0):
        noun = "alarm stands" if standing == 1 else "alarms stand"
        severity = Severity.BAD if seen.alarms.get("critical") else Severity.WARNING
        yield Condition(
            "alarms", severity, f"{standing:,} {noun}, {seen.alarms['unacknowledged']:,} unacknowledged"
        )
    if seen.disconnected:
        noun = "device is" if seen.disconnected == 1 else "devices are"
        yield Condition("disconnected", Severity.WARNING, f"{seen.disconnected:,} {noun} disconnected")
    if seen.silent:
        noun = "sensor is" if seen.silent == 1 else "sensors are"
        yield Condition("silent", Severity.WARNING, f"{seen.silent:,} {noun} silent")
    # While much is still to be read, what they have sent may be in it.
    if seen.unheard and (seen.lag is None or seen.lag <= LAG_RECORDS):
        yield Condition("unheard", Severity.WARNING, not_heard_of(seen.unheard, seen.unheard_of))
    if seen.idle_patterns:
        yield Condition("idle_patterns", Severity.WARNING, applies_to_nothing(seen.idle_patterns))
    if seen.outdated_rules:
        yield Condition("outdated_rules", Severity.WARNING, other_sensors(seen.outdated_rules))
    for worker, (apart, expected) in sorted(seen.ticks_apart.items()):
        yield Condition("ticks", Severity.WARNING, seldom_ticks(worker, apart, expected))
    if seen.bridge_silent:
        text = f"the bridge does not answer ({seen.bridge_silent}): what it refuses or holds is not known"
        yield Condition("unknown", Severity.UNKNOWN, text)
    if seen.lag is None:
        yield Condition("unknown", Severity.UNKNOWN, "how far behind the workers are is not known")


def not_asked_for(count: int, some: Sequence[str]) -> str:
    """Say how many topics of what could be readings nobody asks for, and name the first.

    >>> not_asked_for(2, ["plc/oven-1/state"])
    '2 topics could be readings, and nobody asks for them: plc/oven-1/state …'
    """
    noun, them = ("topic", "it") if count == 1 else ("topics", "them")
    rest = " …" if count > min(len(some), NAMED) else ""
    return f"{count:,} {noun} could be readings, and nobody asks for {them}: {', '.join(some[:NAMED])}{rest}"


def not_heard_of(count: int, some: Sequence[str]) -> str:
    """Say of how many devices of the registry nothing has come, and name the first.

    >>> not_heard_of(4, ["b-1", "b-2", "b-3", "b-4"])
    '4 devices of the registry were never heard of: b-1, b-2, b-3 …'
    """
    noun = "device of the registry was" if count == 1 else "devices of the registry were"
    named = first_of(count, some)
    return f"{count:,} {noun} never heard of" + (f": {named}" if named else "")


def applies_to_nothing(patterns: Sequence[str]) -> str:
    """Say which patterns take no series.

    >>> applies_to_nothing(["boiler-*/temprature"])
    '1 pattern of settings and rules takes no series: boiler-*/temprature'
    """
    noun = (
        "pattern of settings and rules takes" if len(patterns) == 1 else "patterns of settings and rules take"
    )
    return f"{len(patterns):,} {noun} no series: {first_of(len(patterns), patterns)}"


def other_sensors(rules: Sequence[str]) -> str:
    """Say which rules in the log take other sensors than the registry of devices says.

    >>> other_sensors(["*/t @ hall 7 (2 more)"])
    '1 rule takes other sensors than the registry of devices says: */t @ hall 7 (2 more)'
    """
    noun = "rule takes" if len(rules) == 1 else "rules take"
    return f"{len(rules):,} {noun} other sensors than the registry of devices says: {first_of(len(rules), rules)}"


def seldom_ticks(worker: str, apart: float, expected: float) -> str:
    """Say what it means that ticks come more seldom than a worker expects.

    Args:
        worker: Where it is.
        apart: Seconds from one to the next.
        expected: Seconds by its settings.

    >>> seldom_ticks("http://a:3000", 60.0, 5.0)
    'ticks come every 60 s, http://a:3000 expects one every 5 s: peers may not be compared, and alarms may come late'
    """
    return (
        f"ticks come every {apart:g} s, {worker} expects one every {expected:g} s: peers may not be compared, and "
        "alarms may come late"
    )


def first_of(count: int, names: Sequence[str]) -> str:
    """Name the first of so many, and say by dots that there are more.

    >>> first_of(4, ["a", "b", "c"]), first_of(1, ["a"])
    ('a, b, c …', 'a')
    """
    return ", ".join(names[:NAMED]) + (" …" if count > NAMED else "")


def behind(records: int, grow: float | None, pace: float | None = None) -> str:
    """Say how far behind the workers are, what they sustain, and by when they will have caught up.

    Args:
        records: What is not worked through yet.
        grow: By how many that grows a second; ``None``: not known.
        pace: Readings a second that are worked through; ``None``: not known.

    >>> behind(53_000, -450.0, 4_100.0)
    '53,000 records are not worked through yet, at 4,100 readings a second: caught up in about 2 min'
    >>> behind(800_000, 300.0, 1_800.0)
    '800,000 records are not worked through yet, at 1,800 readings a second, and 300 more each second: what is there \
cannot keep up'
    """
    text = f"{records:,} records are not worked through yet"
    if pace is not None:
        text += f", at {pace:,.0f} readings a second"
    if grow is None:
        return text
    if grow < 0 and (seconds := records / -grow) < _NEVER_SECONDS:
        return f"{text}: caught up in about {_about(seconds)}"
    return f"{text}, and {max(0.0, grow):,.0f} more each second: what is there cannot keep up"


def _about(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"


def only_qos_0(filters: Sequence[str]) -> str:
    """Say what it means that a broker grants only QoS 0.

    >>> only_qos_0(["sensors/#"])
    'readings can be lost: the MQTT broker grants QoS 0 for sensors/#'
    """
    return f"readings can be lost: the MQTT broker grants QoS 0 for {', '.join(filters)}"


def _refused(seen: Observed) -> Iterator[Condition]:
    """Tell of refused messages once they are more than a trifle, by reason, and of topics that are refused."""
    refused = sum(seen.refused.values())
    if seen.received and refused > REFUSED_SHARE * seen.received:
        reasons = sorted(seen.refused.items(), key=lambda each: (-each[1], each[0]))
        told = ", ".join(f"{count:,} {reason}" for reason, count in reasons if count)
        share = f"{100 * refused / seen.received:.0f} % of what came {seen.lately} is refused"
        yield Condition("refused", Severity.WARNING, f"{share}: {told}")
    if seen.refused_topics:
        told = ", ".join(
            f"{each['topic']} ({each['refused']:,} of {each['received']:,}, {each['reason']})"
            for each in seen.worst_topics[:NAMED]
        )
        noun = "1 topic" if seen.refused_topics == 1 else f"{seen.refused_topics:,} topics"
        yield Condition("refused", Severity.WARNING, f"messages of {noun} are refused: {told}")
