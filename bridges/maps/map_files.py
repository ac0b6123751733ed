"""Map files: those that Weir brings, those of installed packages, and those of the operator's folder."""

from functools import cache
from importlib import resources
from pathlib import Path

from bridges.plugins.loading import all_decoders, installed_maps
from bridges.process.settings import Settings
from streams.errors import ConfigurationError
from streams.payloads.accepted import Limits
from streams.payloads.in_force import MapsInForce
from streams.payloads.maps.model import MAX_FILE_BYTES, Map, parse_map

_PACKAGE = "streams.payloads.builtin"


@cache
def built_in() -> tuple[Map, ...]:
    """Return the maps that Weir brings, by name."""
    folder = resources.files(_PACKAGE)
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda f: f.name)
    maps = [parse_map(file.read_text(encoding="utf-8"), file.name) for file in files]
    return tuple(sorted(maps, key=lambda each: each.name))


def read_map(file: Path) -> Map:
    """Read one map file.

    Raises:
        ConfigurationError: If it cannot be read or is no map.
    """
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
        return parse_map(raw.decode(), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: a map must be a readable UTF-8 file ({error})") from None


def own_maps(folder: Path | None) -> list[Map]:
    """Read the maps of a folder, by file name.

    Raises:
        ConfigurationError: If there is no such folder, or a file in it is no map.
    """
    if folder is None:
        return []
    if not folder.is_dir():
        raise ConfigurationError(f"WEIR_MQTT__MAPS must name a folder of map files, got {str(folder)!r}")
    return [read_map(file) for file in sorted(folder.glob("*.toml"))]


def chosen(names: tuple[str, ...]) -> list[Map]:
    """Return the built-in maps that a setting names: ``all``, ``none`` or names.

    Raises:
        ConfigurationError: If there is none of a name.
    """
    if names == ("all",):
        return list(built_in())
    if names in (("none",), ()):
        return []
    known = {each.name: each for each in built_in()}
    if unknown := sorted(set(names) - set(known)):
        raise ConfigurationError(
            f"WEIR_MQTT__BUILT_IN_MAPS names {', '.join(unknown)}; there are {', '.join(known)}, or all, or none"
        )
    return [known[name] for name in names]


def limits_of(settings: Settings) -> Limits:
    """Return what the bridge accepts."""
    bridge = settings.bridge
    return Limits(
        max_payload_bytes=bridge.max_payload_bytes,
        max_elements=bridge.max_elements,
        max_topic_bytes=bridge.max_topic_bytes,
        max_future_seconds=bridge.max_future_seconds,
        min_collected_at=bridge.min_collected_at,
        ignored_fields=bridge.ignored_fields,
        prefix=settings.mqtt.prefix,
        strict=bridge.strict,
        zone=bridge.zone,
    )


def maps_in_force(settings: Settings, *more: Map) -> MapsInForce:
    """Put the maps in force together.

    Args:
        settings: All settings.
        more: Maps that come before all others, of one's own.

    Raises:
        ConfigurationError: If a map is wrong, what an installed package brings cannot be loaded, or two have the same
            name; only a map of one's own may have that of another, for which it stands in.
    """
    mqtt = settings.mqtt
    own = [*more, *(each for each in own_maps(mqtt.maps) if each.name not in {one.name for one in more})]
    built_in_ones = chosen(mqtt.built_in_maps)
    return MapsInForce(
        own,
        built_in_ones,
        installed=installed_maps(
            own={each.name for each in own}, built_in={each.name for each in built_in_ones}
        ),
        decoders=all_decoders(),
        limits=limits_of(settings),
        zone=settings.bridge.zone,
        unmatched=settings.bridge.unmatched,
    )
