"""Read a folder of labelled series.

<folder>/data/**/<name>.csv     or <folder>/**/<name>.csv; as `bridges.sources.file_source` reads any readings
<folder>/labels.csv             sensor_id,quantity,start,end,kind; or labels/combined_windows.json, the Numenta
                                Anomaly Benchmark's; or the file that is named

The *site* of a series is the folder in ``data`` that its file lies in, or else the file's name without the digits at
its end: ``TonyGrove2014`` and ``TonyGrove2020`` are one site.
"""

from pathlib import Path
from typing import NamedTuple

from bridges.backtest.backtesting import UnreadableRecords
from bridges.process.settings import Settings
from bridges.sources.file_source import FileSource
from bridges.sources.label_source import read_labels
from bridges.sources.source import Selection
from streams.backtest.evaluation import unmatched
from streams.errors import ConfigurationError
from streams.records.types import Label, Reading
from streams.scoring.fits import LabelledSeries

LABEL_FILES = ("labels.csv", "labels/combined_windows.json")
_YEAR = "0123456789-_. "


class LabelledFolder(NamedTuple):
    """What a folder holds.

    Args:
        series: In the order of the files, and of the quantities in them.
        labels: Those of the series, within their readings.
        outside: Labels beyond the readings of their series, which cannot be found.
        unmatched: Labels of series that are not there.
        unreadable: Rows that were passed over.
    """

    series: list[LabelledSeries]
    labels: list[Label]
    outside: int = 0
    unmatched: int = 0
    unreadable: int = 0


def load_labelled(
    folder: Path,
    labels: str | None = None,
    *,
    skip_unreadable: bool = False,
    ignore_unmatched: bool = False,
) -> LabelledFolder:
    """Read series and labels of a folder.

    Args:
        folder: The folder.
        labels: The file of labels; without it, the one of `LABEL_FILES` that is there.
        skip_unreadable: Pass over rows that cannot be read.
        ignore_unmatched: Leave out labels whose series is not there.

    Raises:
        ConfigurationError: If the folder is not such a one, or a label names a series that is not there.
        UnreadableRecords: With the first row that cannot be read.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"there is no folder {folder}")
    named = Path(labels) if labels else _label_file(folder)
    found = read_labels(str(named), Settings())
    series, unreadable = _series(folder, named, skip_unreadable=skip_unreadable)
    quantities: dict[str, list[str]] = {}
    for each in series:
        quantities.setdefault(each.sensor_id, []).append(each.quantity)
    strange = unmatched(found, quantities)
    if strange and not ignore_unmatched:
        some = ", ".join(dict.fromkeys(f"{each.sensor_id}/{each.quantity}" for each in strange[:5]))
        raise ConfigurationError(
            f"{len(strange)} of {len(found)} labels match no series of {folder} ({some}): correct them, or leave "
            "them out with --ignore-unmatched"
        )
    bounds: dict[str, tuple[float, float]] = {}
    for each in series:
        low, high = bounds.get(each.sensor_id, (min(each.times), max(each.times)))
        bounds[each.sensor_id] = min(low, *each.times), max(high, *each.times)
    left = [label for label in found if label not in strange]
    kept = [
        label
        for label in left
        if label.end >= bounds[label.sensor_id][0] and label.start <= bounds[label.sensor_id][1]
    ]
    if not kept:
        raise ConfigurationError(f"no label of {folder} lies within the readings of its series")
    return LabelledFolder(series, kept, len(left) - len(kept), len(strange), unreadable)


def _label_file(folder: Path) -> Path:
    for name in LABEL_FILES:
        if (folder / name).is_file():
            return folder / name
    raise ConfigurationError(
        f"{folder} must hold {' or '.join(LABEL_FILES)}, or --labels must name the file of labels"
    )


def _series(folder: Path, labels: Path, *, skip_unreadable: bool) -> tuple[list[LabelledSeries], int]:
    whole = FileSource.open(folder, Selection())
    no_series = {path.resolve() for path in (labels, *(folder / name for name in LABEL_FILES))}
    files = [path for path in whole.files if path.resolve() not in no_series]
    data = folder / "data" if (folder / "data").is_dir() else folder
    series: dict[tuple[str, str], LabelledSeries] = {}
    unreadable = 0
    for path in files:
        source = FileSource((path,), Selection(), whole.root)
        name = path.relative_to(data).with_suffix("").as_posix()
        readings: dict[tuple[str, str], LabelledSeries] = {}
        for chunk in source.read(source.partitions):
            if chunk.unreadable and not skip_unreadable:
                where, detail = chunk.unreadable[0]
                raise UnreadableRecords(
                    f"a row cannot be read, {where}: {detail}; correct it, or pass over such with --skip-unreadable"
                )
            unreadable += len(chunk.unreadable)
            for _, _, record in chunk.records:
                if isinstance(record, Reading):
                    for quantity, value in record.values.items():
                        key = record.sensor_id, quantity
                        if (known := readings.get(key)) is None:
                            known = readings[key] = LabelledSeries(*key, name, _site(name), [], [])
                        known.times.append(record.collected_at)
                        known.values.append(value)
        _refuse_twice(series, readings)
        series |= readings
    return list(series.values()), unreadable


def _site(name: str) -> str:
    folder, _, stem = name.rpartition("/")
    return folder or stem.rstrip(_YEAR) or stem


def _refuse_twice(
    series: dict[tuple[str, str], LabelledSeries], more: dict[tuple[str, str], LabelledSeries]
) -> None:
    for key, each in more.items():
        if key in series:
            raise ConfigurationError(
                f"series {each.name} stands in {series[key].file} and {each.file}: put each into one file"
            )
