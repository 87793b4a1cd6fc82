"""The scaling loop of a cluster: the catalogue's models, their StatefulSets, a Lease."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from allocator.scaling.kube import StatefulSets, connected, own_namespace
from allocator.scaling.kube_lease import KubeLease
from allocator.scaling.loop import Scaled, ScalingLoop
from allocator.scaling.observation import Bounds
from allocator.settings import MonitorSettings
from allocator.store import Store
from asr_tasks import log
from asr_tasks.catalogue import Catalogue, Entry
from asr_tasks.configuration import ConfigurationError

_log = log.get("asr.scaling")


@contextlib.asynccontextmanager
async def cluster_scaling(
    settings: MonitorSettings, store: Store, leads: Callable[[], bool] = lambda: True
) -> AsyncIterator[ScalingLoop]:
    """The loop, for as long as the block lasts; it acts while this process holds the Lease, too.

    What is written to Redis is fenced by the monitor's own term; the Lease keeps a second scaler
    away whose Redis is another one, and the resourceVersion in each patch one that was stopped.
    Only who leads the monitors stands for it: two elections that know nothing of each other would
    choose two, of whom neither may act.

    Args:
        settings: of the monitor.
        store: where workers are registered.
        leads: whether this process leads the monitors right now.

    Raises:
        ConfigurationError: no cluster, or models that cannot be scaled.
    """
    entries = scaled_entries(Catalogue.load(settings.catalogue), settings.scaled_models)
    namespace = settings.kube_namespace or own_namespace()
    api = connected(settings.kubeconfig)
    sets = {entry.name: statefulset_of(entry) for entry in entries}
    workload = StatefulSets(api, namespace, sets)
    lease = KubeLease(
        api,
        namespace,
        settings.kube_lease,
        settings.allocator_name,
        settings.kube_lease_seconds,
    )
    models = [
        Scaled(entry.name, entry.slots, Bounds(entry.min_replicas, entry.max_replicas))
        for entry in entries
    ]
    _log.info("workers are scaled", namespace=namespace, statefulsets=sorted(sets.values()))
    standing = asyncio.create_task(lease.run(leads), name="lease")
    try:
        yield ScalingLoop(settings, store, workload, models, lambda: lease.term is not None)
    finally:
        standing.cancel()
        await asyncio.gather(standing, return_exceptions=True)
        await workload.close()


def scaled_entries(catalogue: Catalogue, named: str) -> list[Entry]:
    """The models whose workers are scaled.

    Raises:
        ConfigurationError: there is none.
        UnknownModel: a name that is not in the catalogue.
    """
    names = [name.strip() for name in named.split(",") if name.strip()]
    entries = (
        [catalogue.get(name) for name in names]
        if names
        else [entry for entry in catalogue.values() if entry.max_replicas > 1]
    )
    if not entries:
        raise ConfigurationError(
            "ASR_SCALER=kubernetes: no model has a max_replicas above 1 in the catalogue; give one "
            "there, or name models in ASR_SCALED_MODELS"
        )
    return entries


def statefulset_of(entry: Entry) -> str:
    """The StatefulSet of a model's workers."""
    return entry.statefulset or f"asr-worker-{entry.name}"
