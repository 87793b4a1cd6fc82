"""An HTTP server that answers as a Kubernetes API server does, as far as we use it; with faults.

What it has to agree with a real one about is in test_kube_contract.py, which runs against both.
"""

from __future__ import annotations

import asyncio
import copy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web

from tests.kube.objects import Objects, Refused, check_replicas

_KINDS = {
    "statefulsets": "StatefulSet",
    "pods": "Pod",
    "leases": "Lease",
    "poddisruptionbudgets": "PodDisruptionBudget",
}
_VERSIONS = {
    "statefulsets": "apps/v1",
    "pods": "v1",
    "leases": "coordination.k8s.io/v1",
    "poddisruptionbudgets": "policy/v1",
}


class Stub:
    """The server, in a thread of its own."""

    def __init__(self) -> None:
        self.objects = Objects()
        self.faults: list[tuple[str, int]] = []
        """(method, status) of the next answers; status 0: none at all. Method ``*``: any request,
        ``scale``: those of a scale."""
        self.requests: list[tuple[str, str]] = []
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._runner: web.AppRunner | None = None
        self._thread = threading.Thread(target=self._run, name="kube-stub", daemon=True)

    def start(self, port: int = 0) -> None:
        """Listen; on the same port again after :meth:`stop` if one is given."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(port), self._loop).result(10)

    def stop(self) -> None:
        """Be gone."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _start(self, port: int) -> None:
        app = web.Application(middlewares=[self._answer])
        for version in set(_VERSIONS.values()):
            many = (
                f"/{'apis' if '/' in version else 'api'}/{version}"
                + "/namespaces/{namespace}/{kind}"
            )
            app.router.add_get(many, self._list)
            app.router.add_post(many, self._create)
            one = many + "/{name}"
            app.router.add_get(one, self._get)
            app.router.add_put(one, self._replace)
            app.router.add_patch(one, self._patch)
            app.router.add_delete(one, self._delete)
            app.router.add_get(one + "/scale", self._scale)
            app.router.add_patch(one + "/scale", self._patch_scale)
            app.router.add_patch(one + "/status", self._patch_status)
            app.router.add_post(one + "/eviction", self._evict)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        host, at = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{at}"

    async def _stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _answer(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        for place, (method, status) in enumerate(self.faults):
            of_scale = method == "scale" and request.path.endswith("/scale")
            if method in ("*", request.method) or of_scale:
                del self.faults[place]
                if not status:
                    await asyncio.sleep(3600)
                headers = {"Retry-After": "1"} if status == 429 else {}
                return _status(status, "Fault", "as asked for", headers)
        try:
            found = await handler(request)
        except Refused as error:
            return _status(error.status, error.reason, str(error))
        return found if isinstance(found, web.StreamResponse) else web.json_response(found)

    async def _get(self, request: web.Request) -> Any:
        return self._whole(request.match_info["kind"], self._one(request))

    async def _list(self, request: web.Request) -> Any:
        kind, namespace = request.match_info["kind"], request.match_info["namespace"]
        if request.query.get("watch") in ("1", "true", "True"):
            return await self._watch(request, kind, namespace)
        selector = request.query.get("labelSelector", "")
        labels = dict(part.split("=", 1) for part in selector.split(",") if part)
        found = self.objects.list(kind, namespace, labels)
        return {
            "kind": f"{_KINDS[kind]}List",
            "apiVersion": _VERSIONS[kind],
            "metadata": {"resourceVersion": "0"},
            "items": [self._whole(kind, one) for one in found],
        }

    async def _create(self, request: web.Request) -> Any:
        kind, namespace = request.match_info["kind"], request.match_info["namespace"]
        made = self.objects.create(kind, namespace, await request.json(), _dry(request))
        return web.json_response(self._whole(kind, made), status=201)

    async def _replace(self, request: web.Request) -> Any:
        kind = request.match_info["kind"]
        body = await request.json()
        made = self.objects.replace(
            kind, request.match_info["namespace"], request.match_info["name"], body, _dry(request)
        )
        return self._whole(kind, made)

    async def _patch(self, request: web.Request) -> Any:
        kind = request.match_info["kind"]
        body = await _patched(request, self._one(request))
        made = self.objects.replace(
            kind, request.match_info["namespace"], request.match_info["name"], body, _dry(request)
        )
        return self._whole(kind, made)

    async def _delete(self, request: web.Request) -> Any:
        info = request.match_info
        return self.objects.delete(info["kind"], info["namespace"], info["name"])

    async def _scale(self, request: web.Request) -> Any:
        return _scale_of(self._one(request))

    async def _patch_scale(self, request: web.Request) -> Any:
        now = self._one(request)
        wanted = await _patched(request, _scale_of(now))
        check_replicas(wanted["spec"].get("replicas", 0))
        body = copy.deepcopy(now)
        body["spec"]["replicas"] = wanted["spec"].get("replicas", 0)
        body["metadata"]["resourceVersion"] = wanted["metadata"]["resourceVersion"]
        info = request.match_info
        made = self.objects.replace(
            info["kind"], info["namespace"], info["name"], body, _dry(request)
        )
        return _scale_of(made)

    async def _patch_status(self, request: web.Request) -> Any:
        info = request.match_info
        body = await _patched(request, self._one(request))
        made = self.objects.replace_status(info["kind"], info["namespace"], info["name"], body)
        return self._whole(info["kind"], made)

    async def _evict(self, request: web.Request) -> Any:
        self.objects.evict(request.match_info["namespace"], request.match_info["name"])
        body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        return web.json_response({**body, "code": 201}, status=201)

    async def _watch(self, request: web.Request, kind: str, namespace: str) -> Any:
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        for one in self.objects.list(kind, namespace, {}):
            await _event(answer, "ADDED", self._whole(kind, one))
        at = len(self.objects.events)
        deadline = self._loop.time() + float(request.query.get("timeoutSeconds", 5))
        while self._loop.time() < deadline:
            for event_kind, event, one in self.objects.events[at:]:
                if event_kind == kind and one["metadata"].get("namespace") == namespace:
                    await _event(answer, event, self._whole(kind, one))
            at = len(self.objects.events)
            await asyncio.sleep(0.02)
        return answer

    def _one(self, request: web.Request) -> dict[str, Any]:
        info = request.match_info
        return self.objects.get(info["kind"], info["namespace"], info["name"])

    def _whole(self, kind: str, one: dict[str, Any]) -> dict[str, Any]:
        return {"kind": _KINDS[kind], "apiVersion": _VERSIONS[kind], **one}


@contextmanager
def running() -> Iterator[Stub]:
    """A stub until the block ends."""
    stub = Stub()
    stub.start()
    try:
        yield stub
    finally:
        stub.stop()


def _scale_of(one: dict[str, Any]) -> dict[str, Any]:
    labels = one["spec"]["selector"]["matchLabels"]
    meta = one["metadata"]
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            key: meta[key] for key in ("name", "namespace", "uid", "resourceVersion") if key in meta
        },
        "spec": {"replicas": one["spec"].get("replicas", 1)},
        "status": {
            "replicas": one.get("status", {}).get("replicas", 0),
            "selector": ",".join(f"{k}={v}" for k, v in labels.items()),
        },
    }


async def _patched(request: web.Request, now: dict[str, Any]) -> dict[str, Any]:
    patch = await request.json()
    made = copy.deepcopy(now)
    if isinstance(patch, dict):
        _merge(made, patch)
        return made
    for step in patch:
        *path, last = step["path"].strip("/").split("/")
        at = made
        for part in path:
            at = at[part]
        if step["op"] == "test" and at.get(last) != step["value"]:
            raise Refused(422, "Invalid", f"the server rejected our request: test of {last} failed")
        if step["op"] in ("replace", "add"):
            at[last] = step["value"]
    return made


def _merge(into: dict[str, Any], patch: dict[str, Any]) -> None:
    for key, value in patch.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        elif value is None:
            into.pop(key, None)
        else:
            into[key] = value


async def _event(answer: web.StreamResponse, kind: str, one: dict[str, Any]) -> None:
    await answer.write(json.dumps({"type": kind, "object": one}).encode() + b"\n")


def _dry(request: web.Request) -> bool:
    return request.query.get("dryRun") == "All"


def _status(
    status: int, reason: str, message: str, headers: dict[str, str] | None = None
) -> web.Response:
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "message": message,
        "code": status,
    }
    return web.json_response(body, status=status, headers=headers)
