"""A client's connection, as its session sees it."""

from __future__ import annotations

from typing import Protocol

from gateway.events import Event


class ClientGone(Exception):
    """The client cannot be told anything any more."""


class Outlet(Protocol):
    """Implemented by each protocol."""

    async def tell(self, event: Event) -> None:
        """Send; closes the connection after one of :data:`gateway.events.LAST`.

        Raises:
            ClientGone: it is closed, or takes nothing.
        """
        ...
