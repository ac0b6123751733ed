"""Which sensors a page is asked for: what its parameters choose, alike for lists of sensors, of devices, and counts."""

from collections.abc import Mapping
from typing import NamedTuple

from agents.web.queries import LONGEST_TEXT, BadRequest, read_find, read_word
from streams.device_states import DeviceState, check_states
from streams.errors import ConfigurationError
from streams.place_counts import BELONGINGS


class SensorChoice(NamedTuple):
    """Which sensors are asked for; what is empty chooses none and leaves out none.

    Args:
        prefix: What their ids begin with.
        find: What id, name, place, machine, group or a unit has to hold, in whatever case.
        states: Those in one of these states, as of the last look.
        place, machine, group: Those with just that.
        under: Those at this place, or at one below it.
        without: Those of which none of these is known: ``place``, ``machine``, ``group``.
        measures: Those that measure this quantity.
        differ: Only those of which people say something else than is announced.
    """

    prefix: str = ""
    find: str = ""
    states: frozenset[DeviceState] = frozenset()
    place: str = ""
    machine: str = ""
    group: str = ""
    under: str = ""
    without: frozenset[str] = frozenset()
    measures: str = ""
    differ: bool = False

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "SensorChoice":
        """Read it from a request's parameters.

        Raises:
            BadRequest: If there is no such state, or ``without`` or ``differ`` is something else.

        >>> SensorChoice.of({"under": "plant/hall 2", "without": "machine"}).without
        frozenset({'machine'})
        """
        without = frozenset(filter(None, query.get("without", "").split(",")))
        if strange := sorted(without - set(BELONGINGS)):
            raise BadRequest(f"without must be of {', '.join(BELONGINGS)}, got {strange[0][:LONGEST_TEXT]!r}")
        texts = {
            name: query.get(name, "")[:LONGEST_TEXT] for name in (*BELONGINGS, "prefix", "under", "measures")
        }
        differ = read_word(query, "differ", ("no", "yes")) == "yes"
        states = _read_states(query)
        return cls(find=read_find(query), states=states, without=without, differ=differ, **texts)


def _read_states(query: Mapping[str, str]) -> frozenset[DeviceState]:
    """Read which states of devices are asked for; none: all.

    Raises:
        BadRequest: If there is no such state.
    """
    states = [each for each in query.get("state", "").split(",") if each]
    try:
        check_states(states)
    except ConfigurationError as error:
        raise BadRequest(str(error)) from None
    return frozenset(map(DeviceState, states))
