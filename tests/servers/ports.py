"""Free ports on loopback."""

from __future__ import annotations

import contextlib
import socket
import time


def free_port() -> int:
    """A TCP port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, *, within: float) -> None:
    """Return once something accepts connections on the port.

    Raises:
        TimeoutError: nothing does after ``within`` seconds.
    """
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port} after {within} s")


def wait_until_closed(port: int, *, within: float) -> None:
    """Return once nothing accepts connections on the port any more.

    Raises:
        TimeoutError: something still does after ``within`` seconds.
    """
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 0.5).close()
        except OSError:
            return
        time.sleep(0.02)
    raise TimeoutError(f"something still listens on port {port} after {within} s")
