"""What pages load is what its authors released, or is not served."""

import sys

import pytest

from agents.web import assets
from streams.errors import ConfigurationError


@pytest.mark.parametrize("name", assets.ASSETS)
def test_each_file_is_there_and_is_what_was_released(name: str) -> None:
    found = assets.read_asset(name)
    assert len(found.content) > 1000
    assert found.content_type == {"js": "text/javascript", "css": "text/css"}[name.rpartition(".")[2]]


def test_a_file_that_somebody_has_changed_is_not_served() -> None:
    path, _ = assets._CARRIED["uplot.js"]
    with pytest.raises(ConfigurationError, match="is not the file that uPlot has released: install"):
        assets._carried(path, "0" * 64)
    with pytest.raises(ConfigurationError, match=r"youplot/none\.js is not installed"):
        assets._carried("youplot/none.js", "0" * 64)


def test_what_carries_uplot_is_not_imported() -> None:
    assets.read_asset("uplot.js")
    assert "youplot" not in sys.modules
