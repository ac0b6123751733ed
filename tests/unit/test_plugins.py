"""What installed packages bring: decoders and maps are loaded at the start, and what cannot be is refused there."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agents.cli import main
from bridges.maps.map_files import maps_in_force
from bridges.maps.trying import Sample, try_message
from bridges.process.settings import MqttSettings, Settings
from streams.errors import ConfigurationError, InputError, Reason
from streams.payloads.accepted import Refusal
from streams.payloads.formats.own import guarded
from streams.payloads.in_force import MapsInForce
from streams.payloads.maps.model import parse_map

NOW = 1_790_000_000.0
GOOD = """
from streams.errors import InputError, Reason

def decode(payload):
    if payload == b"no":
        raise InputError(Reason.BAD_FORMAT, "payload must not be no")
    return [{"t": payload[0]}]
"""
MAP = '[[rule]]\ntopic = "acme/{sensor}"\nformat = "acme"\n'

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Lay a package out as an installer does."""

    def install(name: str, entry_points: str, **files: str) -> Path:
        site = tmp_path / name
        module, info = site / name.replace("-", "_"), site / f"{name.replace('-', '_')}-1.0.dist-info"
        module.mkdir(parents=True)
        info.mkdir()
        for file, text in files.items():
            (module / file.replace("_toml", ".toml").replace("init_py", "__init__.py")).write_text(text)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(entry_points)
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.delitem(sys.modules, module.name, raising=False)
        return module

    return install


def acme(install: Install, name: str = "weir-acme", **files: str) -> None:
    module = name.replace("-", "_")
    points = f"[weir.decoders]\nacme = {module}:decode\n[weir.maps]\nacme = {module}\n"
    install(name, points, **{"init_py": GOOD, "a_toml": f'name = "acme"\n{MAP}', **files})


def read(maps: MapsInForce, payload: bytes, topic: str = "acme/a1") -> Any:
    return try_message(maps, Sample(topic, payload, NOW))


def test_maps_of_a_package_read_messages_by_its_decoder(install: Install) -> None:
    acme(install)
    maps = maps_in_force(Settings())
    told = read(maps, b"\x15")
    assert (told.map, told.readings[0].reading.values) == ("acme", {"t": 21.0})
    assert "acme/+" in maps.filters()
    assert [(each.reason, each.detail) for each in read(maps, b"no").refused] == [
        (Reason.BAD_FORMAT, "payload must not be no")
    ]


def test_a_map_of_ones_own_comes_before_those_of_packages_and_these_before_weirs(
    install: Install, tmp_path: Path
) -> None:
    built_in = 'name = "of-a-package"\n[[rule]]\ntopic = "zigbee2mqtt/{sensor}"\nquantity = "p"\n'
    acme(install, b_toml=built_in)
    folder = tmp_path / "maps"
    folder.mkdir()
    own = 'name = "mine"\n[[rule]]\ntopic = "acme/#"\nsensor = "mine"\nquantity = "q"\n'
    (folder / "own.toml").write_text(own)
    maps = maps_in_force(Settings(mqtt=MqttSettings(maps=folder)))
    assert read(maps, b"1").map == "mine"  # although the package's template is the more specific one
    assert read(maps, b"1", "zigbee2mqtt/a1").map == "of-a-package"
    assert maps_in_force(Settings()).routes.of(b"acme/a1")[0].rule.map_name == "acme"


def test_a_map_of_ones_own_stands_in_for_one_of_a_package(install: Install, tmp_path: Path) -> None:
    acme(install)
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "acme.toml").write_text(
        'name = "acme"\n[[rule]]\ntopic = "acme/{sensor}"\nquantity = "q"\n'
    )
    maps = maps_in_force(Settings(mqtt=MqttSettings(maps=tmp_path / "maps")))
    assert read(maps, b"21").readings[0].reading.values == {"q": 21.0}
    assert [rule.map_name for rule, _ in maps.rules].count("acme") == 1


@pytest.mark.parametrize(
    ("files", "points", "said"),
    [
        ({"init_py": "import acme_sdk"}, "[weir.decoders]\nx = weir_acme:decode",
         "ModuleNotFoundError: No module named 'acme_sdk'"),
        ({"init_py": "raise SystemExit(3)"}, "[weir.maps]\nx = weir_acme", "SystemExit: 3"),
        ({"init_py": ""}, "[weir.decoders]\nx = weir_acme:decode", "has no attribute 'decode'"),
        ({"init_py": "decode = 3"}, "[weir.decoders]\nx = weir_acme:decode", "must be a function of bytes, got int"),
        ({"init_py": GOOD}, "[weir.decoders]\njson = weir_acme:decode", "has the name of a format that Weir has"),
        ({"init_py": GOOD}, "[weir.decoders]\nBad Name = weir_acme:decode", "lower-case letters, digits and -"),
        ({"init_py": ""}, "[weir.maps]\nx = weir_acme", "has no map files"),
        ({"init_py": GOOD}, "[weir.maps]\nx = weir_acme:decode", "must name a package with map files"),
        ({"init_py": "", "a_toml": f'name = "tasmota"\n{MAP}'}, "[weir.maps]\nx = weir_acme",
         "has a map of the name 'tasmota', as Weir has: leave Weir's out (WEIR_MQTT__BUILT_IN_MAPS"),
    ],
)  # fmt: skip
def test_what_cannot_be_loaded_is_refused_with_the_package_and_the_remedy(
    install: Install, files: dict[str, str], points: str, said: str
) -> None:
    install("weir-acme", points + "\n", **files)
    result = CliRunner().invoke(main, ["map", "try", "--topic", "acme/a1", "--payload", "1"])
    assert result.exit_code == 2
    assert said in result.output
    assert "weir-acme 1.0" in result.output
    assert "pip uninstall weir-acme" in result.output


def test_a_map_of_a_package_that_is_none_names_its_file_and_package(install: Install) -> None:
    acme(install, a_toml='name = "acme"\n[[rule]]\ntopic = "a/{sensor}"\nscales = 2\n')
    with pytest.raises(ConfigurationError, match=r"a\.toml of weir-acme 1\.0 \(weir_acme\): .*scales"):
        maps_in_force(Settings())


def test_two_packages_of_one_name_are_told_with_both(install: Install) -> None:
    acme(install)
    install("other-acme", "[weir.decoders]\nacme = other_acme:decode\n", init_py=GOOD)
    with pytest.raises(ConfigurationError, match="bring a decoder of the name 'acme'") as refused:
        maps_in_force(Settings())
    assert "weir-acme 1.0 (weir_acme:decode)" in str(refused.value)
    assert "other-acme 1.0 (other_acme:decode)" in str(refused.value)
    assert "uninstall one of them" in str(refused.value)


def test_two_packages_with_maps_of_one_name_are_told_with_both(install: Install) -> None:
    acme(install)
    install("other-acme", "[weir.maps]\nother = other_acme\n", init_py="", z_toml=f'name = "acme"\n{MAP}')
    with pytest.raises(
        ConfigurationError, match=r"two maps have the name 'acme': of weir-acme.* and of other-acme"
    ):
        maps_in_force(Settings())


def test_a_map_with_a_format_that_nothing_brings_says_which_there_are(install: Install) -> None:
    acme(install)
    own = parse_map('name = "own"\n[[rule]]\ntopic = "x/{sensor}"\nformat = "jsn"\n')
    with pytest.raises(ConfigurationError, match=r"format must be one of auto, json, .*\(acme\), got 'jsn'"):
        maps_in_force(Settings(), own)


def test_what_packages_bring_is_listed(install: Install) -> None:
    assert "no installed package" in CliRunner().invoke(main, ["plugin", "list"]).output
    acme(install)
    assert CliRunner().invoke(main, ["plugin", "list"]).output.splitlines() == [
        "decoder acme: of weir-acme 1.0 (weir_acme:decode)",
        "maps acme: acme, of weir-acme 1.0 (weir_acme)",
    ]
    assert (
        "acme (of an installed package)\n    acme/{sensor}\n"
        in CliRunner().invoke(main, ["map", "list"]).output
    )


def test_one_message_that_a_decoder_fails_on_is_set_aside_and_the_next_is_read(install: Install) -> None:
    acme(install, init_py=GOOD.replace("payload[0]", "payload[1]"))
    maps = maps_in_force(Settings())
    [refusal] = maps.decode(b"acme/a1", b"x", NOW)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.UNPROCESSABLE
    assert refusal.detail == "the decoder 'acme' failed: IndexError: index out of range"
    assert refusal.payload == b"x"
    assert maps.decode(b"acme/a1", b"xx", NOW)


CYCLE: list[Any] = []
CYCLE.append(CYCLE)
DEEP: Any = 1
for _ in range(100):
    DEEP = [DEEP]


def _exit(_: bytes) -> Any:
    raise SystemExit(1)


class Odd(InputError):
    def __init__(self) -> None:
        self.reason, self.detail = "because", "it is so"  # type: ignore[assignment]


def _odd_reason(_: bytes) -> Any:
    raise Odd


def _long_detail(_: bytes) -> Any:
    raise InputError(Reason.BAD_FORMAT, "x" * 100_000)


@pytest.mark.parametrize(
    ("decoder", "said"),
    [
        (lambda _: None, "must return a list of at least one document, got None"),
        (lambda _: [], "must return a list of at least one document, got []"),
        (lambda _: ({"t": 1},), "must return a list"),
        (lambda _: [{1: 2}], "must name fields by texts, got 1"),
        (lambda _: [{"t": b"x"}], "must return plain values"),
        (lambda _: [{"t": {1, 2}}], "must return plain values"),
        (lambda _: [CYCLE], "levels deep"),
        (lambda _: [DEEP], "levels deep"),
        (lambda _: [1] * 10_001, "at most 10,000 documents"),
        (lambda _: [[0] * 100_001], "at most 100,000 values"),
        (lambda _: ["x" * 1_000_001], "1,000,000 characters"),
        (lambda _: [2**5000], "integers of at most 1100 bits"),
        (_exit, "SystemExit: 1"),
        (_odd_reason, "it gave 'because' for a reason"),
        (_long_detail, "xxx"),
    ],
)  # fmt: skip
def test_whatever_a_decoder_does_is_an_input_error_of_bounded_length(
    decoder: Callable[[bytes], Any], said: str
) -> None:
    with pytest.raises(InputError) as refused:
        guarded("own", decoder)(b"x")
    assert said in refused.value.detail
    assert len(refused.value.detail) <= 500
    json.dumps(refused.value.detail)


def test_a_decoder_may_return_all_that_json_could_hold() -> None:
    documents = [{"t": [1, 2.5, True, None, "x", float("nan"), {"u": -(2**64)}]}]
    assert guarded("own", lambda _: documents)(b"") is documents
