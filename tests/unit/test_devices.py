"""Devices in files: what is written is read back, and what cannot be read names its place; names in what is told."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.devices.device_files import devices_as_csv, devices_as_toml, read_devices
from streams.alarms.templates import TEMPLATES, Told
from streams.alarms.wording import alarm_sentence, title_of
from streams.errors import ConfigurationError
from streams.known_devices import TEXTS
from streams.records.types import Device
from tests.support.alarm_records import alarm

AT = 1_790_000_000.0
BOILER = Device("boiler-1", AT, "Boiler 1", "hall 7", units={"temperature": "°C"}, interval=60.0)
CSV = "sensor_id,name,place,interval,unit:temperature\nboiler-1,Boiler 1,hall 7,60,°C\n"
TOML = '["boiler-1"]\nname = "Boiler 1"\nplace = "hall 7"\ninterval = 60\nunits = { temperature = "°C" }\n'

texts = st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), max_size=20).map(str.strip)
known = st.builds(
    Device,
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,10}", fullmatch=True),
    st.just(AT),
    *(texts for _ in TEXTS),
    units=st.dictionaries(st.sampled_from(["t", "h-2", "p_x"]), texts.filter(bool), max_size=3),
    precisions=st.dictionaries(st.sampled_from(["t", "u"]), st.integers(0, 12), max_size=2),
    ranges=st.dictionaries(
        st.sampled_from(["t", "p_x"]),
        st.tuples(st.floats(-1e300, 0), st.floats(0, 1e300)),
        max_size=2,
    ),
    interval=st.none() | st.integers(1, 366 * 86_400).map(float) | st.floats(0.001, 86_400),
)


def written(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_of_either_form_says_the_same(tmp_path: Path) -> None:
    assert read_devices(written(tmp_path, "a.csv", CSV), AT) == [BOILER]
    assert read_devices(written(tmp_path, "a.csv", "\ufeff" + CSV), AT) == [BOILER]  # as Excel writes it
    assert read_devices(written(tmp_path, "a.toml", TOML), AT) == [BOILER]


@given(st.lists(known, max_size=5, unique_by=lambda each: each.sensor_id))
def test_what_is_exported_is_imported_again(
    tmp_path_factory: pytest.TempPathFactory, devices: list[Device]
) -> None:
    folder = tmp_path_factory.mktemp("devices")
    wanted = sorted(devices, key=lambda each: each.sensor_id)
    for name, text in (("a.csv", devices_as_csv(devices)), ("a.toml", devices_as_toml(devices))):
        assert read_devices(written(folder, name, text), AT) == wanted


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "", "the first line must name the columns, sensor_id among them"),
        ("a.csv", "id,name\n", "sensor_id among them"),
        ("a.csv", "sensor_id,nmae\n", "got nmae"),
        ("a.csv", CSV + "boiler 2,x,y,1,C\n", "line 3: sensor id must be 1 to 128"),
        ("a.csv", CSV + "boiler-2,x\n", "line 3: must have 5 columns, got 2"),
        ("a.csv", CSV + "boiler-1,x,y,1,C\n", "each sensor must be there once, 'boiler-1'"),
        ("a.csv", CSV + "boiler-2,x,y,soon,C\n", "line 3: interval must be seconds"),
        ("a.csv", CSV + "boiler-2,x,y,-1,C\n", "line 3: interval must be seconds"),
        ("a.csv", CSV + "boiler-2,x,y,nan,C\n", "line 3: interval must be seconds"),
        ("a.csv", CSV + f"boiler-2,{'x' * 201},y,1,C\n", "line 3: name must be a text of at most 200"),
        ("a.csv", CSV + f"boiler-2,x,y,1,{'x' * 33}\n", "the unit of temperature must be a text of at most 32"),
        ("a.csv", 'sensor_id,name\nb,"two\nlines"\n', "on one line"),
        ("a.csv", "sensor_id,unit:a.b\nb,C\n", "line 2: "),
        ("a.csv", "sensor_id,range:t\nb,5\n", "the range of t must be two numbers"),
        ("a.csv", "sensor_id,range:t\nb,5..1\n", "the least first"),
        ("a.csv", "sensor_id,precision:t\nb,1.5\n", "the precision of t must be decimal places"),
        ("a.toml", "[b]\nprecisions = { t = true }", "the precision of t must be decimal places"),
        ("a.toml", "[b]\nranges = { t = [0, inf] }", "the range of t must be two numbers"),
        ("a.toml", "[boiler-1", "devices must be TOML"),
        ("a.toml", "boiler-1 = 3", "must be a table, got 3"),
        ("a.toml", "[boiler-1]\ncolour = 'red'", "got colour"),
        ("a.toml", "[boiler-1]\nname = 3", "name must be a text"),
        ("a.toml", "[boiler-1]\ninterval = true", "interval must be seconds"),
        ("a.toml", "[boiler-1]\nunits = 'C'", "units must be a table"),
        ("a.txt", CSV, "must be .csv or .toml, got '.txt'"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_names_its_place(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_devices(written(tmp_path, name, text), AT)
    assert said in str(refused.value)
    assert name in str(refused.value)


def test_a_sentence_has_the_name_beside_the_id_and_the_id_alone_where_there_is_none() -> None:
    raised = alarm(1)
    assert title_of(raised) == "plant:7:boiler-1 pressure is beyond its limit"
    assert (
        title_of(raised, BOILER.label) == "Boiler 1, hall 7 (plant:7:boiler-1) pressure is beyond its limit"
    )
    assert alarm_sentence(raised, "Boiler 1").startswith("Boiler 1 (plant:7:boiler-1) pressure")
    assert (Device("a", AT, place="hall 7").label, Device("a", AT).label) == ("hall 7", "")


@pytest.mark.parametrize("form", sorted(TEMPLATES))
def test_every_form_of_notification_has_the_names(form: str) -> None:
    alarms = [alarm(number) for number in range(12)]
    labels = {each.sensor_id: f"Boiler <{number}>" for number, each in enumerate(alarms)}
    named = json.dumps(
        [body for _, body in TEMPLATES[form](Told(alarms, 10, "key", lambda each: labels[each]))]
    )
    plain = json.dumps([body for _, body in TEMPLATES[form](Told(alarms, 10, "key"))])
    for number in range(10):
        assert f"Boiler &lt;{number}&gt;" in named if form == "slack" else f"Boiler <{number}>" in named
    assert "Boiler <" not in plain and "Boiler &lt;" not in plain
