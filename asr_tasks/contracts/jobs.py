"""A batch job: what is asked for, how far it is, and the port to the place where jobs are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, Protocol

from asr_tasks.contracts.transcript import Transcript

JOB_TASK: Final = "transcribe"
"""Name of the Celery task that begins a job; any Celery client may send it."""

Format = Literal["text", "json", "srt", "vtt", "ctm", "csv"]
Channels = Literal["mix", "split"]

FORMATS: Final[tuple[Format, ...]] = ("text", "json", "srt", "vtt", "ctm", "csv")
CHANNELS: Final[tuple[Channels, ...]] = ("mix", "split")


class JobState(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    """Accepted; nobody has looked at the recording yet."""
    RUNNING = "running"
    """Being probed, cut, recognised or joined."""
    DONE = "done"
    """The transcript is kept, and written if a target was named."""
    FAILED = "failed"
    """Given up; ``code`` and ``message`` say why. May be retried."""
    CANCELLED = "cancelled"
    """Ended by someone. May be retried."""

    @property
    def over(self) -> bool:
        """Whether it stays so unless somebody retries it."""
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What is asked for.

    Attributes:
        source: URI of the recording: a path, ``file:``, ``http(s):`` or ``s3:``.
        target: URI of the file to write; empty: none, the transcript is only kept.
        model: the catalogue's name; empty: the first of the catalogue.
        language: language tag for models that know several; empty: the model's.
        format: of the target.
        channels: ``mix`` them, or ``split``: each apart, merged in order of time.
        webhook: http(s) URL that is told when the job is over; empty: none.
        name: what people call it: a file's name; empty: the source's last part.
    """

    source: str
    target: str = ""
    model: str = ""
    language: str = ""
    format: Format = "json"
    channels: Channels = "mix"
    webhook: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it is kept.

    Attributes:
        id: UUID; the id of its Celery task too.
        request: as it was accepted, with the model's name filled in.
        state: where it is.
        created: seconds since the epoch on the clock of whoever created it; for people only.
        duration: of the recording, seconds; 0 until it was probed.
        heard: seconds of it that are recognised and kept.
        pieces: how many it was cut into so far; ``done`` of them are recognised.
        cut: whether the whole recording has been cut: ``pieces`` will not grow.
        elapsed: seconds of work since it was begun, on its worker's clock; for the speed.
        code, message: of an error, for FAILED.
        attempt: 1, raised by each retry.
    """

    id: str
    request: JobRequest
    state: JobState = JobState.QUEUED
    created: float = 0.0
    duration: float = 0.0
    heard: float = 0.0
    pieces: int = 0
    done: int = 0
    cut: bool = False
    elapsed: float = 0.0
    code: str = ""
    message: str = ""
    attempt: int = 1


class Jobs(Protocol):
    """Where jobs are kept, for who asks for them: the command line and the gateway. Asyncio.

    Every method may raise BackendDown.
    """

    async def create(self, request: JobRequest, job: str = "") -> Job:
        """Keep a new job and have it begun. The same id again changes nothing and answers it.

        Raises:
            UnknownModel, ModelUnavailable, BadParameter: nothing was kept.
        """
        ...

    async def get(self, job: str) -> Job | None:
        """The job, or None if there is none (any more)."""
        ...

    async def recent(
        self, limit: int = 50, state: JobState | None = None, after: str = ""
    ) -> Sequence[Job]:
        """The newest first; ``after``: only those that follow this job in that order, none if it
        is not kept any more.
        """
        ...

    async def cancel(self, job: str) -> Job | None:
        """End it unless it is over; what is being recognised just now is dropped."""
        ...

    async def retry(self, job: str) -> Job | None:
        """Begin a failed or cancelled one again; pieces that are done are not done again."""
        ...

    async def transcript(self, job: str) -> Transcript | None:
        """What was said, if it is DONE and still kept."""
        ...

    async def so_far(self, job: str) -> Transcript | None:
        """What is known of it without a gap from its beginning, in whatever state it is; what was
        answered once is the beginning of every later answer. None if there is no such job.
        """
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
