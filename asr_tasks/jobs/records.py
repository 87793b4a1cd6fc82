"""What both sides of a job's record share: its scripts' names and keys, its fields as objects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from asr_tasks.contracts import names
from asr_tasks.contracts.audio import SAMPLE_RATE
from asr_tasks.contracts.jobs import Job, JobRequest, JobState
from asr_tasks.contracts.transcript import Transcript, Utterance, utterances_from, utterances_json

PACKAGE: Final = "asr_tasks.jobs"
SCRIPTS: Final = (
    "begin", "create", "cut", "finish", "hear", "look", "nudge", "retry", "try",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of a job's recording as it is kept.

    Attributes:
        index: its place.
        start, end: samples at 16 kHz.
        silent: nothing is said in it.
    """

    index: int
    start: int
    end: int
    silent: bool = False

    def to_text(self) -> str:
        """As Redis keeps it, without the index."""
        return f"{self.start} {self.end} {int(self.silent)}"

    @classmethod
    def from_text(cls, index: int, text: str) -> Stretch:
        """Inverse of :meth:`to_text`."""
        start, end, silent = text.split()
        return cls(index, int(start), int(end), silent == "1")


@dataclass(frozen=True, slots=True)
class Kept:
    """All that is kept of a job.

    Attributes:
        job: as people see it.
        serial: raised by everything that happens to it.
        position: samples cut so far.
        channels: of the recording; 0 until it was probed.
        age: seconds since it was created, on Redis's own clock.
    """

    job: Job
    serial: int
    position: int
    channels: int
    age: float


def request_json(request: JobRequest) -> str:
    """JSON of a request."""
    return json.dumps(asdict(request), ensure_ascii=False)


def request_from(text: str) -> JobRequest:
    """Inverse of :func:`request_json`; what a newer version added is left out."""
    raw = json.loads(text)
    return JobRequest(**{key: raw[key] for key in JobRequest.__slots__ if key in raw})


def create_keys(job: str) -> list[str]:
    """Keys of ``create``."""
    return [names.job_key(job), names.JOBS_KEY, names.LIVE_JOBS_KEY, names.JOBS_ORDER_KEY]


def end_keys(job: str) -> list[str]:
    """Keys of ``finish`` and ``retry``."""
    return [*names.job_keys(job), names.LIVE_JOBS_KEY]


def kept_from(job: str, fields: Sequence[str], now: float) -> Kept | None:
    """A job from what ``look`` answered; None if there is none."""
    if not fields:
        return None
    raw = dict(zip(fields[::2], fields[1::2], strict=True))
    state = JobState(raw["state"])
    request = request_from(raw["request"])
    pieces = int(raw.get("pieces", 0))
    duration = float(raw.get("duration", 0))
    heard = int(raw.get("heard", 0)) / SAMPLE_RATE
    cut = raw.get("cut") == "1"
    if cut:
        duration = int(raw["position"]) / SAMPLE_RATE
    found = Job(
        id=job,
        request=request,
        state=state,
        created=float(raw.get("created", 0)),
        duration=duration,
        heard=heard,
        pieces=pieces,
        done=pieces if state is JobState.DONE else int(raw["done"]),
        cut=cut,
        elapsed=_elapsed(raw, now),
        code=raw.get("code", ""),
        message=raw.get("message", ""),
        attempt=int(raw.get("attempt", 1)),
    )
    serial, position = int(raw.get("serial", 0)), int(raw.get("position", 0))
    return Kept(found, serial, position, int(raw.get("channels", 0)), now - found.created)


def _elapsed(raw: Mapping[str, str], now: float) -> float:
    if "begun" not in raw:
        return 0.0
    return max(0.0, float(raw.get("ended", now)) - float(raw["begun"]))


def said(utterances: Iterable[Utterance]) -> str:
    """What was said in a piece, as Redis keeps it."""
    return utterances_json(tuple(utterances))


def assemble(
    request: JobRequest, language: str, stretches: Sequence[Stretch], heard: Mapping[int, str]
) -> Transcript:
    """The transcript of a recording from what was said in its pieces.

    Args:
        request: of the job.
        language: of the model.
        stretches: in order, without a gap.
        heard: of each of them.
    """
    found: list[Utterance] = []
    for stretch in stretches:
        found += utterances_from(heard[stretch.index])
    found.sort(key=lambda one: (one.start, one.channel or 0))
    end = stretches[-1].end if stretches else 0
    return Transcript(request.model, request.language or language, end / SAMPLE_RATE, tuple(found))


def beginning(stretches: Sequence[Stretch], heard: Mapping[int, Any]) -> list[Stretch]:
    """The pieces from the recording's beginning up to the first that is not heard yet."""
    found = []
    for stretch in stretches:
        if stretch.index not in heard:
            break
        found.append(stretch)
    return found
