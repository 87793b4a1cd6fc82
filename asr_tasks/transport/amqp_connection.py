"""A py-amqp connection with the two properties its owner thread needs.

1. An error on one channel ends that channel, and is told to that channel's owner. py-amqp
   instead opens the channel again by itself and raises from whatever call happens to read the
   socket, which may be another stream's.
2. Every wait has a bound: a broker that stops answering looks like one that went away.
"""

from __future__ import annotations

import random
import select
import socket
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote, urlsplit

import amqp
from amqp.exceptions import error_for_code

ANSWER_SECONDS: Final = 5.0
"""The broker's time to answer a method, or to take our bytes."""

CONNECT_SECONDS: Final = 3.0

LOST: Final = (amqp.ConnectionError, amqp.RecoverableConnectionError, OSError, EOFError)
"""What a call raises when the connection cannot be used any more (timeouts are OSErrors)."""


class StrictChannel(amqp.Channel):  # type: ignore[misc]  # py-amqp ships no types
    """A channel that dies of its errors and says so.

    Attributes:
        error: why the broker closed it; None while it is open.
        on_error: called with that error, in the thread that reads the connection.
    """

    error: Exception | None = None
    on_error: Callable[[Exception], None] | None = None

    def _on_close(self, code: int, text: str, class_id: int, method_id: int) -> None:
        self.send_method(amqp.spec.Channel.CloseOk)
        # A call that waits on this channel ends with RecoverableConnectionError: see `explain`.
        self.error = error_for_code(code, text, (class_id, method_id), amqp.ChannelError)
        self.collect()
        if self.on_error is not None:
            self.on_error(self.error)


class Connection(amqp.Connection):  # type: ignore[misc]  # py-amqp ships no types
    """A connection whose channels are of the class above."""

    Channel = StrictChannel

    def open_channel(self) -> StrictChannel:
        """A new channel; its owner closes it."""
        channel = StrictChannel(self, auto_decode=False)
        channel.open()
        return channel

    @property
    def sock(self) -> socket.socket:
        """The socket, for a poll."""
        found: socket.socket = self.transport.sock
        return found

    def readable(self) -> bool:
        """Whether a read would find something at once."""
        if hasattr(self.sock, "pending") and self.sock.pending():
            return True
        return bool(select.select([self.sock], [], [], 0)[0])

    def drain(self, most: int = 600) -> None:
        """Handle what has arrived, at most so many frames, without waiting for more.

        One frame at a time: `drain_events` waits for a whole method, which a heartbeat is not.
        """
        for _ in range(most):
            if not self.readable():
                return
            self.blocking_read()


def connect(url: str, name: str, heartbeat: int) -> Connection:
    """Open a connection.

    Args:
        url: AMQP URL, or several separated by ``;`` of which any will do.
        name: shown in the broker's list of connections.
        heartbeat: seconds; a peer silent for two of them is gone.

    Raises:
        amqp.AMQPError, OSError: it cannot be had now.
    """
    parts = urlsplit(random.choice([one for one in url.split(";") if one]))
    secure = parts.scheme == "amqps"
    connection = Connection(
        host=f"{parts.hostname or '127.0.0.1'}:{parts.port or (5671 if secure else 5672)}",
        userid=unquote(parts.username or "guest"),
        password=unquote(parts.password or "guest"),
        virtual_host=unquote(parts.path[1:]) or "/",
        ssl=secure,
        heartbeat=heartbeat,
        connect_timeout=CONNECT_SECONDS,
        login_method="PLAIN",
        client_properties={
            "connection_name": name,
            "capabilities": {"consumer_cancel_notify": True, "connection.blocked": True},
        },
    )
    try:
        connection.connect()
    except BaseException:
        connection.collect()
        raise
    connection.sock.settimeout(ANSWER_SECONDS)
    return connection


def explain(channel: StrictChannel, error: Exception) -> Exception:
    """The broker's own error, when a call failed because its channel was closed."""
    return channel.error or error
