"""What a gateway says of itself to probes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.health import Health


class Bus:
    """A broker that is there or not, and has an alarm or not."""

    def __init__(self, *, there: bool, free: bool) -> None:
        self._there, self._free = there, free

    def ready(self) -> bool:
        return self._there

    async def unblocked(self, seconds: float) -> bool:
        return self._there and self._free


@pytest.mark.parametrize(
    ("there", "free", "missing"),
    [(True, True, []), (True, False, ["broker: blocked"]), (False, True, ["broker"])],
)
async def test_a_blocked_broker_is_named(there: bool, free: bool, missing: list[str]) -> None:
    async def well() -> bool:
        return True

    services: Any = SimpleNamespace(
        bus=Bus(there=there, free=free),
        store=SimpleNamespace(beat=well),
        allocator=SimpleNamespace(ready=well),
    )
    registry: Any = None
    assert await Health(services, registry).missing() == missing
