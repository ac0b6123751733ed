"""The description of a web server's pages for programs, by OpenAPI 3.1: made of the table that is served.

It says which pages there are, with which parameters of which type, what an answer holds (made of the types to which a
test holds the answers), and what a refusal looks like.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from agents.web.queries import GREATEST_LIMIT, Json
from streams.place_counts import WAYS
from streams.records.rule_parts import MOST_COUNTED

if TYPE_CHECKING:
    from agents.web.routes import Route

VERSION: Final = "2"
"""Of the pages: another one when what a page takes or answers changes so that programs must, too."""
_TIME: Final[Json] = {"type": "string", "examples": ["2026-10-01T00:00:00Z", "1790812800"]}
_TEXT: Final[Json] = {"type": "string"}
_NUMBER: Final[Json] = {"type": "number"}
PARAMETERS: Final[dict[str, tuple[str, Json]]] = {
    "above_peers": (
        "how far the mean of a window may lie over the median of its peers; empty: as far as it may; not given: as in "
        "force",
        {**_NUMBER, "exclusiveMinimum": 0},
    ),
    "after": ("list what comes after this key: `next` of the answer before", _TEXT),
    "at": (
        "event time of a reading: ISO 8601 (UTC) or seconds since the Unix epoch; of a whole second, all of it",
        _TIME,
    ),
    "below_peers": ("the same under it", {**_NUMBER, "exclusiveMinimum": 0}),
    "by": (
        "what sensors are counted by; `place` when not given",
        {"type": "string", "enum": [*WAYS]},
    ),
    "count": (
        "how many values must be beyond, as in a rule; empty: one is enough; not given: as in force",
        {"type": "integer", "minimum": 0, "maximum": MOST_COUNTED},
    ),
    "deadband": (
        "how far back within its limit a value must come before an anomaly ends",
        {**_NUMBER, "minimum": 0},
    ),
    "find": ("part of an id, a name, a place, a machine, a group or a unit", _TEXT),
    "differ": (
        "`yes`: only those of which people say something else than is announced",
        {"type": "string", "enum": ["no", "yes"]},
    ),
    "forecast_above": (
        "where the series must not be expected over; empty: none; not given: as in force",
        _NUMBER,
    ),
    "forecast_below": (
        "where the series must not be expected under; empty: none; not given: as in force",
        _NUMBER,
    ),
    "forecast_hours": ("within how long it is expected there", {**_NUMBER, "minimum": 1, "maximum": 72}),
    "from": ("beginning of the range: ISO 8601 (UTC) or seconds since the Unix epoch", _TIME),
    "group": ("a group of the registry", _TEXT),
    "high": ("upper limit", _NUMBER),
    "id": ("id of a reading, 24 hexadecimal digits", _TEXT),
    "key": ("key of a row", _TEXT),
    "levels": (
        "how many levels of places are shown unfolded",
        {"type": "integer", "minimum": 1, "maximum": 50},
    ),
    "letter_id": ("id of a dead letter", _TEXT),
    "limit": ("how many at most", {"type": "integer", "minimum": 1, "maximum": GREATEST_LIMIT}),
    "low": ("lower limit", _NUMBER),
    "machine": ("a machine of the registry", _TEXT),
    "measures": ("a quantity that they measure", _TEXT),
    "minutes": ("how long a value must be beyond its limit", {**_NUMBER, "minimum": 0}),
    "name": ("name of a table", _TEXT),
    "over": (
        "`yes`: planned work that is over or off, too",
        {"type": "string", "enum": ["no", "yes"]},
    ),
    "peers_of": (
        "who the peers are, as in a rule: a pattern, or `group`; not given: as rules and settings say",
        _TEXT,
    ),
    "place": ("a place of the registry", _TEXT),
    "points": ("how many points at most", {"type": "integer", "minimum": 2, "maximum": 5000}),
    "prefix": ("what keys begin with", _TEXT),
    "quantity": ("name of a quantity", _TEXT),
    "reason": ("reasons for which messages are refused, parted by commas", _TEXT),
    "sensor": ("id of a sensor", _TEXT),
    "sensor_id": ("id of a sensor", _TEXT),
    "sort": (
        "`id`: what has sent something, by id; `worst`: all that is known, the worst first",
        {"type": "string", "enum": ["id", "worst"]},
    ),
    "since": ("what was refused then or later: as `from`", _TIME),
    "state": ("states, parted by commas", _TEXT),
    "table": ("name of a table", _TEXT),
    "topic": ("a topic of MQTT, or a filter with `+` and `#`", _TEXT),
    "under": ("a place, with all that lies below it: parts of a place are parted by `/`", _TEXT),
    "unfold": ("a place of which what lies directly below it is shown, too", _TEXT),
    "until": ("what was refused before then: as `from`", _TIME),
    "when": ("a condition, as in a rule; empty: none; not given: as in force", _TEXT),
    "within_minutes": ("within how long `count` are counted", {**_NUMBER, "minimum": 0}),
    "without": ("of which none of these is known, parted by commas: `place`, `machine`, `group`", _TEXT),
    "to": ("end of the range, as `from`", _TIME),
    "tolerance": (
        "how many seconds before and after a label an anomaly may be raised",
        {**_NUMBER, "minimum": 0},
    ),
}
"""What the parameters of all pages are, by name."""
JSON: Final = "application/json"
"""The media type of most answers."""
_REFUSAL: Final[Json] = {
    "description": "a parameter (400), no such thing (404), or somebody does not answer (503): `error` says which",
    "content": {
        "application/json": {
            "schema": {"type": "object", "properties": {"error": {"type": "string"}}},
        }
    },
}
_REFERENCE: Final = "#/components/schemas/{name}"
_PART: Final = re.compile(r"\{(\w+)\}")
_NEEDED: Final = {
    **dict.fromkeys(("/api/history", "/api/rules/try", "/api/findings"), ("sensor", "quantity")),
    "/api/devices/history": ("sensor",),
    **dict.fromkeys((f"/api/tables/{{table}}/{part}" for part in ("row", "history", "replayed")), ("key",)),
}
"""Parameters that must be given."""
_SEVERAL: Final = {"/api/history": ("sensor",), "/api/places": ("unfold",)}
"""Parameters that may be given several times."""


def describe_pages(routes: Sequence["Route"], title: str) -> Json:
    """Return the description of a table of pages.

    Args:
        routes: The table.
        title: What the server is called.

    Raises:
        KeyError: If a page takes a parameter that `PARAMETERS` does not have.
    """
    typed = [route for route in routes if route.answers is not None]
    types = (route.answers for route in typed)
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    schema_of = dict(zip(((route.path, route.method) for route in typed), schemas, strict=True))
    paths: dict[str, Any] = {}
    for route in routes:
        schema = schema_of.get((route.path, route.method), {})
        paths.setdefault(route.path, {})[route.method] = _operation(route, schema)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": VERSION},
        "paths": paths,
        "components": {"schemas": {name: _for_generators(each) for name, each in components.items()}},
    }


def _for_generators(schema: Any) -> Any:
    """Leave out that nothing follows a tuple's last part: ``maxItems`` says so, and generators know no ``false``."""
    if isinstance(schema, list):
        return [_for_generators(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _for_generators(each)
        for name, each in schema.items()
        if not (name == "items" and each is False)
    }


def _operation(route: "Route", schema: Json) -> Json:
    path = [_parameter(route, name, "path") for name in _PART.findall(route.path)]
    query = [_parameter(route, name, "query") for name in re.findall(r"(\w+)=", route.query)]
    content = {route.media: {"schema": schema if route.media == JSON else {"type": "string"}}}
    body = {
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
    }
    return {
        "operationId": route.handler.__name__,
        "description": route.help,
        "parameters": [*path, *query],
        **(body if route.posts else {}),
        "responses": {"200": {"description": "the answer", "content": content}, "default": _REFUSAL},
    }


def _parameter(route: "Route", name: str, place: str) -> Json:
    description, schema = PARAMETERS[name]
    if name in _SEVERAL.get(route.path, ()):
        schema = {"type": "array", "items": schema, "minItems": 1}
    needed = place == "path" or name in _NEEDED.get(route.path, ())
    return {"name": name, "in": place, "required": needed, "description": description, "schema": schema}
