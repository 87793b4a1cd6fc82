"""The port to what runs workers: a StatefulSet's scale, or this machine's processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from asr_tasks.contracts.errors import BackendDown


class ScaleConflict(Exception):
    """Somebody scaled it since it was read: read it again, and decide again."""


class WorkloadDown(BackendDown):
    """What runs the workers does not answer, or not in time.

    Args:
        message: what was answered.
        retry_after: seconds for which it asks to be left alone; 0: it does not say.
    """

    hint = "The workers cannot be scaled now; is the API server reachable?"

    def __init__(self, message: str = "", *, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Scale:
    """What a workload is told to run.

    Attributes:
        replicas: how many workers.
        version: changes with each change of the scale; opaque.
    """

    replicas: int
    version: str


class Workload(Protocol):
    """The workers of every model. Belongs to one asyncio loop.

    Every method may raise WorkloadDown.
    """

    async def replicas(self, model: str) -> Scale:
        """What it is told to run now."""
        ...

    async def scale(self, model: str, replicas: int, seen: Scale, term: int) -> None:
        """Tell it to run so many, if the scale is still the one that was seen.

        Args:
            model: the catalogue's name.
            replicas: how many.
            seen: what the decision rests on.
            term: of the leader that decides; a later leader's is higher.

        Raises:
            ScaleConflict: it is not; nothing was changed.
        """
        ...

    async def close(self) -> None:
        """Close the connections, or end the processes."""
        ...
