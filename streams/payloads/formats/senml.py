"""SenML (RFC 8428): records with base fields become plain ones, in JSON or CBOR.

    [{"bn":"urn:dev:mac:0024befffe804ff1:","bt":1795149960,"n":"temp","u":"Cel","v":21.5},{"n":"hum","v":40,"t":1}]

Base name, time, unit and value count for the record that has them and for all that follow.
"""

from typing import Any

from streams.errors import InputError, Reason, shown
from streams.payloads.formats.binary import read_cbor
from streams.payloads.formats.json import read_json

# RFC 8428, table 4: labels in CBOR.
_LABELS = {
    "-2": "bn", "-3": "bt", "-4": "bu", "-5": "bv", "-6": "bs", "-1": "bver", "0": "n", "1": "u", "2": "v",
    "3": "vs", "4": "vb", "5": "s", "6": "t", "7": "ut", "8": "vd",
}  # fmt: skip
# RFC 8428, section 4.5.3: smaller times are relative to now.
_RELATIVE = 2**28


def read_senml(payload: bytes) -> list[Any]:
    """Read a pack as plain records: ``sensor``, ``name``, ``value``, ``unit``, ``time``, ``age``.

    ``sensor`` and ``name`` are the full name up to and after its last separator (``:``, ``/`` or ``.``); ``age``
    is seconds before now, where the time is relative, and less than nothing where it lies ahead.

    Raises:
        InputError: What JSON or CBOR raise, or ``wrong_shape``.

    >>> read_senml(b'[{"bn":"dev:1:","n":"t","v":21.5,"t":1795149960}]')
    [{'sensor': 'dev:1', 'name': 't', 'unit': '', 'value': 21.5, 'time': 1795149960}]
    """
    json = payload[:4].lstrip()[:1] in (b"[", b"{")
    documents = read_json(payload) if json else read_cbor(payload)
    found: list[Any] = []
    for pack in documents:
        records = pack if isinstance(pack, list) else [pack]
        base: dict[str, Any] = {}
        for record in records:
            if not isinstance(record, dict):
                raise InputError(Reason.WRONG_SHAPE, f"a SenML record must be an object, got {shown(record)}")
            named = {_LABELS.get(str(key), str(key)): value for key, value in record.items()}
            base |= {key: value for key, value in named.items() if key in ("bn", "bt", "bu", "bv", "bs")}
            if (plain := _plain(named, base)) is not None:
                found.append(plain)
    if not found:
        raise InputError(Reason.MISSING_VALUE, "a SenML pack must hold a record with a value")
    return found


def _plain(record: dict[str, Any], base: dict[str, Any]) -> dict[str, Any] | None:
    value = next((record[key] for key in ("v", "vb", "vs", "s") if key in record), None)
    if value is None:
        return None
    if type(value) in (int, float) and type(base.get("bv", 0)) in (int, float):
        value += base.get("bv", 0)
    name = f"{base.get('bn', '')}{record.get('n', '')}"
    cut = max(name.rstrip(":/.").rfind(sign) for sign in ":/.")
    sensor, quantity = (name[:cut], name[cut + 1 :]) if cut > 0 else ("", name)
    if "n" not in record or not record["n"]:
        sensor, quantity = name.rstrip(":/."), "value"
    plain: dict[str, Any] = {"name": quantity, "unit": record.get("u", base.get("bu", "")), "value": value}
    if sensor:
        plain = {"sensor": sensor, **plain}
    time = _sum(base.get("bt", 0), record.get("t", 0))
    if time is not None and time >= _RELATIVE:
        plain["time"] = time
    elif time:
        plain["age"] = -time
    return plain


def _sum(left: Any, right: Any) -> Any:
    numbers = type(left) in (int, float) and type(right) in (int, float)
    return left + right if numbers else None
