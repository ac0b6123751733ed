"""Limits on a page, as plain values: those in force, and of those that are tried what concerns peers."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from agents.views.history_pages import AskedHistory
from agents.web.queries import Json
from bridges.mongo.mongo_sink import MongoSink
from bridges.rules.peers_tried import try_peers
from streams.backtest.intervals import Interval
from streams.detection.log_rules import PartitionRules, rules_of
from streams.records.identity import event_ms, event_seconds
from streams.records.rule_parts import AppliedRule
from streams.rules.limit_trial import SeriesLoad
from streams.rules.peer_windows import AmongPeers, PeersTried
from streams.rules.rule_changes import peers_for
from streams.rules.rule_set import OTHERS
from streams.rules.rules_report import described_limits

if TYPE_CHECKING:
    from agents.app import WorkerApp

_Found = tuple[SeriesLoad, list[Interval]]
_OF_GROUP = "limits of "


async def peers_tried(
    app: "WorkerApp", mongo: MongoSink, asked: AskedHistory, sections: Iterable[Json]
) -> PeersTried | None:
    """Try the limits of peers of a series, by several sections ``detection``; ``None`` if none compares it.

    Args:
        app: The worker.
        mongo: Where MongoDB is.
        asked: The series and the range.
        sections: Of all series.
    """
    settings = app.settings
    compared = [AmongPeers(asked.sensor, asked.quantity, each) for each in sections]
    return await try_peers(
        mongo, compared, settings.alarms.rules(), settings.windows.policy(), asked.since, asked.until
    )


def with_peers(found: _Found, peers: _Found | None) -> _Found:
    """Put what limits of peers have found to what other limits of the series have.

    Args:
        found, peers: What the limits asked of people, and the anomalies, by raise.
    """
    load, intervals = found
    if peers is None:
        return load, intervals
    load.put_to(peers[0])
    return load, sorted((*intervals, *peers[1]), key=lambda each: each.raised_at)


def told_peers(tried: PeersTried, step: float) -> Json:
    """Return who the peers are, and how far the series was from their median, as plain values.

    Args:
        tried: Limits over what is known of the group.
        step: Seconds of a point.
    """
    trial = next((each for each in tried.trials if each.compared.group), tried.trials[0])
    points: dict[int, list[float]] = {}
    for end_ms, away in tried.away.items():
        points.setdefault((end_ms - 1) // event_ms(step), []).append(away)
    return {
        "group": trial.compared.group.removeprefix(_OF_GROUP),
        "members": len(trial.compared.among(tried.hours.spans)),
        "judged": trial.judged,
        "few": trial.few,
        "hours": len(tried.hours.starts()),
        "hours_read": len(tried.read),
        "hours_rough": len(tried.rough),
        "columns": ["at", "mean", "least", "greatest"],
        "points": [
            [event_seconds(place * event_ms(step)), sum(each) / len(each), min(each), max(each)]
            for place, each in sorted(points.items())
        ],
    }


def why_of_peers(tried: PeersTried) -> Iterator[str]:
    """Say why the comparison of workers may have raised something else."""
    trial = tried.trials[0]
    if not trial.compared.group:
        return
    if tried.rough:
        yield (
            f"of {len(tried.rough):,} of {len(tried.hours.starts()):,} hours the means of each member were compared, "
            "since these are too many windows, or windows are deleted: what lasted less than an hour may not show"
        )
    else:
        yield (
            "the mean of each window that may be beyond was compared with the median of its peers, as MongoDB has "
            "them: what came late counts as if it had not; windows that are still open are left out"
        )
    if trial.few and not trial.judged:
        yield (
            "never were there three others among these peers "
            f"({trial.compared.group.removeprefix(_OF_GROUP)}): nothing can be raised"
        )
    elif trial.few:
        yield f"{trial.few:,} windows had fewer than three others: in them nothing is raised or ended"


def limits_in_force(app: "WorkerApp", sensor_id: str, quantities: list[str]) -> Json:
    """Return the limits of a sensor's series and the rule that sets them, by quantity; of those that have any.

    Args:
        app: The worker.
        sensor_id, quantities: The series, of this worker.
    """
    plan, rules = app.settings.detection.plan(), applied_rules(app)
    found: Json = {}
    for quantity in quantities:
        applied = None if rules is None else rules.rule_of(sensor_id, quantity)
        if rules is not None and applied is not None:
            if applied[1] is None:
                continue
            origin = rules.change.origin
            found[quantity] = {"rule": applied[0], **described_limits(applied[1]), "applied": origin}
        elif (limits := plan.config_for(sensor_id, quantity).limits) is not None:
            rule = plan.pattern_for(sensor_id, quantity) or OTHERS
            found[quantity] = {"rule": rule, **described_limits(limits)}
    return found


def applied_rules(app: "WorkerApp") -> PartitionRules | None:
    """Return the rules that were applied last, as far as this worker's partitions have come to them."""
    if app.models is None:
        return None
    found = (rules_of(app.models.rows.get(partition, {})) for partition in app.owned_partitions())
    return max((each for each in found if each is not None), key=lambda each: each.change.at, default=None)


def rules_before(app: "WorkerApp") -> list[AppliedRule]:
    """Return the rules in force, those of settings aside."""
    rules = applied_rules(app)
    return [] if rules is None else rules.change.rules


def peers_by(app: "WorkerApp", sensor_id: str, quantities: Iterable[str]) -> dict[str, str]:
    """Return who the peers of a sensor's series are, by quantity, as ``peers_of`` says it; of those that have any.

    Args:
        app: The worker.
        sensor_id, quantities: The series.
    """
    plan, before = app.settings.detection.plan(), rules_before(app)
    found = {each: peers_for(sensor_id, each, before, plan) for each in quantities}
    return {quantity: peers_of for quantity, peers_of in found.items() if peers_of}
