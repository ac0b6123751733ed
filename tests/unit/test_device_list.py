"""The list of devices, the worst first: page by page it has each once, and a choice leaves out the others."""

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agents.views.sensor_choice import SensorChoice
from agents.views.watching.device_watch import DeviceWatch
from agents.views.watching.ranked import Ranked
from bridges.process.settings import Settings
from streams.device_states import DeviceState, Whereabouts
from streams.records.types import Announcement, Device


def watch_of(states: dict[str, DeviceState], *said: Device) -> DeviceWatch:
    """Return a watch that has looked at devices."""
    app: Any = SimpleNamespace(settings=Settings())
    watch = DeviceWatch(app)
    watch.told = {key: Whereabouts(states[key]) for key in sorted(states)}
    watch.in_state = {each: [key for key in watch.told if states[key] is each] for each in DeviceState}
    for record in said:
        watch.devices.take(record)
    return watch


@given(
    states=st.dictionaries(st.text("ab", min_size=1, max_size=4), st.sampled_from(DeviceState), max_size=12),
    limit=st.integers(1, 5),
)
def test_page_by_page_each_device_comes_once_the_worst_first(
    states: dict[str, DeviceState], limit: int
) -> None:
    watch, found, after = watch_of(states), list[str](), Ranked.read("")
    while True:
        page = watch.worst_page(after, limit, SensorChoice())
        found += [key for key, _ in page.rows]
        if not page.more:
            break
        key, row = page.rows[-1]
        after = Ranked.read(Ranked(row["rank"], key).written)
    order = list(DeviceState)
    assert found == sorted(states, key=lambda key: (order.index(states[key]), key))


def test_a_choice_of_what_differs_has_only_devices_that_are_announced_otherwise() -> None:
    states = dict.fromkeys(("a", "b", "c"), DeviceState.ONLINE)
    watch = watch_of(
        states,
        Device("a", 1.0, place="hall 1"),
        Announcement("a", 2.0, place="Attic", source="homie"),
        Announcement("b", 2.0, place="Attic", source="homie"),
    )
    page = watch.worst_page(Ranked.read(""), 10, SensorChoice.of({"differ": "yes"}))
    assert [(key, row["conflicts"]) for key, row in page.rows] == [
        ("a", [{"field": "place", "said": "hall 1", "announced": "Attic", "source": "homie"}])
    ]
    assert page.rows[0][1]["place"] == "hall 1", "what people say counts"
