"""How a message about alarms is written for those who are told: plain values, to be sent as JSON.

    slack, teams, ntfy   one message for people: the first alarms listed, the others counted
    webhook              for programs: every change with all its fields, so many in a message
    alertmanager         the same, as alerts of its own
    pagerduty            an event for each alarm listed, with the alarm's id as the key, and one for the others

So 10,000 alarms at once are a bounded number of messages of bounded size.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from streams.alarms.incidents import Incident
from streams.alarms.life import ESCALATED
from streams.alarms.routing import STANDING_EVENTS, change_id, message_id
from streams.alarms.wording import (
    alarm_sentence,
    escalation_words,
    incident_sentence,
    incident_title,
    title_of,
)
from streams.records.alarm_records import Alarm
from streams.records.types import LATEST
from streams.signals.wire import iso

Labels = Callable[[str], str]
Message = tuple[Sequence[Alarm], Any]
"""What a message is about, and what JSON holds of it."""

BATCH: Final = 100
"""Changes in one message for programs."""
# An Alertmanager takes an alert for over when it has not been told of it again for a while, unless it says until when.
_YEAR_SECONDS: Final = 365 * 86_400.0
_SUMMARY_CHARACTERS: Final = 1000  # PagerDuty takes 1024
_WORST: Final = ("critical", "warning", "info")
_SIGNS: Final = {"critical": "🔴", "warning": "🟠", "info": "🔵"}
_OVER: Final = "🟢"


def no_labels(_: str) -> str:
    """Know no sensor by another name than its id."""
    return ""


@dataclass(frozen=True, slots=True)
class Told:
    """What a template is given.

    Args:
        alarms: Changes, in order; at least one.
        listed: How many a message for people lists.
        key: The routing key of PagerDuty, or the topic of ntfy.
        labels: What people call a sensor, by its id; empty where it has no name.
        incidents: By the id of a change: the incident that it is told as.
    """

    alarms: Sequence[Alarm]
    listed: int
    key: str = ""
    labels: Labels = no_labels
    incidents: Mapping[str, Incident] = field(default_factory=dict)

    def incident(self, alarm: Alarm) -> Incident | None:
        """Return the incident that a change is told as; ``None`` if it is told as itself."""
        return self.incidents.get(change_id(alarm))

    def title_of(self, alarm: Alarm) -> str:
        """Name an alarm, or its incident, in a few words."""
        if (incident := self.incident(alarm)) is not None:
            return incident_title(incident)
        return title_of(alarm, self.labels(alarm.sensor_id))

    def sentence(self, alarm: Alarm) -> str:
        """Say what is known of an alarm, or of its incident."""
        if (incident := self.incident(alarm)) is not None:
            stands = alarm.event in STANDING_EVENTS
            words = escalation_words(alarm) if alarm.event == ESCALATED else []
            return " ".join([incident_sentence(incident, self.labels, self.listed, stands=stands), *words])
        return alarm_sentence(alarm, self.labels(alarm.sensor_id))

    def plain(self, alarm: Alarm) -> dict[str, Any]:
        """Return an alarm as plain values."""
        incident = self.incident(alarm)
        return {
            **as_plain(alarm, self.labels(alarm.sensor_id)),
            "title": self.title_of(alarm),
            "summary": self.sentence(alarm),
            "incident": None if incident is None else incident.plain(),
        }

    def severity_of(self, alarm: Alarm) -> str:
        """How severe it is, or its incident."""
        incident = self.incident(alarm)
        return alarm.severity if incident is None else incident.severity

    @property
    def severity(self) -> str:
        """The worst of those that stand; ``info`` if none does."""
        standing = {self.severity_of(each) for each in self.alarms if each.event in STANDING_EVENTS}
        return next((each for each in _WORST if each in standing), "info")

    def title(self) -> str:
        """Say in one line how many of what there are."""
        if len(self.alarms) == 1:
            alarm = self.alarms[0]
            word = self.severity_of(alarm) if alarm.event in STANDING_EVENTS else "back to normal"
            word += ", not acknowledged" if alarm.event == ESCALATED else ""
            return f"{word}: {self.title_of(alarm)}"
        raised = Counter(self.severity_of(each) for each in self.alarms if each.event in STANDING_EVENTS)
        returned = sum(each.event == "returned" for each in self.alarms)
        parts = [f"{raised[each]:,} {each}" for each in _WORST if raised[each]]
        parts += [f"{returned:,} back to normal"] if returned else []
        return f"{len(self.alarms):,} changes of alarms: {', '.join(parts)}"

    def lines(self) -> list[str]:
        """Return a line for each alarm that is listed, and one that counts the others."""
        shown = [f"{self._sign(each)} {self.sentence(each)}" for each in self.alarms[: self.listed]]
        others = len(self.alarms) - len(shown)
        return [*shown, f"… and {others:,} more"] if others else shown

    def _sign(self, alarm: Alarm) -> str:
        return _SIGNS[self.severity_of(alarm)] if alarm.event in STANDING_EVENTS else _OVER


def as_plain(alarm: Alarm, label: str = "") -> dict[str, Any]:
    """Return an alarm as plain values, all of them, with a sentence for people.

    Args:
        alarm: Any of its records.
        label: What people call the sensor.
    """
    # A record leaves out what has its default; whoever reads a message may ask for any field.
    return {
        **msgspec.structs.asdict(alarm),
        "title": title_of(alarm, label),
        "summary": alarm_sentence(alarm, label),
    }


def _webhook(told: Told) -> Iterator[Message]:
    for part in _batches(told.alarms):
        yield part, {"version": 1, "id": message_id(part), "alarms": [told.plain(each) for each in part]}


def _slack(told: Told) -> Iterator[Message]:
    text = "\n".join([f"*{_escaped(told.title())}*", *map(_escaped, told.lines())])
    yield told.alarms, {"text": text}


def _escaped(text: str) -> str:
    # Slack reads <!channel> and <@user> in what a sensor is called, too.
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _teams(told: Told) -> Iterator[Message]:
    blocks = [{"type": "TextBlock", "text": told.title(), "weight": "Bolder", "wrap": True}]
    blocks += [{"type": "TextBlock", "text": line, "wrap": True} for line in told.lines()]
    card = {"type": "AdaptiveCard", "version": "1.4", "body": blocks}
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    yield told.alarms, {"type": "message", "attachments": [attachment]}


def _ntfy(told: Told) -> Iterator[Message]:
    priorities = {"critical": 5, "warning": 4, "info": 3}
    body = {
        "topic": told.key,
        "title": told.title(),
        "message": "\n".join(told.lines()),
        "priority": priorities[told.severity],
        "tags": ["weir", told.severity],
    }
    yield told.alarms, body


def _alertmanager(told: Told) -> Iterator[Message]:
    for part in _batches(told.alarms):
        yield part, [_alert(told, each) for each in part]


def _alert(told: Told, alarm: Alarm) -> Any:
    stands = alarm.event in STANDING_EVENTS
    labels = {
        "alertname": f"weir_{alarm.kind}", "sensor": alarm.sensor_id, "quantity": alarm.quantity,
        "severity": alarm.severity, "alarm": alarm.id,
    }  # fmt: skip
    return {
        "labels": labels,
        "annotations": {"summary": told.title_of(alarm), "description": told.sentence(alarm)},
        "startsAt": iso(alarm.raised_at),
        "endsAt": iso(min(alarm.changed_at + _YEAR_SECONDS, LATEST) if stands else alarm.changed_at),
    }


def _pagerduty(told: Told) -> Iterator[Message]:
    for alarm in told.alarms[: told.listed]:
        yield [alarm], (event := _event(told, [alarm], told.sentence(alarm)))
        if event["event_action"] == "resolve" and event["dedup_key"] != alarm.id:
            # The one whose return ends an incident may have a page of its own; where it has none, nothing comes of it.
            yield [], {**event, "dedup_key": alarm.id}
    if others := told.alarms[told.listed :]:
        yield others, _event(told, others, replace(told, alarms=others).title())


def _event(told: Told, alarms: Sequence[Alarm], summary: str) -> Any:
    first = alarms[0]
    stands = any(each.event in STANDING_EVENTS for each in alarms)
    incident = told.incident(first)
    event = {
        "routing_key": told.key,
        "event_action": "trigger" if stands else "resolve",
        # An incident has the id of its first alarm: it goes on with that one's page.
        "dedup_key": message_id(alarms) if len(alarms) > 1 else first.id if incident is None else incident.id,
    }
    payload = {
        "summary": summary[:_SUMMARY_CHARACTERS], "source": first.sensor_id, "component": first.quantity,
        "severity": replace(told, alarms=alarms).severity, "timestamp": iso(first.raised_at),
        "custom_details": {"alarms": len(alarms), "first": told.plain(first)},
    }  # fmt: skip
    return {**event, "payload": payload}


def _batches(alarms: Sequence[Alarm]) -> Iterator[Sequence[Alarm]]:
    return (alarms[begin : begin + BATCH] for begin in range(0, len(alarms), BATCH))


TEMPLATES: Final[Mapping[str, Callable[[Told], Iterator[Message]]]] = {
    "webhook": _webhook,
    "slack": _slack,
    "teams": _teams,
    "pagerduty": _pagerduty,
    "alertmanager": _alertmanager,
    "ntfy": _ntfy,
}
"""How each format of the settings is written: the messages of a group, in order."""
