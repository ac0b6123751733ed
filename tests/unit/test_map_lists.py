"""Lists that the rules of a map file share: what stands in the file is what it would say without them."""

import pytest

from streams.errors import ConfigurationError
from streams.payloads.maps.model import TimeField, parse_map

HEAD = 'name = "a"\n[lists]\ndevice = ["deviceId", "dev"]\ntime = ["ts", "at"]\n'
RULE = '[[rule]]\ntopic = "x/#"\n'


def test_a_list_stands_joined_in_braces_and_as_elements_elsewhere() -> None:
    found = parse_map(
        HEAD
        + 'own = ["{.{<device>}}:{.no}", "{.{<device>,id}}"]\n'
        + RULE
        + 'when = ["{<device>,id}.x", "{<time>}"]\nsensor = ["<own>", "{.mac}"]\ntime = ["<time>", "$.<time>"]\n'
    )
    (rule,) = found.rule
    assert rule.when == ["{deviceId,dev,id}.x", "{ts,at}"]
    assert rule.sensor == ["{.{deviceId,dev}}:{.no}", "{.{deviceId,dev,id}}", "{.mac}"]
    assert rule.time == ["ts", "at", "$.ts", "$.at"]


def test_keys_of_fields_may_hold_one_and_times_of_their_own_form_stay() -> None:
    text = (
        HEAD
        + RULE
        + 'time = [{path = "at", unit = "ms"}]\n[rule.fields]\n"**.{<device>}" = {ignore = true}\n'
    )
    (rule,) = parse_map(text).rule
    assert list(rule.fields) == ["**.{deviceId,dev}"]
    assert rule.time == [TimeField(path="at", unit="ms")]


def test_without_lists_angle_brackets_are_what_they_are() -> None:
    assert parse_map('name = "a"\n[[rule]]\ntopic = "x/<a>"\n').rule[0].topic == "x/<a>"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + RULE + 'time = "{<tme>}"\n', "there is no list <tme>.*before it there are device, time"),
        (HEAD + 'more = ["<later>"]\nlater = ["x"]\n' + RULE, "there is no list <later>"),
        (HEAD + RULE + 'values = "<time>"\n', "<time> in '<time>' stands for several texts"),
        ('name = "a"\n[lists]\na = "x"\n' + RULE, "lists.a must be a list of texts"),
        (
            'name = "a"\n[lists]\nA = ["x"]\n' + RULE,
            "lists.A must be a list of texts, and its name lower-case",
        ),
        ('name = "a"\nlists = 3\n' + RULE, "lists. must be a list of texts"),
        ('name = "a"\n[lists]\na = []\n' + RULE, "lists.a must have 1 to 2,000 texts, got 0"),
    ],
)
def test_what_cannot_be_put_in_is_named(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        parse_map(text)


def test_lists_of_lists_end_where_they_grow_too_large() -> None:
    names = ", ".join(f'"name{number}"' for number in range(1000))
    text = f'name = "a"\n[lists]\na = [{names}]\nb = ["<a>.<a>"]\n' + RULE
    with pytest.raises(
        ConfigurationError, match="with its lists a map must have at most 1,048,576 characters"
    ):
        parse_map(text)
