"""Pages for people lead to each other, over both applications: the worker's on port 3000, model analysis on 8010.

A page is told where the pages of each are: an address, or a port under the name by which the browser reached it.
"""

from html import escape
from importlib.resources import files

from bridges.process.settings import Settings

_BODY = "<body>"


def read_pages(package: str, settings: Settings) -> dict[str, str]:
    """Return all pages of a package, by the names of their files.

    Args:
        package, settings: As for `read_page`.
    """
    names = (each.name for each in files(package).iterdir())
    return {name: read_page(package, name, settings) for name in names if name.endswith(".html")}


def read_page(package: str, name: str, settings: Settings) -> str:
    """Return a page that knows where the others are; ``agents/web/assets/places.js`` makes its navigation.

    Args:
        package, name: The file.
        settings: Where the applications serve.
    """
    page = files(package).joinpath(name).read_text(encoding="utf-8")
    web, analysis = settings.web, settings.analysis
    places = {"plant": web.pages_url or f":{web.port}", "models": analysis.pages_url or f":{analysis.port}"}
    told = " ".join(f'data-{each}="{escape(place)}"' for each, place in places.items())
    assert _BODY in page, f"{name} has a body without attributes"
    return page.replace(_BODY, f"<body {told}>", 1)
