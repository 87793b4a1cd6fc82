"""Workers as processes of this machine: the StatefulSet of those who have no Kubernetes.

It keeps a StatefulSet's promises, because the loop above relies on them: a worker has an ordinal
and a name made of it; the highest leave first; one that is asked to leave gets SIGTERM, drains, and
holds its ordinal until it is gone; one that dies by itself comes back under its name.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import random
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from allocator.scaling.scaled import Scale, ScaleConflict
from asr_tasks import log

_log = log.get("asr.scaling")

WORKER: Final = (sys.executable, "-m", "asr_tasks.worker")

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
"""Seconds before a worker that died by itself is started again; doubled by each death."""

STEADY_SECONDS: Final = 60.0
"""A worker that lived so long is started again as if it had never died."""

PR_SET_PDEATHSIG: Final = 1
"""https://man7.org/linux/man-pages/man2/pr_set_pdeathsig.2const.html"""


class ProcessWorkload:
    """Worker processes, by model. Belongs to one asyncio loop.

    Args:
        environment: added to this process's own, for every worker.
        folder: where each worker's output goes, ``NAME.log``.
        stop_seconds: after SIGTERM, until a worker that does not leave is killed; more than its
            own time to drain.
        command: what a worker is.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        folder: Path,
        *,
        stop_seconds: float,
        command: Sequence[str] = WORKER,
    ) -> None:
        self._environment = dict(environment)
        self._folder = folder
        self._stop_seconds = stop_seconds
        self._command = tuple(command)
        self._wanted: dict[str, int] = {}
        self._versions: dict[str, int] = {}
        self._changed: dict[str, asyncio.Event] = {}
        self._kept: dict[str, asyncio.Task[None]] = {}

    async def replicas(self, model: str) -> Scale:
        """How many it was told to run."""
        return Scale(self._wanted.get(model, 0), str(self._versions.get(model, 0)))

    async def scale(self, model: str, replicas: int, seen: Scale, term: int) -> None:
        """Run so many; returns at once, workers come and go on their own time.

        ``term`` needs no look here: whoever holds this object is the only one to scale it.

        Raises:
            ScaleConflict: it was scaled since ``seen``.
        """
        if seen != await self.replicas(model):
            raise ScaleConflict(f"the workers of {model} were scaled meanwhile")
        self._wanted[model] = replicas
        self._versions[model] = self._versions.get(model, 0) + 1
        for ordinal in range(replicas):
            self._keep(model, ordinal)
        for event in self._changed.values():
            event.set()

    async def close(self) -> None:
        """Ask every worker to leave; returns when they are gone."""
        self._wanted = dict.fromkeys(self._wanted, 0)
        for event in self._changed.values():
            event.set()
        await asyncio.gather(*self._kept.values(), return_exceptions=True)

    @property
    def running(self) -> int:
        """Workers that are kept or on their way out."""
        return sum(not task.done() for task in self._kept.values())

    def _keep(self, model: str, ordinal: int) -> None:
        name = f"worker-{model}-{ordinal}"
        before = self._kept.get(name)
        if before is not None and not before.done():
            return  # alive, or leaving: then it looks again whether it is wanted
        self._changed[name] = asyncio.Event()
        self._kept[name] = asyncio.create_task(self._keep_one(model, ordinal, name), name=name)

    async def _keep_one(self, model: str, ordinal: int, name: str) -> None:
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE
        while self._is_wanted(model, ordinal):
            begin = loop.time()
            try:
                code = await self._live(model, ordinal, name)
            except OSError as error:
                _log.error("worker cannot be started", worker=name, error=str(error))
                code = -1
            if not self._is_wanted(model, ordinal):
                continue
            if code != 0:
                _log.warning("worker died", worker=name, exit=code)
            pause = FIRST_PAUSE if loop.time() - begin > STEADY_SECONDS else pause
            await self._rest(name, pause * random.uniform(0.5, 1.0))
            pause = min(LONGEST_PAUSE, 2 * pause)

    async def _live(self, model: str, ordinal: int, name: str) -> int:
        """One life of a worker; its exit code."""
        process = await self._start(model, name)
        _log.info("worker started", worker=name, pid=process.pid)
        ended = asyncio.create_task(process.wait())
        try:
            while self._is_wanted(model, ordinal) and not ended.done():
                self._changed[name].clear()
                change = asyncio.create_task(self._changed[name].wait())
                await asyncio.wait({ended, change}, return_when=asyncio.FIRST_COMPLETED)
                change.cancel()
            return await self._leave(process, ended, name)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def _start(self, model: str, name: str) -> asyncio.subprocess.Process:
        own = {"ASR_WORKER_NAME": name, "ASR_MODEL": model, "ASR_WORKER_HTTP": "127.0.0.1:0"}
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / f"{name}.log").open("ab") as out:
            return await asyncio.create_subprocess_exec(
                *self._command,
                env={**os.environ, **self._environment, **own},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us: we ask them to leave
                preexec_fn=_die_with_parent,
            )

    async def _leave(
        self, process: asyncio.subprocess.Process, ended: asyncio.Task[int], name: str
    ) -> int:
        if not ended.done():
            _log.info("worker is asked to leave", worker=name)
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await asyncio.wait({ended}, timeout=self._stop_seconds)
            if not ended.done():
                _log.error("worker does not leave, killed", worker=name)
                process.kill()
        code = await ended
        _log.info("worker left", worker=name, exit=code)
        return code

    async def _rest(self, name: str, seconds: float) -> None:
        self._changed[name].clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed[name].wait()

    def _is_wanted(self, model: str, ordinal: int) -> bool:
        return ordinal < self._wanted.get(model, 0)


def _die_with_parent() -> None:
    # Runs in the child, before the worker: without it a parent that is killed with -9 would leave
    # workers behind that nobody knows.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
