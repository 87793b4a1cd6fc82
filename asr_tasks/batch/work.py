"""What each task of a job does, without Celery: ports in, messages out.

One object a process. Sending comes last in each step, and the message that began the step is
acknowledged after it: whoever dies in between is repeated (see :mod:`asr_tasks.jobs`).

A short recording goes through the same steps in one run, without messages between them: each is
kept before the next begins, and the message that began the run is repeated when it dies. Then the
next run reads in the record how far the last one came.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from asr_tasks.batch import hearing, plan
from asr_tasks.catalogue import Catalogue, Entry
from asr_tasks.contracts.audio import SAMPLE_RATE
from asr_tasks.contracts.errors import BadSource
from asr_tasks.contracts.jobs import JobRequest, JobState
from asr_tasks.contracts.transcript import Transcript
from asr_tasks.formats import render
from asr_tasks.jobs.records import Kept, Stretch, assemble
from asr_tasks.jobs.redis_records import JobRecords, Over
from asr_tasks.media import decode, targets
from asr_tasks.media.sources import opened
from asr_tasks.media.uri import shown
from asr_tasks.recognizers.offline import OfflineRecognizer

CHANGED: Final = 0.5
"""Seconds that may be missing of what was cut: decoders differ by some samples at the end."""

Progress = Callable[[Kept], None]
Joined = tuple[Kept, Transcript]


class Messages(Protocol):
    """Sends the tasks that follow; each raises an error if the broker has not taken it."""

    def cut(self, job: str, model: str, start: int) -> None:
        """Cut from that sample on."""
        ...

    def hear(self, job: str, model: str, first: int, last: int) -> None:
        """Hear these pieces."""
        ...

    def join(self, job: str, model: str) -> None:
        """Make the transcript."""
        ...


class Work:
    """The steps of every job.

    Args:
        records: of the jobs.
        messages: what is sent.
        catalogue: the models.
        recognizer: gives the recogniser of a model, loaded when it is first asked for.
        rest: called between pieces; returns when the machine has time for them.
    """

    def __init__(
        self,
        records: JobRecords,
        messages: Messages,
        catalogue: Catalogue,
        recognizer: Callable[[Entry], OfflineRecognizer],
        rest: Callable[[], None] = lambda: None,
    ) -> None:
        self._records = records
        self._messages = messages
        self._catalogue = catalogue
        self._recognizer = recognizer
        self._rest = rest

    def begin(self, job: str, request: JobRequest) -> Kept:
        """Keep the job if nobody has, look at the recording. What follows is to be sent or done.

        Raises:
            BadSource, BadAudio, SourceUnavailable, UnknownModel: it cannot be done, or not now.
            Over: it has ended.
        """
        self._records.create(job, request)
        if self.kept(job).job.state.over:
            raise Over
        self._catalogue.get(request.model)
        with opened(request.source) as file:
            found = decode.probe(file)
        self._records.begin(job, found.duration or 0.0, found.channels)
        return self.kept(job)

    def cut(self, job: str, start: int, progress: Progress = lambda _: None) -> Joined | None:
        """Cut the recording from ``start`` on, for a while; have the pieces heard.

        A short recording is heard and joined as well: what is answered then is for :meth:`join`'s
        caller.

        Raises:
            BadSource, BadAudio, SourceUnavailable, Over: as :meth:`begin`.
            RecogniserFailed, ModelUnavailable: as :meth:`hear`.
        """
        kept = self._running(job)
        if plan.is_short(kept):
            with opened(kept.job.request.source) as file:
                audio = plan.all_of(file)
            if audio is not None:
                return self._whole(kept, audio, progress)
        if kept.position != start or kept.job.cut:
            # A predecessor cut here and died, or a message came twice.
            self.send_missing(job, start)
        else:
            self._cut(job, start, kept.job.request)
        progress(self.kept(job))
        return None

    def _cut(self, job: str, start: int, request: JobRequest) -> None:
        with opened(request.source) as file:
            pieces, end, last = plan.stretch(file, start)
        _, _, first = self._records.cut(job, start, end, pieces, last=last)
        if first < 0:
            self.send_missing(job, start)
        else:
            numbered = [Stretch(first + p.index, p.start, p.end, p.silent) for p in pieces]
            self._send(job, request.model, numbered, None if last else end)
            if last and self._records.hear(job, {}):
                self._messages.join(job, request.model)

    def _whole(self, kept: Kept, audio: NDArray[np.float32], progress: Progress) -> Joined | None:
        """Cut, hear and join a recording of which this is all, from where it was left."""
        job = kept.job.id
        left = self._left(kept, audio)
        progress(self.kept(job))
        if left:
            self._hear(kept, left, audio[:, left[0].start : left[-1].end], progress)
        return self.join(job)

    def _left(self, kept: Kept, audio: NDArray[np.float32]) -> list[Stretch]:
        """The pieces in which something is to be heard yet; cuts it if nobody has."""
        if not kept.job.cut:
            pieces = plan.pieces_of(audio)
            _, _, first = self._records.cut(kept.job.id, 0, audio.shape[1], pieces, last=True)
            if not first:
                return [one for one in pieces if not one.silent]
        stretches, heard = self._records.stretches(kept.job.id)
        return [one for one in stretches if one.index not in heard]

    def hear(self, job: str, first: int, last: int, progress: Progress = lambda _: None) -> None:
        """Hear the pieces from ``first`` to ``last``; if they were the last of all, join.

        Raises:
            RecogniserFailed: one of them cannot be heard; the message names its time.
            ModelUnavailable: the model's checkpoint is not here.
        """
        kept = self._running(job)
        request = kept.job.request
        pieces = self._records.unheard(job, first, last)
        if pieces:
            with opened(request.source) as file:
                audio = decode.read(file, pieces[0].start, pieces[-1].end)
            complete = self._hear(kept, pieces, audio, progress)
        else:
            complete = self._records.hear(job, {})
        if complete:
            self._messages.join(job, request.model)

    def _hear(
        self,
        kept: Kept,
        pieces: Sequence[Stretch],
        audio: NDArray[np.float32],
        progress: Progress,
    ) -> bool:
        """Hear the pieces; ``audio`` begins with the first. Returns whether all of the job is."""
        job, request = kept.job.id, kept.job.request
        missing = pieces[-1].end - pieces[0].start - audio.shape[1]
        if missing > CHANGED * SAMPLE_RATE:
            raise BadSource(f"{shown(request.source)} is shorter than when it was cut")
        recognizer = self._recognizer(self._catalogue.get(request.model))
        complete = False
        tries = _Tries(self._records, job)
        for said in hearing.hear(recognizer, audio, pieces, request.channels, tries):
            complete = self._records.hear(job, said)
            if not complete:  # else its result is next
                progress(self.kept(job))
            self._rest()
        return complete

    def join(self, job: str) -> Joined | None:
        """Make the transcript and write it; None if something is still to be heard."""
        kept = self._running(job)
        request = kept.job.request
        stretches, heard = self._records.stretches(job)
        if not kept.job.cut or len(heard) < len(stretches):
            return None
        language = self._catalogue.get(request.model).language
        transcript = assemble(request, language, stretches, heard)
        if request.target:
            targets.write(request.target, render(transcript, request.format))
        return kept, transcript

    def send_missing(self, job: str, start: int = 0) -> None:
        """Send again whatever has to be done from ``start`` on and is not done."""
        kept = self._running(job)
        model = kept.job.request.model
        stretches, heard = self._records.stretches(job)
        left = [one for one in stretches if one.index not in heard and one.start >= start]
        self._send(job, model, left, None if kept.job.cut else kept.position)
        if self._records.hear(job, {}):
            self._messages.join(job, model)

    def kept(self, job: str) -> Kept:
        """The job as it is.

        Raises:
            Over: there is none.
        """
        found = self._records.look([job])
        if not found:
            raise Over
        return found[0]

    def _running(self, job: str) -> Kept:
        kept = self.kept(job)
        if kept.job.state is not JobState.RUNNING:
            raise Over
        return kept

    def _send(self, job: str, model: str, pieces: Sequence[Stretch], then: int | None) -> None:
        for first, last in plan.batches(pieces):
            self._messages.hear(job, model, first, last)
        if then is not None:
            self._messages.cut(job, model, then)


class _Tries:
    """Counts the tries of one job's pieces."""

    def __init__(self, records: JobRecords, job: str) -> None:
        self._records = records
        self._job = job

    def __call__(self, what: str) -> int:
        return self._records.try_(self._job, what)
