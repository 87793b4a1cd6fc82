"""Deletes uploads that nobody needs: of jobs that are done, and of gateways that died.

Age is not read from a clock of another machine: a file that no job knows of is deleted once this
gateway has seen it unchanged for long enough on its own clock.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Final

from asr_tasks import log
from asr_tasks.contracts.errors import AsrError
from asr_tasks.contracts.jobs import Jobs, JobState
from gateway.http.places import Place
from gateway.http.uploads import PART, Uploads, job_of
from gateway.stopping import stop

_SHARE: Final = 6
"""Looks within the time after which an orphan is deleted."""
_MOST_SECONDS: Final = 60.0

_log = log.get(__name__)


class Sweep:
    """One per gateway; several may sweep one place."""

    def __init__(
        self, uploads: Uploads, jobs: Jobs, *, orphan_seconds: float, keep_seconds: float
    ) -> None:
        """Args:
        orphan_seconds: after which a file that no job knows of is deleted.
        keep_seconds: the same for that of a job that failed or was cancelled.
        """
        self._uploads = uploads
        self._jobs = jobs
        self._orphan_seconds = orphan_seconds
        self._keep_seconds = keep_seconds
        self._seen: dict[tuple[int, str], tuple[str, float]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first look is at once."""
        self._task = asyncio.create_task(self._run(), name="sweep of uploads")

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            await stop([self._task])

    async def look(self, now: Callable[[], float]) -> None:
        """Look once at everything; ``now`` is a monotonic clock.

        Raises:
            BackendDown: who knows the jobs does not answer.
            OSError: the place does not answer.
        """
        places: list[Place] = [self._uploads.folder]
        if self._uploads.place is not self._uploads.folder:
            places.append(self._uploads.place)
        present: set[tuple[int, str]] = set()
        for number, place in enumerate(places):
            for name, print_ in (await self._uploads.in_thread(place.listed)).items():
                if not job_of(name):
                    continue  # not ours
                present.add((number, name))
                if await self._needless((number, name), print_, now()):
                    await self._uploads.in_thread(place.remove, name)
                    _log.info("an upload is deleted", file=name)
        self._seen = {key: seen for key, seen in self._seen.items() if key in present}

    async def _needless(self, file: tuple[int, str], print_: str, now: float) -> bool:
        name = file[1]
        job = None if name.endswith(PART) else await self._jobs.get(job_of(name))
        if job is None:
            return self._unchanged(file, print_, now) >= self._orphan_seconds
        unchanged = self._unchanged(file, f"{print_} {job.state}", now)
        if job.state is JobState.DONE:
            return True
        return job.state.over and unchanged >= self._keep_seconds

    def _unchanged(self, file: tuple[int, str], print_: str, now: float) -> float:
        """For how many seconds it has been seen as it is."""
        before, since = self._seen.get(file, ("", now))
        if before != print_:
            since = now
        self._seen[file] = (print_, since)
        return now - since

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        every = min(self._orphan_seconds / _SHARE, _MOST_SECONDS)
        while True:
            try:
                await self.look(clock)
            except (AsrError, OSError) as error:
                _log.warning("uploads could not be looked at", reason=str(error))
            except Exception:  # a library's own error of a place
                _log.exception("uploads could not be looked at")
            await asyncio.sleep(every * random.uniform(0.8, 1.2))
