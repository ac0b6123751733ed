"""Data points that have a number in each message, and a name in a message of its own.

    metadata   connections: [{name: "PLC_1", ... id: "101", name: "Tank.Level"}]     what = "names"
    data       vals: [{id: "101", val: 71.5}]                                        becomes Tank_Level

What numbers stand for is kept with the births of Sparkplug, and becomes a record as they do: a bridge that starts
anew knows it.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from streams.errors import ConfigurationError
from streams.payloads.maps.births import Births
from streams.payloads.maps.model import Rule, texts
from streams.payloads.maps.paths import compile_path, find, reach
from streams.payloads.maps.sensors import Follow, compile_name, plain_name
from streams.records.types import Birth


class NumberedNames:
    """The ``named_in`` of a rule, compiled.

    Args:
        rule: The rule.
        names: Names that levels of the topic and wildcards of paths have.
        many: Those of the names that may be several levels.

    Raises:
        ConfigurationError: If a template or a path is none.
    """

    def __init__(self, rule: Rule, names: frozenset[str], many: frozenset[str]) -> None:
        if len(rule.named_in) != 2:
            raise ConfigurationError(f"named_in must be two templates, group and node, got {rule.named_in}")
        self._within = [compile_name(text, names, "named_in", many) for text in rule.named_in]
        self._names = [compile_name(text, names, "quantity") for text in texts(rule.quantity)]
        self._each = [compile_path(text) for text in texts(rule.each)]
        self._number = compile_path(rule.value)

    def name(self, number: str, names: Mapping[str, str], follow: Follow, births: Births) -> str:
        """Return what a number stands for; the number, if that was not heard.

        Args:
            number: As the message has it.
            names: Levels of its topic.
            follow: Leads to what stands at a path of it.
            births: Where names are kept.
        """
        source = self._source(names, follow)
        return number if source is None else births.name_of(source, number) or number

    def learn(self, document: Any, names: Mapping[str, str], births: Births, at: float) -> list[Birth]:
        """Remember what a message says of numbers; return what is new of it, as records.

        Args:
            document: The message.
            names: Levels of its topic.
            births: Where it is kept.
            at: When it came (seconds since the Unix epoch).
        """
        heard: dict[str, dict[int, str]] = {}
        for place in (found for path in self._each for found in find(path, document)):
            follow = partial(reach, document, place)
            source = self._source(names, follow)
            name = next((found for each in self._names if (found := plain_name(each, names, follow))), None)
            number = births.number_in(follow(self._number))
            if source and name and number is not None:
                heard.setdefault(source, {})[number] = name[0]
        learned = [births.learn_names(source, named, at) for source, named in heard.items()]
        return [birth for birth in learned if birth is not None]

    def _source(self, names: Mapping[str, str], follow: Follow) -> str | None:
        parts = [plain_name(template, names, follow) for template in self._within]
        return "/".join(part[0].replace("/", ":") for part in parts if part) if all(parts) else None
