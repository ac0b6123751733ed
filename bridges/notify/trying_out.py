"""Tell targets of an alarm that is none, to see whether they answer."""

import time
from collections.abc import Iterator, Sequence

import msgspec

from bridges.notify.notify_service import outlet_of
from bridges.process.settings import Settings
from streams.errors import ConfigurationError, WeirError
from streams.records.alarm_records import Alarm
from streams.records.identity import alarm_id

_SENSOR = "weir-test"


def try_out(settings: Settings, names: Sequence[str] = ()) -> Iterator[tuple[str, str, float]]:
    """Tell targets that a test alarm stands, and that it is gone.

    Args:
        settings: With the targets.
        names: Of which; none: all.

    Returns:
        Of each its name, what is wrong (empty: nothing), and how long it took in seconds.

    Raises:
        ConfigurationError: If there is no such target, or none at all.
    """
    targets = settings.notify.targets
    if strange := sorted(set(names) - targets.keys()):
        raise ConfigurationError(f"no target {strange[0]!r}: there are {', '.join(targets) or 'none'}")
    if not targets:
        raise ConfigurationError("nobody is to be told: see docs/howto/be-told.md")
    raised = alarm_that_is_none(round(time.time(), 3))
    gone = msgspec.structs.replace(raised, number=2, event="returned", state="normal", active=False)
    for name in names or targets:
        outlet, begun, wrong = outlet_of(settings, name, targets[name]), time.monotonic(), ""
        try:
            for alarm in (raised, gone):
                for message in outlet.prepare([alarm], {}):
                    message.send()
        except WeirError as error:
            wrong = str(error)
        finally:
            outlet.close()
        yield name, wrong, time.monotonic() - begun


def alarm_that_is_none(at: float) -> Alarm:
    """Make an alarm that is none."""
    return Alarm(
        id=alarm_id(_SENSOR, "test", "limit", at).hex(), number=1, sensor_id=_SENSOR, quantity="test",
        kind="limit", severity="info", state="unacknowledged", event="raised", changed_at=at, raised_at=at,
        anomaly="", last_raised_at=at, value=1.0, expected=None, lower=None, upper=0.0, direction="above", told=True,
    )  # fmt: skip
