"""Whether a model may be asked for."""

from __future__ import annotations

from typing import Protocol

from allocator.store import Store
from asr_tasks.contracts import names
from asr_tasks.contracts.errors import ModelUnavailable


class Models(Protocol):
    """Port."""

    async def check(self, name: str) -> None:
        """Raise unless a session of this model may be queued.

        Raises:
            UnknownModel: it is not in the catalogue.
            ModelUnavailable: its checkpoint is absent, and no worker serves it all the same.
        """
        ...


class Entry(Protocol):
    """One model of the catalogue."""

    def check(self) -> None:
        """Raise ModelUnavailable if its checkpoint is absent here."""
        ...


class Entries(Protocol):
    """The part of :class:`asr_tasks.catalogue.Catalogue` that is needed here."""

    def get(self, name: str) -> Entry:
        """Raises UnknownModel."""
        ...


class CatalogueModels:
    """The catalogue file, and the workers that are registered.

    A checkpoint usually lies on the workers' volume and not here: that a worker serves the model
    is better evidence than a look at this machine's files.
    """

    def __init__(self, catalogue: Entries, store: Store) -> None:
        self._catalogue = catalogue
        self._store = store

    async def check(self, name: str) -> None:
        entry = self._catalogue.get(name)
        try:
            entry.check()
        except ModelUnavailable:
            if not await self._served(name):
                raise

    async def _served(self, name: str) -> bool:
        workers = await self._store.read("SMEMBERS", names.WORKERS_KEY)
        models = await self._store.read_each(
            [("HGET", names.worker_key(worker), "model") for worker in workers]
        )
        return name in models
