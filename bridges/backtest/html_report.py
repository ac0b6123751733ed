"""The page of a backtest: one file with everything in it, that a browser shows without asking anybody for more."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import msgspec


def page(data: Mapping[str, Any], traces: Sequence[Mapping[str, Any]]) -> bytes:
    """Make the page: HTML with style, script and data inside.

    Args:
        data: From `streams.backtest.report.BacktestReport.data`.
        traces: From `bridges.backtest.tracing.traces`: what is drawn.

    Returns:
        UTF-8; equal arguments give equal bytes.
    """
    parts = files("bridges.backtest") / "report_page"
    template = (parts / "page.html").read_text(encoding="utf-8")
    encoded = msgspec.json.encode({**data, "traces": list(traces)}, order="sorted").decode()
    # A sensor can be called anything: "</script>" in a text must not end the element. JSON allows the escape.
    contents = {
        "/*STYLE*/": (parts / "page.css").read_text(encoding="utf-8"),
        "/*SCRIPT*/": (parts / "page.js").read_text(encoding="utf-8"),
        "/*DATA*/": encoded.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"),
    }
    for place, content in contents.items():
        before, _, after = template.partition(place)
        template = before + content + after
    return template.encode()
