"""Leadership of the scaling loop in a cluster: a Lease, on monotonic clocks, with a fencing token.

The client library's own election does not notice a transport error and leads on as a zombie; and it
compares wall clocks. Here a follower watches the record: when it has not changed for the lease's
duration on the follower's own clock, it takes over by a replace with the resourceVersion it saw, so
that one of several wins. A leader that could not renew acts no more before that, on its own clock.
``leaseTransitions`` rises with each change of holder: the term.
https://kubernetes.io/docs/concepts/architecture/leases/
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Final

from kubernetes import client

from allocator.scaling.kube import called
from allocator.scaling.scaled import ScaleConflict, WorkloadDown
from asr_tasks import log

_log = log.get("asr.leader")

RENEWALS: Final = 4
STEP_DOWN: Final = 0.6
"""Part of the duration after which a leader that could not renew acts no more; with the time of one
call above it, a follower has not taken over yet."""


class KubeLease:
    """One candidate for one Lease. Belongs to one asyncio loop.

    Args:
        api: connected.
        namespace, name: of the Lease.
        holder: this candidate's name, unique.
        duration: seconds after which a leader that shows no sign of life is replaced.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        api: client.ApiClient,
        namespace: str,
        name: str,
        holder: str,
        duration: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._leases = client.CoordinationV1Api(api)
        self._namespace = namespace
        self._name = name
        self._holder = holder
        self._duration = duration
        self._clock = clock
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="lease")
        self._seen: tuple[str, float] = ("", 0.0)
        self._term: int | None = None
        self._renewed = 0.0

    @property
    def term(self) -> int | None:
        """Of this one's leadership, if it may act right now."""
        if self._term is not None and self._clock() - self._renewed > self._duration * STEP_DOWN:
            return None
        return self._term

    async def run(self, stands: Callable[[], bool] = lambda: True) -> None:
        """Stand until cancelled; then resign, so that a successor need not wait.

        Args:
            stands: whether this one may have the lease now. While not, it only watches, and leaves
                the lease if it has it.
        """
        away = False
        try:
            while True:
                try:
                    await self.step(stands=stands())
                    away = False
                except ScaleConflict as error:
                    _log.debug("another one was quicker", name=self._name, error=str(error))
                except WorkloadDown as error:
                    if not away:
                        _log.warning("lease not reached", name=self._name, error=str(error))
                    away = True
                except Exception:
                    # Ending here would end all scaling by this process, and nobody would know.
                    _log.exception("standing for the lease fails", name=self._name)
                await asyncio.sleep(self._duration / RENEWALS * random.uniform(0.8, 1.0))
        finally:
            await self.resign()
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def step(self, *, stands: bool = True) -> int | None:
        """Renew, or see whether the lease is to be had; answers :attr:`term`.

        Args:
            stands: whether it may be had by this one; else it is left, and only watched.

        Raises:
            WorkloadDown: the API server does not answer.
            ScaleConflict: another one was quicker.
        """
        if not stands:
            await self.resign()
        begin = self._clock()
        lease = await self._read()
        if lease is None:
            if not stands:
                return None
            await self._create()
            return self._won(1, begin)
        holder = lease.spec.holder_identity or ""
        version = str(lease.metadata.resource_version)
        if holder == self._holder and self._term is not None:
            await self._replace(lease, self._holder, self._term)
            self._renewed = begin
            return self.term
        if self._term is not None:
            _log.warning("lease lost", name=self._name, holder=holder)
            self._term = None
        if version != self._seen[0]:
            self._seen = (version, begin)
        if not stands or (holder and begin - self._seen[1] < self._duration):
            return None
        term = int(lease.spec.lease_transitions or 0) + 1
        await self._replace(lease, self._holder, term)
        return self._won(term, begin)

    async def resign(self) -> None:
        """Leave the lease, if it is held."""
        term, self._term = self._term, None
        if term is None:
            return
        try:
            lease = await self._read()
            if lease is not None and lease.spec.holder_identity == self._holder:
                await self._replace(lease, "", term)
                _log.info("lease left", name=self._name, term=term)
        except (WorkloadDown, ScaleConflict) as error:
            _log.warning("lease not left", name=self._name, error=str(error))

    def _won(self, term: int, begin: float) -> int:
        self._term, self._renewed = term, begin
        _log.info("lease won", name=self._name, term=term)
        return term

    async def _read(self) -> Any:
        try:
            return await called(
                self._threads, self._leases.read_namespaced_lease, self._name, self._namespace
            )
        except WorkloadDown as error:
            if getattr(error.__cause__, "status", 0) == 404:
                return None
            raise

    async def _create(self) -> None:
        lease = client.V1Lease(
            metadata=client.V1ObjectMeta(name=self._name), spec=self._spec(self._holder, 1)
        )
        await called(self._threads, self._leases.create_namespaced_lease, self._namespace, lease)

    async def _replace(self, lease: Any, holder: str, term: int) -> None:
        lease.spec = self._spec(holder, term)
        await called(
            self._threads,
            self._leases.replace_namespaced_lease,
            self._name,
            self._namespace,
            lease,
        )

    def _spec(self, holder: str, term: int) -> Any:
        return client.V1LeaseSpec(
            holder_identity=holder,
            lease_duration_seconds=max(1, round(self._duration)),
            lease_transitions=term,
            # For people: no decision rests on it.
            renew_time=datetime.now(UTC),
        )
