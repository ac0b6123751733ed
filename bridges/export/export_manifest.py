"""The manifest of an export: what was asked for, what each sensor's files hold, and whether all of it balances.

`manifest.jsonl`, one JSON object a line, each written when it is true:

    {"asked": {...}}                                       the first line
    {"begun": "boiler-1"}                                  its files may be half there
    {"sensor": "boiler-1", "held": 9, "rows": 9, ...}      they are whole; the newest line of a sensor counts
    {"total": {"held": 18, "rows": 18, "balanced": true}}  the last line of a run that ended

So an export that was interrupted goes on after the last sensor that is whole, and one that is run again looks only at
those of which MongoDB holds another number now.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streams.errors import ConfigurationError

NAME = "manifest.jsonl"

Json = dict[str, Any]


@dataclass(slots=True)
class ExportedSensor:
    """What is known of one sensor's files.

    Args:
        held: Documents that MongoDB held of it, in the range.
        rows: Rows in its files.
        refused: Documents that cannot be rows; the first reason stands in the manifest.
    """

    held: int
    rows: int
    refused: int = 0

    @property
    def balanced(self) -> bool:
        """Whether each document is a row, or refused by name."""
        return self.held == self.rows + self.refused


@dataclass(slots=True)
class Manifest:
    """The manifest in a folder.

    Args:
        folder: Where the files are.
        sensors: Those whose files are whole.
        unfinished: The one that was begun last, if it was not ended.
    """

    folder: Path
    sensors: dict[str, ExportedSensor] = field(default_factory=dict)
    unfinished: str | None = None

    @classmethod
    def open(cls, folder: Path, asked: Json) -> "Manifest":
        """Go on with what is in a folder, or begin.

        Args:
            folder: Where.
            asked: What is asked for: an export can be continued only by the same.

        Raises:
            ConfigurationError: If another export is there, other files or a manifest that is none, or if it cannot be
                written.
        """
        manifest = cls(folder)
        path = folder / NAME
        try:
            if path.exists():
                manifest._read(path, asked)
            elif folder.exists() and any(folder.iterdir()):
                raise ConfigurationError(f"{folder} holds something else: choose a folder that is empty")
            else:
                folder.mkdir(parents=True, exist_ok=True)
                manifest._write({"asked": asked})
        except OSError as error:
            raise ConfigurationError(f"cannot write {path}: {error}") from None
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ConfigurationError(
                f"{path} is no manifest of an export ({type(error).__name__}: {error}): choose another folder"
            ) from None
        return manifest

    def begin(self, sensor_id: str) -> None:
        """Say that a sensor's files are about to change."""
        self._write({"begun": sensor_id})
        self.unfinished = sensor_id

    def end(self, sensor_id: str, sensor: ExportedSensor, files: list[Json], why_refused: str) -> None:
        """Say that a sensor's files are whole.

        Args:
            sensor_id: Which.
            sensor: What they hold.
            files: Each with its path, rows, bytes and SHA-256.
            why_refused: The first reason, where documents are refused.
        """
        refused = {"refused": sensor.refused, "why": why_refused} if sensor.refused else {}
        line = {"sensor": sensor_id, "held": sensor.held, "rows": sensor.rows, **refused, "files": files}
        self._write(line)
        self.sensors[sensor_id] = sensor
        self.unfinished = None

    def total(self, held: int) -> Json:
        """Say what all files hold, against what MongoDB holds; return it."""
        rows = sum(each.rows for each in self.sensors.values())
        refused = sum(each.refused for each in self.sensors.values())
        balanced = held == rows + refused
        told = {
            "held": held,
            "rows": rows,
            "refused": refused,
            "sensors": len(self.sensors),
            "balanced": balanced,
        }
        self._write({"total": told})
        return told

    def _read(self, path: Path, asked: Json) -> None:
        whole, _, torn = path.read_bytes().rpartition(b"\n")
        if torn:  # it was killed while it wrote: what the line was to say is not true yet
            os.truncate(path, len(whole) + 1 if whole else 0)
        if not whole:
            self._write({"asked": asked})
            return
        lines = [json.loads(line) for line in whole.splitlines()]
        if lines[0].get("asked") != asked:
            raise ConfigurationError(
                f"{self.folder} holds another export ({json.dumps(lines[0].get('asked'))}, not {json.dumps(asked)}): "
                "choose another folder, or ask for the same to go on with it"
            )
        for line in lines[1:]:
            if "begun" in line:
                self.unfinished = line["begun"]
                self.sensors.pop(line["begun"], None)
            elif "sensor" in line:
                self.sensors[line["sensor"]] = ExportedSensor(
                    line["held"], line["rows"], line.get("refused", 0)
                )
                self.unfinished = None

    def _write(self, line: Json) -> None:
        path = self.folder / NAME
        try:
            with path.open("ab") as file:
                file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
        except OSError as error:
            raise ConfigurationError(f"cannot write {path}: {error}") from None
