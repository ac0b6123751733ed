"""The fingerprint of the maps in force: another one for all that changes what is read, the same for all else."""

from typing import Any

from click.testing import CliRunner

from agents.cli import main
from bridges.maps.map_files import maps_in_force
from bridges.process.settings import Settings
from streams.payloads.accepted import Limits
from streams.payloads.formats.own import Decoders
from streams.payloads.in_force import MapsInForce
from streams.payloads.maps.model import Map, parse_map

RULE = '[[rule]]\ntopic = "a/{sensor}"\n'
A, B = parse_map(f'name = "a"\n{RULE}'), parse_map(f'name = "b"\n{RULE}')


def of(*own: Map, **more: Any) -> bytes:
    return MapsInForce(own, **more).fingerprint


def test_what_does_not_change_what_is_read_does_not_change_the_fingerprint() -> None:
    described = parse_map(
        f'# a comment\nname = "a"\nabout = "houses"\nsource = "a manual"\n{RULE}shape = "any"\n'
    )
    assert of(described) == of(A) == of(A)
    assert len(of(A)) == 8


def test_everything_that_changes_what_is_read_changes_the_fingerprint() -> None:
    found = [
        of(),
        of(A),
        of(B),
        of(A, B),
        of(B, A),
        of(built_in=[A]),
        of(installed=[A]),
        of(parse_map(f'name = "a"\n{RULE}zone = "Europe/Berlin"\n')),
        of(parse_map(f'name = "a"\n{RULE}fields = {{ t = {{ scale = 2 }}, u = {{ scale = 3 }} }}\n')),
        # The first pattern that matches counts, so that their order is part of the map.
        of(parse_map(f'name = "a"\n{RULE}fields = {{ u = {{ scale = 3 }}, t = {{ scale = 2 }} }}\n')),
        of(A, limits=Limits(strict=True)),
        of(A, limits=Limits(ignored_fields=frozenset({"b", "a"}))),
        of(A, zone="Europe/Berlin"),
        of(A, unmatched="ignore"),
        of(A, decoders=Decoders({}, {"probe": "weir-probe 1.0"})),
        of(A, decoders=Decoders({}, {"probe": "weir-probe 1.1"})),
    ]
    assert len(set(found)) == len(found)


def test_map_check_shows_the_fingerprint_of_the_maps_in_force_and_of_those_with_a_file(tmp_path) -> None:
    (tmp_path / "a.toml").write_text(f'name = "a"\n{RULE}')
    settings = Settings()
    now, then = maps_in_force(settings).fingerprint.hex(), maps_in_force(settings, A).fingerprint.hex()
    shown = CliRunner().invoke(main, ["map", "check"]).output.splitlines()
    assert f"maps in force: {now}" in shown
    shown = CliRunner().invoke(main, ["map", "check", str(tmp_path / "a.toml")]).output.splitlines()
    assert f"maps in force: {now}, with these {then}" in shown
