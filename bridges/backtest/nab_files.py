"""Read a corpus in the layout of the Numenta Anomaly Benchmark.

<folder>/data/<group>/<name>.csv              timestamp,value
<folder>/labels/combined_windows.json         {"<group>/<name>.csv": [["<first>", "<last>"], ...]}
"""

import csv
import json
import os
from pathlib import Path

from streams.errors import ConfigurationError, InputError
from streams.nab.nab_rules import NabFile
from streams.payloads.event_times import event_time

VARIABLE = "WEIR_NAB_DIR"


def nab_folder(folder: Path | None = None) -> Path:
    """Return the folder of the corpus: the one given, else that in `WEIR_NAB_DIR`.

    Raises:
        ConfigurationError: If neither names a folder with labels in it.
    """
    chosen = folder or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if chosen is None or not (chosen / "labels" / "combined_windows.json").is_file():
        raise ConfigurationError(
            f"--data or {VARIABLE} must name a folder with data/ and labels/combined_windows.json, got {chosen}"
        )
    return chosen


def load_corpus(folder: Path) -> list[NabFile]:
    """Load all labelled files of a folder, by name.

    Raises:
        ConfigurationError: If a file is missing or not in the layout.
    """
    windows = json.loads((folder / "labels" / "combined_windows.json").read_text(encoding="utf-8"))
    return [_load(folder, name, windows[name]) for name in sorted(windows)]


def _load(folder: Path, name: str, windows: list[list[str]]) -> NabFile:
    path = folder / "data" / name
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        times = [event_time(row["timestamp"]) for row in rows]
        values = [float(row["value"]) for row in rows]
        bounds = [(times.index(event_time(first)), times.index(event_time(last))) for first, last in windows]
    except (OSError, KeyError, ValueError, InputError) as error:
        raise ConfigurationError(
            f"{path}: expected timestamp,value and windows that begin and end on rows ({error})"
        ) from None
    return NabFile(name, times, values, bounds)
