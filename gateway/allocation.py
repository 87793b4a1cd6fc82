"""Port: asking for a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Allocation:
    """The allocator's answer.

    Attributes:
        worker: who has the session now; empty while it waits.
        position: place among those that wait, from 1; 0 when unknown or not waiting.
    """

    worker: str = ""
    position: int = 0

    @property
    def waiting(self) -> bool:
        """Whether no worker is free yet; the allocator dispatches by itself once one is."""
        return not self.worker


class Allocator(Protocol):
    """Asks for a worker for a session that exists in Redis."""

    async def allocate(self, session: str, model: str) -> Allocation:
        """Idempotent.

        Raises:
            BackendDown: no allocator answers (after one round over all addresses).
            AsrError: any other refusal, by its code.
        """
        ...

    async def ready(self) -> bool:
        """Whether an allocator answers."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
