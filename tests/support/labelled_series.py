"""Labelled real series that lie outside of the project, and how well raised anomalies fit their labels.

Rivers: `WEIR_RIVERS_DIR`, or `shared/rivers` beside the repository. NAB: `WEIR_NAB_DIR`, or `shared/nab`.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from bridges.backtest.labelled_folder import LabelledFolder, load_labelled
from streams.scoring.fits import Fit, fit, scored_parts
from tests.support.normal_series import raises

ROOT = Path(__file__).parents[2]
SHARED = "WEIR_{}_DIR"
TOLERANCE = 1800.0
"""A raise so many seconds before or after a label belongs to it."""
MERGE = 6 * 3600.0
"""Labels so many seconds apart are one event."""


def folder(name: str) -> Path:
    """Return where a data set is: the variable of its name, or beside the repository."""
    return Path(os.environ.get(SHARED.format(name.upper())) or ROOT.parent / "shared" / name)


def load_rivers(where: Path) -> LabelledFolder:
    """Read the six site-years; no series if they are not there."""
    return load_labelled(where) if (where / "labels.csv").is_file() else LabelledFolder([], [])


def fits_at_the_default(rivers: LabelledFolder) -> Sequence[tuple[str, Fit]]:
    """Return what the default finds on each series, with its site."""
    raised = [raises(list(zip(each.times, each.values, strict=True))) for each in rivers.series]
    return [
        (rivers.series[part.series[0]].site, fit(part, raised, TOLERANCE))
        for part in scored_parts(rivers.series, rivers.labels, MERGE)
    ]
