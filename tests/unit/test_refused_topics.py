"""Topics of which messages are refused: told also where they are few of what comes, forgotten once they are well."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from agents.views.overview import observed
from bridges.bridge.refused_topics import FORGOTTEN_SECONDS, MOST_TOPICS, SHOWN, RefusedTopics
from streams.conditions import Condition, what_is_wrong
from streams.errors import Reason

Came = tuple[int, bool, float]


def told(topics: RefusedTopics, received: int = 100_000, refused: int = 60) -> list[Condition]:
    """What is wrong in a system in which nothing else is."""
    hour = {"seconds": 3600.0, "received": received, "dead_letters": {"bad_time": refused}}
    bridge = {"reachable": True, "last_hour": hour, "refused_topics": topics.as_json()}
    return what_is_wrong(observed([], [], bridge))


def test_one_device_of_a_thousand_that_is_refused_is_told_though_its_share_of_all_is_a_trifle() -> None:
    topics = RefusedTopics()
    for minute in range(60):
        topics.take(b"plant/7/oven", Reason.BAD_TIME, 60.0 * minute)
        topics.take(b"plant/8/oven", None, 60.0 * minute)
    (found,) = told(topics)
    assert (found.name, found.text) == (
        "refused",
        "messages of 1 topic are refused: plant/7/oven (60 of 60, bad_time)",
    )


def test_a_device_whose_messages_are_refused_after_a_good_month_is_told_at_the_third() -> None:
    topics = RefusedTopics()
    topics.take(b"t", Reason.BAD_TIME, 0.0)
    for _ in range(40_000):
        topics.take(b"t", None, 1.0)
    assert topics.as_json()["count"] == 0
    for _ in range(3):
        assert topics.as_json()["count"] == 0
        topics.take(b"t", Reason.NOT_JSON, 2.0)
    assert [(each["in_row"], each["reason"]) for each in topics.as_json()["worst"]] == [(3, "not_json")]


def test_a_message_in_a_thousand_that_is_disturbed_is_told_nowhere_and_each_second_one_is() -> None:
    topics = RefusedTopics()
    for number in range(30_000):
        topics.take(b"a/rare", Reason.NOT_JSON if number % 1500 == 1 else None, 0.1 * number)
        topics.take(b"a/often", Reason.NOT_JSON if number % 2 else None, 0.1 * number)
    assert [each["topic"] for each in topics.as_json()["worst"]] == ["a/often"]


def test_what_is_read_again_is_forgotten_after_an_hour_and_what_is_silent_is_not() -> None:
    topics = RefusedTopics()
    for topic in (b"mended", b"silent"):
        for _ in range(10):
            topics.take(topic, Reason.BAD_TIME, 0.0)
    topics.take(b"mended", None, FORGOTTEN_SECONDS - 1)
    assert topics.as_json()["count"] == 2
    topics.take(b"mended", None, FORGOTTEN_SECONDS)
    assert [each["topic"] for each in topics.as_json()["worst"]] == ["silent"]


def test_a_device_that_names_each_message_by_a_topic_of_its_own_takes_no_unbounded_memory() -> None:
    topics = RefusedTopics()
    for number in range(3 * MOST_TOPICS):
        for _ in range(3):
            topics.take(b"t/%d" % number, Reason.NOT_JSON, float(number))
    found = topics.as_json()
    assert (found["count"], len(found["worst"])) == (MOST_TOPICS, SHOWN)


def test_a_bridge_of_before_tells_what_came_since_it_started() -> None:
    bridge = {"reachable": True, "items": {"received": 100, "dead_letters": {"not_json": 30}}}
    assert [each.text for each in what_is_wrong(observed([], [], bridge))] == [
        "30 % of what came since the bridge started is refused: 30 not_json"
    ]


def test_a_share_is_of_the_last_hour_and_not_of_the_month() -> None:
    items = {"received": 10_000_000, "dead_letters": {"not_json": 2_000}}
    hour = {"seconds": 3600.0, "received": 4_000, "dead_letters": {"not_json": 2_000}}
    bridge = {"reachable": True, "items": items, "last_hour": hour}
    assert [each.text for each in what_is_wrong(observed([], [], bridge))] == [
        "50 % of what came within the last hour is refused: 2,000 not_json"
    ]
    assert what_is_wrong(observed([], [], {**bridge, "last_hour": {**hour, "dead_letters": {}}})) == []


@given(came=st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.floats(0, 3000)), max_size=300))
def test_messages_are_counted_from_the_first_that_is_refused(came: Sequence[Came]) -> None:
    topics, now = RefusedTopics(), 0.0
    history: dict[int, list[tuple[float, bool]]] = {}
    for number, is_read, seconds in came:
        now += seconds
        topics.take(b"%d" % number, None if is_read else Reason.BAD_TIME, now)
        known = history.setdefault(number, [])
        known.append((now, is_read))
        last = max((at for at, read in known if not read), default=None)
        if last is None or (is_read and now - last >= FORGOTTEN_SECONDS):
            history[number] = []
    expected = {}
    for number, known in history.items():
        refused = sum(not read for _, read in known)
        row = next((n for n, (_, read) in enumerate(reversed(known)) if read), len(known))
        if row >= 3 or (refused >= 10 and refused > 0.01 * len(known)):
            expected[str(number)] = (len(known), refused, row, known[0][0])
    worst = topics.as_json()["worst"]
    assert {
        each["topic"]: (each["received"], each["refused"], each["in_row"], each["since"]) for each in worst
    } == expected
