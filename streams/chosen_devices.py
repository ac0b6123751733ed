"""The sensors of a place, machine, group or kind, as the registry of devices says: for rules and for planned work."""

from collections.abc import Callable, Collection, Iterable, Mapping
from fnmatch import fnmatchcase

from streams.device_states import levels_of
from streams.errors import ConfigurationError
from streams.records.types import Device

NearNames = Callable[[str, Collection[str]], str]
"""Returns a question that names what is near a name that does not exist; empty if nothing is."""


def sensors_with(asked: Mapping[str, str], devices: Iterable[Device]) -> tuple[str, ...]:
    """Return the sensors of which the registry says all that is asked, in order.

    Args:
        asked: Some of `DEVICE_FIELDS`, each with ``*``, ``?`` and ``[...]``; a place has those below it.
        devices: The registry.

    >>> hall = [Device("a", 0.0, place="plant / hall 7/line 2"), Device("b", 0.0, place="plant/hall 70")]
    >>> sensors_with({"place": "plant/hall 7"}, hall), sensors_with({"place": "*/hall 7*"}, hall)
    (('a',), ('a', 'b'))
    """
    tests = [(name, levels_of(text) if name == "place" else (text,)) for name, text in asked.items()]
    return tuple(
        sorted(
            device.sensor_id for device in devices if all(_is_so(device, name, text) for name, text in tests)
        )
    )


def sensors_chosen(asked: Mapping[str, str], devices: Collection[Device], near: NearNames) -> tuple[str, ...]:
    """Return the sensors of which the registry says all that is asked, in order; there is one at least.

    Args:
        asked, devices: As for `sensors_with`.
        near: Finds near names.

    Raises:
        ConfigurationError: If no device is so, with what is near.
    """
    if sensors := sensors_with(asked, devices):
        return sensors
    for name, text in asked.items():
        if not sensors_with({name: text}, devices):
            names = {said for device in devices if (said := getattr(device, name))}
            raise ConfigurationError(
                f"no device has {name} {text!r} in the registry.{near(text, names)} (weir devices list)"
            )
    words = " and ".join(f"{name} {text!r}" for name, text in asked.items())
    raise ConfigurationError(f"no device has {words} in the registry (weir devices list)")


def _is_so(device: Device, name: str, wanted: tuple[str, ...]) -> bool:
    said = levels_of(device.place) if name == "place" else (getattr(device, name),)
    return len(said) >= len(wanted) and all(map(fnmatchcase, said, wanted))
