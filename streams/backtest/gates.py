"""Gates: conditions on the figures of a backtest, for a build that must fail.

    recall>=0.8 and alarms_per_sensor_day<=0.2
    not (candidate.flaps>3 or candidate.f1<current.f1)

A figure stands alone (of the configuration judged) or after the name of a configuration and a dot.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from streams.errors import ConfigurationError

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<=": lambda left, right: left <= right,
    ">=": lambda left, right: left >= right,
    "<": lambda left, right: left < right,
    ">": lambda left, right: left > right,
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
}
_TOKEN = re.compile(
    r"\s*(?:(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|(?P<name>[A-Za-z_][\w.-]*)"
    r"|(?P<compare><=|>=|==|!=|<|>)|(?P<bracket>[()]))"
)

Figures = Mapping[str, float | None]
"""Name of a figure -> its value; ``None`` where it could not be determined."""
_Condition = Callable[[Figures], bool]


@dataclass(frozen=True, slots=True)
class Gate:
    """A parsed gate.

    Args:
        text: As it was written.
        names: The figures it uses.
    """

    text: str
    names: tuple[str, ...]
    _condition: _Condition

    def check(self, names: Collection[str]) -> None:
        """Refuse figures that do not exist, before anything is run.

        Raises:
            ConfigurationError: With the figures that do.
        """
        for name in self.names:
            if name not in names:
                raise ConfigurationError(
                    f"gate {self.text!r}: no figure is called {name!r}; there are {', '.join(sorted(names))}"
                )

    def holds(self, figures: Figures) -> bool:
        """Tell whether the figures fulfil it.

        Raises:
            ConfigurationError: If it uses a figure that does not exist or was not determined.
        """
        self.check(figures.keys())
        for name in self.names:
            if figures[name] is None:
                raise ConfigurationError(
                    f"gate {self.text!r}: {name} could not be determined (no labels, or nothing to count)"
                )
        return self._condition(figures)


def parse_gate(text: str) -> Gate:
    """Parse a gate.

    Raises:
        ConfigurationError: If it is not a condition, with the place that is wrong.

    >>> parse_gate("recall >= 0.8 and not flaps > 3").holds({"recall": 0.9, "flaps": 2})
    True
    """
    parser = _Parser(text)
    condition = parser.either()
    if parser.token is not None:
        raise parser.wrong("and, or, or the end")
    return Gate(text, tuple(dict.fromkeys(parser.names)), condition)


class _Parser:
    """Recursive descent: either = both ('or' both)*; both = one ('and' one)*."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.names: list[str] = []
        self._at = self._end = 0
        self.token: str | None = None
        self._kind: str | None = None
        self._next()

    def _next(self) -> None:
        self._at = self._end
        if not self.text[self._at :].strip():
            self.token = self._kind = None
            return
        found = _TOKEN.match(self.text, self._at)
        if found is None:
            raise self.wrong("a figure, a number or a comparison")
        self._end = found.end()
        self._kind = found.lastgroup
        self.token = found[self._kind] if self._kind else None

    def wrong(self, expected: str) -> ConfigurationError:
        rest = self.text[self._at :].strip()
        return ConfigurationError(
            f"gate {self.text!r}: expected {expected} at {rest!r}"
            if rest
            else f"gate {self.text!r}: expected {expected}, but it ends"
        )

    def either(self) -> _Condition:
        parts = [self._both()]
        while self.token == "or":
            self._next()
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else lambda figures: any(part(figures) for part in parts)

    def _both(self) -> _Condition:
        parts = [self._one()]
        while self.token == "and":
            self._next()
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda figures: all(part(figures) for part in parts)

    def _one(self) -> _Condition:
        if self.token == "not":
            self._next()
            inner = self._one()
            return lambda figures: not inner(figures)
        if self.token == "(":
            self._next()
            inside = self.either()
            if self.token != ")":
                raise self.wrong("a closing bracket")
            self._next()
            return inside
        left = self._operand()
        if self._kind != "compare" or self.token is None:
            raise self.wrong("one of <= >= < > == !=")
        compare = _COMPARE[self.token]
        self._next()
        right = self._operand()
        return lambda figures: compare(left(figures), right(figures))

    def _operand(self) -> Callable[[Figures], float]:
        token, kind = self.token, self._kind
        if token is None or kind not in ("number", "name") or token in ("and", "or", "not"):
            raise self.wrong("a figure or a number")
        self._next()
        if kind == "number":
            number = float(token)
            return lambda _: number
        self.names.append(token)

        def value(figures: Figures) -> float:
            figure = figures[token]
            assert figure is not None
            return figure

        return value
