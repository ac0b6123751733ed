"""Which reading a request asks `/api/trace` for."""

import pytest

from agents.views.inside.trace_pages import asked_reading
from agents.web.queries import BadRequest
from bridges.looking.tracing_readings import Sought


def test_a_reading_is_named_by_its_id_or_by_sensor_and_time() -> None:
    assert asked_reading({"id": " 66DF0045" + "0" * 16}) == Sought.by_id("66df0045" + "0" * 16)
    asked = {"sensor": " boiler-1", "at": "2024-09-09T14:01:09Z "}
    assert asked_reading(asked) == Sought.by_time("boiler-1", 1_725_890_469.0)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({}, "a reading must be named"),
        ({"sensor": "s"}, "a reading must be named"),
        ({"at": "2024-09-09"}, "a reading must be named"),
        ({"id": "66df"}, "24 hexadecimal digits, got '66df'"),
        ({"sensor": "s", "at": "noon"}, "at: time must be ISO 8601"),
        ({"sensor": "s", "at": " "}, "at: time must be ISO 8601"),
        ({"sensor": "s", "at": "1e299"}, "at: a Date must lie in the years 1 to 9999"),
        ({"sensor": "s", "at": "-1e20"}, "at: a Date must lie in the years 1 to 9999"),
    ],
)
def test_what_names_no_reading_is_refused_before_anybody_is_asked(query: dict[str, str], told: str) -> None:
    with pytest.raises(BadRequest, match=told):
        asked_reading(query)
