"""Ports of our own: is one free, and what to say when it is not."""

import socket

from streams.errors import ConfigurationError


def port_taken(port: int, host: str) -> bool:
    """Tell whether another program listens on the port."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections in TIME_WAIT do not matter
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def cannot_listen(host: str, port: int, setting: str, reason: str = "it is taken") -> ConfigurationError:
    """Return the error of a port that cannot be had.

    Args:
        host, port: Where we wanted to listen.
        setting: The variable that chooses the port.
        reason: What the system says.
    """
    return ConfigurationError(
        f"cannot listen on port {port} of {host}: {reason}. It may be another worker, bridge or `weir up` of this "
        f"machine, or any other program (`ss -ltnp sport = :{port}` tells): stop that, or choose another port with "
        f"{setting}"
    )


def require_free(host: str, port: int, setting: str) -> None:
    """Make sure that a port can be had.

    Args:
        host, port, setting: As for `cannot_listen`.

    Raises:
        ConfigurationError: If it cannot.
    """
    if port_taken(port, host):
        raise cannot_listen(host, port, setting)
