"""Decoders and maps that installed packages bring by the entry points ``weir.decoders`` and ``weir.maps``.

    [project.entry-points."weir.decoders"]
    probe = "weir_probe:decode"             a function: bytes to a list of documents; maps say format = "probe"

    [project.entry-points."weir.maps"]
    probe = "weir_probe"                    a package with map files (*.toml) in it

Everything is loaded at the start, and what cannot be is refused there: a map whose format is missing at the first
message would set messages aside that a good installation reads.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib import import_module, metadata, resources
from types import ModuleType
from typing import Any

from streams.errors import ConfigurationError
from streams.payloads.formats.own import Decoders, guarded
from streams.payloads.formats.readers import FORMATS
from streams.payloads.maps.model import NAME, Map, parse_map

DECODERS = "weir.decoders"
MAPS = "weir.maps"


@dataclass(frozen=True)
class EntryPoint:
    """An entry point.

    Args:
        group: ``weir.decoders`` or ``weir.maps``.
        name: What it is called.
        target: ``module`` or ``module:name``.
        package: Name of the package that brings it.
        version: And its version.
    """

    group: str
    name: str
    target: str
    package: str
    version: str

    def __str__(self) -> str:
        """Say where it comes from."""
        return f"{self.package} {self.version} ({self.target})"

    @property
    def what(self) -> str:
        """What it brings."""
        return "decoder" if self.group == DECODERS else "map package"


def entries(group: str) -> list[EntryPoint]:
    """List the entry points of a group, by name.

    Raises:
        ConfigurationError: If two packages use one name.
    """
    found: dict[str, EntryPoint] = {}
    for each in metadata.entry_points(group=group):
        # Nothing but text of an installed package has been read so far, and it may be any.
        dist = each.dist
        package, version = (dist.name, dist.version) if dist is not None else ("an unknown package", "")
        entry = EntryPoint(group, each.name, each.value, package, version)
        if (other := found.setdefault(each.name, entry)) != entry:
            raise ConfigurationError(
                f"two installed packages bring a {entry.what} of the name {each.name!r}: {other} and {entry}; "
                "uninstall one of them"
            )
    return [found[name] for name in sorted(found)]


def resolve(target: str) -> Any:
    """Import what a target names.

    Raises:
        Exception: Whatever comes of it: it is code of another's.
    """
    module, _, path = target.partition(":")
    found: Any = import_module(module.strip())
    for name in path.partition("[")[0].strip().split(".") if path else ():
        found = getattr(found, name)
    return found


def imported(entry: EntryPoint) -> Any:
    """Import what an entry point names.

    Raises:
        ConfigurationError: If that fails, whatever the reason.
    """
    try:
        return resolve(entry.target)
    except (Exception, SystemExit) as error:
        raise _refused(entry, f"cannot be imported: {type(error).__name__}: {error}") from None


def decoder_of(entry: EntryPoint) -> Callable[[bytes], Any]:
    """Import a decoder.

    Raises:
        ConfigurationError: If it cannot be imported or called, or its name cannot be that of a format.
    """
    if not NAME.fullmatch(entry.name):
        raise _refused(entry, "must be called by lower-case letters, digits and -")
    if entry.name in FORMATS:
        raise _refused(entry, f"has the name of a format that Weir has ({', '.join(FORMATS)})")
    found: Callable[[bytes], Any] = imported(entry)
    if not callable(found):
        raise _refused(entry, f"must be a function of bytes, got {type(found).__name__}")
    return found


def maps_of(entry: EntryPoint) -> list[Map]:
    """Read the map files of a package, by file name.

    Raises:
        ConfigurationError: If it cannot be imported, or has none, or one of them is no map.
    """
    module = imported(entry)
    if not isinstance(module, ModuleType):
        raise _refused(entry, f"must name a package with map files in it, got {type(module).__name__}")
    try:
        files = sorted(
            (file for file in resources.files(module).iterdir() if file.name.endswith(".toml")),
            key=lambda file: file.name,
        )
        texts = [(file.name, file.read_text(encoding="utf-8")) for file in files]
    except (OSError, TypeError, UnicodeDecodeError) as error:
        raise _refused(entry, f"has map files that cannot be read: {error}") from None
    if not texts:
        raise _refused(
            entry, "has no map files (*.toml): is it a package, and are they among its package data?"
        )
    return [parse_map(text, f"{name} of {entry}") for name, text in texts]


def all_decoders() -> Decoders:
    """Load all decoders.

    Raises:
        ConfigurationError: If one cannot be loaded, or two have one name.
    """
    found = entries(DECODERS)
    return Decoders(
        {each.name: guarded(each.name, decoder_of(each)) for each in found},
        {each.name: f"{each.package} {each.version}" for each in found},
    )


def installed_maps(*, own: Collection[str], built_in: Collection[str]) -> list[Map]:
    """Load the maps of all packages, but for those that a map of one's own stands in for.

    Args:
        own: Names of maps of one's own.
        built_in: Names of the built-in maps in force.

    Raises:
        ConfigurationError: If one cannot be loaded, or has the name of another.
    """
    found: dict[str, tuple[Map, EntryPoint]] = {}
    for entry in entries(MAPS):
        for each in maps_of(entry):
            if each.name in own:
                continue
            if each.name in built_in:
                raise _refused(
                    entry,
                    f"has a map of the name {each.name!r}, as Weir has: leave Weir's out (WEIR_MQTT__BUILT_IN_MAPS "
                    "names those wanted), or put the one that is wanted into WEIR_MQTT__MAPS",
                )
            if each.name in found:
                raise ConfigurationError(
                    f"two maps have the name {each.name!r}: of {found[each.name][1]} and of {entry}; uninstall one of "
                    "them, or put the one that is wanted into WEIR_MQTT__MAPS"
                )
            found[each.name] = each, entry
    return [each for each, _ in found.values()]


def _refused(entry: EntryPoint, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"the {entry.what} {entry.name!r} of {entry} {why}. Mend the package, or uninstall it: "
        f"pip uninstall {entry.package}"
    )
