"""Plain values as TOML, for settings that a command writes: the standard library only reads it."""

import json
import re
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def toml_of(table: dict[str, Any], path: str = "") -> str:
    """Write plain values as TOML; what is ``None`` is left out.

    Args:
        table: Texts, numbers, booleans, lists of them, and tables.
        path: Name of this table, for tables within tables.

    >>> print(toml_of({"detection": {"raise_at": 0.999, "series": {"a*/t": {"high": 3}}}}), end="")
    [detection]
    raise_at = 0.999
    [detection.series."a*/t"]
    high = 3
    """
    lines = [
        f"{_key(name)} = {_value(value)}\n"
        for name, value in table.items()
        if value is not None and not isinstance(value, dict)
    ]
    if lines and path:
        lines.insert(0, f"[{path}]\n")
    for name, value in table.items():
        if isinstance(value, dict):
            lines.append(toml_of(value, f"{path}.{_key(name)}" if path else _key(name)))
    return "".join(lines)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)


def _value(value: Any) -> str:
    # JSON's texts, numbers and lists are TOML's, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
