"""Where another system is, as settings name it: a host, or hosts with their ports.

What would be no host to any resolver, such as a URL, is refused with the settings and not looked up again and again.
"""

import re
from ipaddress import ip_address
from typing import Annotated

from pydantic import AfterValidator

_NAME = re.compile(r"[^\s/:@,?#\[\]]+")
_BROKER = re.compile(r"(?:[^\s/:@,?#\[\]]+|\[[0-9A-Fa-f:.%]+\])(?::(\d{1,5}))?", re.ASCII)
_LAST_PORT = 65535


def _host(value: str) -> str:
    """Accept a name or an address; an IPv6 address has colons, and nothing else has.

    >>> _host("broker.local"), _host("::1")
    ('broker.local', '::1')
    """
    try:
        if _NAME.fullmatch(value) or ip_address(value):
            return value
    except ValueError:
        pass
    raise ValueError("expected a host's name or address, without scheme and port")


def _brokers(value: str) -> str:
    """Accept ``host:port``, or several of them.

    >>> _brokers("a:9092, [::1]:9092,b")
    'a:9092, [::1]:9092,b'
    """
    for each in value.split(","):
        found = _BROKER.fullmatch(each.strip())
        if found is None or not 0 < int(found[1] or 1) <= _LAST_PORT:
            raise ValueError("expected host:port, comma separated, without a scheme")
    return value


Host = Annotated[str, AfterValidator(_host)]
"""A host's name or address."""
Brokers = Annotated[str, AfterValidator(_brokers)]
"""Bootstrap servers of Kafka."""
