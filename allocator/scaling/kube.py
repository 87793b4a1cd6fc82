"""Workers as the StatefulSets of a cluster: reads and patches their ``scale``, and nothing else.

The client is the blocking one, in threads of its own: every call has a deadline that the loop keeps
even when the server trickles, and a thread that hangs holds up nothing but itself. A patch carries
the resourceVersion that the decision rests on, so whoever decided on an older one is refused (409),
a leader that was replaced and does not know it among them.
https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from allocator.scaling.scaled import Scale, ScaleConflict, WorkloadDown
from asr_tasks.configuration import ConfigurationError

CALL_SECONDS: Final = 5.0
"""One answer of the API server."""

THREADS: Final = 8

_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
"""Where a pod finds its own."""


def connected(kubeconfig: str = "") -> client.ApiClient:
    """A client of the cluster that this process runs in, or of a kubeconfig's.

    Raises:
        ConfigurationError: there is neither.
    """
    settings = client.Configuration()
    try:
        if kubeconfig:
            config.load_kube_config(kubeconfig, client_configuration=settings)
        else:
            config.load_incluster_config(client_configuration=settings)
    except (config.ConfigException, OSError) as error:
        raise ConfigurationError(
            f"ASR_SCALER=kubernetes: no cluster to speak with ({error}); run in a pod with a "
            "service account, or set ASR_KUBECONFIG"
        ) from error
    settings.retries = False  # a later look of the loop is the retry
    return client.ApiClient(settings)


def own_namespace() -> str:
    """Of the pod that this process is; ``default`` outside of one."""
    try:
        return _NAMESPACE.read_text("utf-8").strip()
    except OSError:
        return "default"


class StatefulSets:
    """Implements :class:`allocator.scaling.scaled.Workload`.

    Args:
        api: connected.
        namespace: of the StatefulSets.
        sets: model → StatefulSet.
    """

    def __init__(self, api: client.ApiClient, namespace: str, sets: Mapping[str, str]) -> None:
        self._api = api
        self._apps = client.AppsV1Api(api)
        self._namespace = namespace
        self._sets = dict(sets)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="kube")

    async def replicas(self, model: str) -> Scale:
        name = self._sets[model]
        found = await self._call(
            self._apps.read_namespaced_stateful_set_scale, name, self._namespace
        )
        return Scale(int(found.spec.replicas or 0), str(found.metadata.resource_version))

    async def scale(self, model: str, replicas: int, seen: Scale, term: int) -> None:
        body = {"metadata": {"resourceVersion": seen.version}, "spec": {"replicas": replicas}}
        await self._call(
            self._apps.patch_namespaced_stateful_set_scale, self._sets[model], self._namespace, body
        )

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._api.close)

    async def _call(self, call: Callable[..., Any], *arguments: Any) -> Any:
        return await called(self._threads, call, *arguments)


async def called(threads: ThreadPoolExecutor, call: Callable[..., Any], *arguments: Any) -> Any:
    """One call of the API, in a thread, within its deadline.

    Raises:
        ScaleConflict: 409: the object has changed since.
        WorkloadDown: anything else; the message says what was answered.
    """
    loop = asyncio.get_running_loop()

    def run() -> Any:
        return call(*arguments, _request_timeout=CALL_SECONDS)

    try:
        async with asyncio.timeout(CALL_SECONDS):
            return await loop.run_in_executor(threads, run)
    except ApiException as error:
        if error.status == 409:
            raise ScaleConflict(f"{arguments[0]} has changed meanwhile") from error
        message = f"kubernetes: {arguments[0]}: {_said(error)}"
        raise WorkloadDown(message, retry_after=_asked(error)) from error
    except TimeoutError as error:
        raise WorkloadDown(f"kubernetes: no answer within {CALL_SECONDS:g} s") from error
    except (HTTPError, OSError) as error:
        raise WorkloadDown(f"kubernetes: {type(error).__name__}: {error}"[:300]) from error


def _asked(error: ApiException) -> float:
    """Seconds of Retry-After. Not a date: it would be of another machine's clock."""
    text = str((error.headers or {}).get("Retry-After", ""))
    return float(text) if text.isdecimal() else 0.0


def _said(error: ApiException) -> str:
    hints = {
        401: "not logged in",
        403: "this service account may not do that; its Role must name the StatefulSet's scale",
        404: "there is no such StatefulSet; the catalogue's `statefulset` says its name",
        429: "too many requests",
    }
    return f"{error.status} {hints.get(error.status or 0, error.reason)}"
