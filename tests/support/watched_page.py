"""A page in a browser that remembers what it complained of."""

import math
from dataclasses import dataclass, field
from typing import Any

from tests.support.patience import PATIENCE

SERIOUS = ("serious", "critical")
# What a browser says of its own when a server does not answer; pages have to say it to people.
_UNREACHABLE, _REFUSED = "net::ERR_CONNECTION", "the server responded with a status of 4"


@dataclass
class WatchedPage:
    """A page.

    Args:
        context: Its window, apart from those of others.
        page: As Playwright drives it.
        refused: Whether a server may refuse what it asks for, without that being a complaint.
        complaints: Errors on the console and exceptions that nothing caught.
    """

    context: Any
    page: Any
    refused: bool = False
    complaints: list[str] = field(default_factory=list)

    @classmethod
    def open(
        cls, browser: Any, address: str, size: tuple[int, int], scheme: str, refused: bool
    ) -> "WatchedPage":
        """Open an address.

        Args:
            browser: The browser.
            address: With scheme, host and port.
            size: Of the window, in CSS pixels.
            scheme: ``light`` or ``dark``.
            refused: Whether a server may refuse what it asks for.
        """
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, reduced_motion="reduce"
        )
        context.set_default_timeout(1000 * PATIENCE)
        opened = cls(context, context.new_page(), refused)
        opened.page.on("console", opened._said)
        opened.page.on("pageerror", lambda error: opened.complaints.append(f"not caught: {error}"))
        opened.page.goto(address)
        return opened

    def close(self) -> None:
        """Close its window."""
        self.context.close()

    def flaws(self) -> list[str]:
        """Return what axe calls serious or critical, each with where it is."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page).response["violations"]
        return [
            f"{each['impact']} {each['id']}: {each['help']}: {[node['target'] for node in each['nodes'][:5]]}"
            for each in found
            if each["impact"] in SERIOUS
        ]

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))

    def seconds_until(self, script: str, seconds: float = 15) -> float:
        """Wait until a script holds in the page, looked at in each frame; return the page's clock at that moment.

        Args:
            script: An expression of JavaScript.
            seconds: How long at most.
        """
        # A function, for the pages' own policy lets no text be evaluated.
        script = f"() => ({script}) && Date.now() / 1000"
        return float(self.page.wait_for_function(script, timeout=math.ceil(seconds * 1000)).json_value())

    def counted_bytes(self) -> list[int]:
        """Return the bytes of each answer that comes from the server from now on, headers included; it grows."""
        came: list[int] = []
        session = self.context.new_cdp_session(self.page)
        session.on("Network.loadingFinished", lambda event: came.append(int(event["encodedDataLength"])))
        session.send("Network.enable")
        return came

    def _said(self, message: Any) -> None:
        expected = (_UNREACHABLE, _REFUSED) if self.refused else (_UNREACHABLE,)
        if message.type == "error" and not any(text in message.text for text in expected):
            self.complaints.append(f"{message.text} ({message.location.get('url', '')})")
