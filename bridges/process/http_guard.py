"""What every web server of Weir holds a request and an answer to.

A web site can let its own name mean 127.0.0.1 once its page is loaded (DNS rebinding): to the browser the page then
asks its own site, and reads what a server without a login answers. What it cannot change is the ``Host`` header,
which holds that name. So a server answers only under names that are its own: those of the loopback interface, those
it is advertised by, those that ``WEIR_WEB__ALLOWED_HOSTS`` adds, and the very address that the connection reached
(a number is not looked up, so it cannot be rebound).
"""

import re
from collections.abc import Iterable
from ipaddress import ip_address

# The pages are single files that load nothing from elsewhere: the browser holds them to that.
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        "img-src data:; "
        "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
ANY = "*"
_LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain"})
# RFC 9110, 7.2: uri-host [":" port]; an IPv6 address stands in brackets.
_HOST = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<name>[^\s:/?#@\[\]]+))(?::\d{0,5})?")


class AllowedHosts:
    """The names under which a server answers.

    Args:
        names: Host names or addresses besides those of the loopback interface; ``*`` allows any.

    >>> allowed = AllowedHosts(["worker-1"])
    >>> [allowed.admits(host) for host in ("127.0.0.1:3000", "Worker-1:3000", "evil.example")]
    [True, True, False]
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {name.strip().strip("[]").rstrip(".").lower() for name in names} - {""}

    def admits(self, host: str | None, reached: str = "") -> bool:
        """Tell whether a request may be answered.

        Args:
            host: Its ``Host`` header, if it has one.
            reached: The address of this machine at which its connection arrived.
        """
        if ANY in self._names:
            return True
        found = _HOST.fullmatch(host or "")
        if found is None:
            return False
        name = (found["six"] or found["name"]).rstrip(".").lower()
        return name in self._names or is_loopback(name) or name == reached.lower()

    def refusal(self, host: str | None) -> str:
        """Say why a request is not answered, and what an operator can do."""
        return (
            f"the Host header must name this server, got {(host or '')[:80]!r}: "
            "add the name to WEIR_WEB__ALLOWED_HOSTS if it is one of its own"
        )


def is_loopback(host: str) -> bool:
    """Tell whether a host, by name or address, is this machine's own loopback interface.

    >>> [is_loopback(host) for host in ("localhost", "127.8.0.1", "::1", "10.0.0.1", "localhost.evil.example")]
    [True, True, True, False, False]
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() in _LOOPBACK_NAMES
