"""Who may use the HTTP API: whoever shows one of the keys, or everyone where there are none."""

from __future__ import annotations

import hmac

from aiohttp import web

from asr_tasks.contracts.errors import NotAuthorised
from gateway.settings import GatewaySettings


class Keys:
    """The keys of ``ASR_API_KEYS``."""

    def __init__(self, settings: GatewaySettings) -> None:
        listed = settings.api_keys.get_secret_value().split(",")
        self._keys = [key.strip().encode() for key in listed if key.strip()]

    def check(self, request: web.Request) -> None:
        """Pass if a key is shown or none is needed.

        Raises:
            NotAuthorised: none, or not one of ours.
        """
        if self._keys and not self.opens(bearer(request)):
            raise NotAuthorised

    def opens(self, key: str) -> bool:
        """Whether it is one of the keys; never where there are none."""
        # All are compared, so that the time taken tells nothing.
        matches = [hmac.compare_digest(known, key.encode()) for known in self._keys]
        return True in matches


def bearer(request: web.Request) -> str:
    """What ``Authorization: Bearer …`` shows; empty without it."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""
