"""Configurations for a backtest, from TOML files or from the settings in force."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from bridges.devices.device_registry import devices_on_kafka
from bridges.process.near_names import did_you_mean
from bridges.process.settings import Settings, WindowSettings
from streams.backtest.configuration import Configuration
from streams.errors import ConfigurationError
from streams.rules.rule_devices import asks_for_devices, with_sensors

CURRENT = "current"
"""Names the settings in force, in place of a file."""


def current(settings: Settings) -> Configuration:
    """Return the settings in force as a configuration."""
    windows = settings.windows.model_dump(mode="python")
    return _checked(
        Configuration(CURRENT, windows, settings.detection.given(), settings.bridge.tick_seconds),
        "the settings in force",
    )


def read(path: Path, settings: Settings, name: str | None = None) -> Configuration:
    """Read a configuration from a TOML file: what it says, and for the rest the settings in force.

    Args:
        path: The file; sections other than ``windows`` and ``detection`` are left aside.
        settings: The settings in force.
        name: Shown in reports; the file's name without suffix when not given.

    Raises:
        ConfigurationError: If it cannot be read, or a name or value in it is not acceptable.
        TransientError: If it says by the registry of devices whose series it is about, and Kafka does not answer.
    """
    found = sections_in(path)
    try:
        windows = found.get("windows", {})
        if isinstance(windows, dict):
            windows = {**settings.windows.model_dump(mode="python"), **windows}
        windows = WindowSettings.model_validate(windows).model_dump(mode="python")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"configuration {path}: windows.{where}: {first['msg']}") from None
    detection = found.get("detection", {})
    if not isinstance(detection, dict):
        raise ConfigurationError(f"configuration {path}: detection must be a section")
    if asks_for_devices(detection):
        detection = _with_devices(detection, settings, f"configuration {path}")
    merged = _over(settings.detection.given(), detection)
    return _checked(
        Configuration(name or path.stem, windows, merged, settings.bridge.tick_seconds),
        f"configuration {path}",
    )


def _with_devices(detection: dict[str, Any], settings: Settings, where: str) -> dict[str, Any]:
    try:
        return with_sensors(detection, devices_on_kafka(settings).values(), did_you_mean)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from None


def sections_in(path: Path) -> dict[str, Any]:
    """Return what a file of settings says, section by section.

    Raises:
        ConfigurationError: If it cannot be read, is not TOML, or has a section that does not exist.
    """
    try:
        found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read configuration {path}: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"configuration {path} is not TOML: {error}") from None
    if unknown := sorted(found.keys() - Settings.model_fields.keys()):
        raise ConfigurationError(f"configuration {path}: unknown section {', '.join(unknown)}")
    return found


def detector_named(text: str) -> dict[str, Any]:
    """Return what a command line says of a detector, as a part of a configuration.

    Args:
        text: Its name, or ``NAME:{"parameter": value}``.

    Raises:
        ConfigurationError: If the parameters are no JSON object.
    """
    name, _, parameters = text.partition(":")
    try:
        given = msgspec.json.decode(parameters, type=dict[str, Any]) if parameters else {}
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"--detector {text}: parameters must be a JSON object ({error})") from None
    return {"detector": name, "parameters": given}


def _over(in_force: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Lay a file's detection over that in force; of two patterns for a series, the file's comes first."""
    merged = {**in_force, **own}
    if "raise_at" in own and "budget_per_week" not in own:
        merged.pop("budget_per_week", None)  # it would win over the file's own threshold
    if isinstance(series := own.get("series"), dict):
        others = {name: each for name, each in in_force.get("series", {}).items() if name not in series}
        merged["series"] = {**series, **others}
    return merged


def read_all(names: Sequence[str], settings: Settings) -> list[Configuration]:
    """Read the configurations of a backtest.

    Args:
        names: Files, or ``current``. One alone is compared with the settings in force; none means those alone.
        settings: The settings in force.

    Raises:
        ConfigurationError: If one cannot be read, or two have the same name.
    """
    found = [current(settings) if name == CURRENT else read(Path(name), settings) for name in names]
    if len(found) <= 1 and CURRENT not in names:
        found.insert(0, current(settings))
    taken = [each.name for each in found]
    if twice := sorted({name for name in taken if taken.count(name) > 1}):
        raise ConfigurationError(f"two configurations are called {', '.join(twice)}: rename a file")
    return found


def _checked(configuration: Configuration, where: str) -> Configuration:
    try:
        configuration.policy()
        configuration.plan()
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from None
    return configuration
