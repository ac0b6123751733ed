"""The pictures of pages that the documentation shows: made by the tests of the pages, when that is asked for."""

import os
from pathlib import Path
from typing import Any, Final

IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
LARGEST_BYTES: Final = 150_000


def are_wanted() -> bool:
    """Tell whether pictures are to be made anew."""
    return bool(os.environ.get("WEIR_TEST_PICTURES"))


def take_picture(page: Any, name: str) -> None:
    """Make a picture of a page, if that is wanted; in any case there is one that is small.

    Args:
        page: As Playwright drives it.
        name: Of the picture, without its ending.
    """
    picture = IMAGES / f"{name}.png"
    if are_wanted():
        page.screenshot(path=picture)
    assert 0 < picture.stat().st_size < LARGEST_BYTES
