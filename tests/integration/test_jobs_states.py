"""A job's record under anything that can happen in any order, against the real scripts.

Workers, clients and caretakers act on what they know, which may be old; a message may come twice or
late; Redis may come back as it was a while before. After each step the record is compared with a
model of it; at the end every job that is still wanted is worked on and must end with every word.
"""

from __future__ import annotations

import asyncio
import copy
from collections import Counter
from dataclasses import dataclass, field

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from asr_tasks.catalogue import Catalogue
from asr_tasks.contracts import names
from asr_tasks.contracts.audio import SAMPLE_RATE
from asr_tasks.contracts.jobs import JobRequest, JobState
from asr_tasks.contracts.transcript import Utterance
from asr_tasks.jobs.records import Stretch, assemble, said
from asr_tasks.jobs.redis_jobs import RedisJobs, checked
from asr_tasks.jobs.redis_records import JobRecords, Over

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

JOBS = ["job-a", "job-b"]
PIECES = 6
SILENT = 2
CUTS = [range(2), range(2, 5), range(5, 6)]
"""Which pieces each cut makes: the cutter gives the same from the same place, whoever runs it."""
EXPIRES = 600

RECORDING = [
    Stretch(index, index * SAMPLE_RATE, (index + 1) * SAMPLE_RATE, index == SILENT)
    for index in range(PIECES)
]
SPOKEN = [piece.index for piece in RECORDING if not piece.silent]
TEXT = " ".join(f"word{index}" for index in SPOKEN)

jobs = st.sampled_from(JOBS)
pieces = st.sets(st.sampled_from(SPOKEN), min_size=1)


def words(index: int) -> str:
    start = RECORDING[index].start / SAMPLE_RATE
    return said([Utterance(start, start + 1.0, f"word{index}")])


@dataclass
class Expected:
    """What the record must say."""

    state: JobState = JobState.QUEUED
    attempt: int = 1
    cuts: int = 0
    heard: set[int] = field(default_factory=set)
    tries: Counter[int] = field(default_factory=Counter)
    code: str = ""

    @property
    def pieces(self) -> int:
        return CUTS[self.cuts - 1].stop if self.cuts else 0

    @property
    def complete(self) -> bool:
        return self.cuts == len(CUTS) and len(self.heard) == PIECES


class JobsMachine(RuleBasedStateMachine):
    url = ""

    @initialize()
    def begin_all(self):
        self.loop = asyncio.new_event_loop()
        self.client = redis.Redis.from_url(self.url)
        self.client.flushdb()
        self.launched: list[str] = []
        self.records = JobRecords.connect(self.url, expires=EXPIRES)
        self.jobs = RedisJobs.connect(self.url, self.launch, Catalogue.load(), expires=EXPIRES)
        self.expected: dict[str, Expected] = {}
        self.order: list[str] = []
        self.photographs = [({}, {}, [])]
        # Most of what can go wrong needs a job that is well on its way.
        self.create(JOBS[0], by_message=False)
        self.begin(JOBS[0])
        self.cut(JOBS[0], 0)
        self.reach_the_disk()

    def teardown(self):
        if not hasattr(self, "loop"):
            return
        try:
            for job in self.expected:
                self.work(job)
        finally:
            self.do(self.jobs.close())
            self.records.close()
            self.client.close()
            self.loop.close()

    async def launch(self, job, request):
        assert request == REQUEST
        self.launched.append(job)

    def do(self, work):
        return self.loop.run_until_complete(asyncio.wait_for(work, 10))

    def wanted(self, job):
        """The job's model while it is being worked on, else None."""
        found = self.expected.get(job)
        return found if found and found.state is JobState.RUNNING else None

    # What clients do

    @rule(job=jobs, by_message=st.booleans())
    def create(self, job, by_message):
        """By a client, or by the worker that got the message of a job that Redis does not know."""
        new = job not in self.expected
        if by_message:
            assert self.records.create(job, REQUEST) == new
        else:
            before = len(self.launched)
            assert self.do(self.jobs.create(REQUEST, job)).id == job
            assert self.launched[before:] == ([job] if new else [])
        if new:
            self.expected[job] = Expected()
            self.order.append(job)

    def cancel(self, job):
        found = self.do(self.jobs.cancel(job))
        model = self.expected.get(job)
        assert (found is None) == (model is None)
        if model and not model.state.over:
            model.state, model.code = JobState.CANCELLED, "cancelled"

    @rule(job=jobs)
    def retry(self, job):
        before = len(self.launched)
        self.do(self.jobs.retry(job))
        model = self.expected.get(job)
        again = model is not None and model.state in (JobState.FAILED, JobState.CANCELLED)
        assert self.launched[before:] == ([job] if again else [])
        if again:
            model.state, model.code = JobState.QUEUED, ""
            model.attempt += 1
            model.tries.clear()

    # What workers do

    @rule(job=jobs)
    def begin(self, job):
        model = self.expected.get(job)
        if model is None or model.state.over:
            with pytest.raises(Over):
                self.records.begin(job, 0.0, 1)
            return
        at = self.records.begin(job, PIECES, 1)
        assert at == (model.pieces * SAMPLE_RATE, model.cuts == len(CUTS))
        model.state = JobState.RUNNING

    @rule(job=jobs, which=st.integers(0, len(CUTS) - 1))
    def cut(self, job, which):
        """By somebody who believes that the job has been cut up to there."""
        model = self.wanted(job)
        if model is None:
            with pytest.raises(Over):
                self.cut_off(job, which)
            return
        position, whole, first = self.cut_off(job, which)
        if which == model.cuts:
            assert first == CUTS[which].start
            model.cuts += 1
            model.heard |= {SILENT} & set(CUTS[which])
        else:
            assert first == -1
        assert position == model.pieces * SAMPLE_RATE
        assert whole == (model.cuts == len(CUTS))

    @rule(job=jobs)
    def cut_on(self, job):
        """Where the job really is."""
        self.cut(job, min(self.expected[job].cuts if job in self.expected else 0, len(CUTS) - 1))

    def cut_off(self, job, which):
        made = [RECORDING[index] for index in CUTS[which]]
        last = which == len(CUTS) - 1
        return self.records.cut(job, made[0].start, made[-1].end, made, last=last)

    @rule(job=jobs, which=pieces)
    def hear(self, job, which):
        """Perhaps for the second time; perhaps of pieces that a lost cut had made."""
        told = {index: words(index) for index in which}
        model = self.wanted(job)
        if model is None:
            with pytest.raises(Over):
                self.records.hear(job, told)
            return
        complete = self.records.hear(job, told)
        model.heard |= {index for index in which if index < model.pieces}
        assert complete == model.complete

    @rule(job=jobs)
    def hear_all(self, job):
        self.hear(job, set(SPOKEN))

    @rule(job=jobs, index=st.sampled_from(SPOKEN))
    def try_alone(self, job, index):
        model = self.wanted(job)
        if model is None:
            with pytest.raises(Over):
                self.records.try_(job, str(index))
            return
        model.tries[index] += 1
        assert self.records.try_(job, str(index)) == model.tries[index]

    @rule(job=jobs, cancelled=st.booleans())
    def end_early(self, job, cancelled):
        if cancelled:
            self.cancel(job)
        else:
            self.fail(job)

    def fail(self, job):
        model = self.expected.get(job)
        wanted = model is not None and not model.state.over
        assert self.records.end(job, JobState.FAILED, "bad_audio", "It is.") == wanted
        if wanted:
            model.state, model.code = JobState.FAILED, "bad_audio"

    @rule(job=jobs)
    def work(self, job):
        """What a worker does that is told of the job and is not disturbed; two of them join it."""
        model = self.expected.get(job)
        if model is None or model.state.over:
            return
        position, whole = self.records.begin(job, PIECES, 1)
        while not whole:
            which = next(n for n, cut in enumerate(CUTS) if cut.start * SAMPLE_RATE == position)
            position, whole, _ = self.cut_off(job, which)
        stretches, heard = self.records.stretches(job)
        missing = {one.index: words(one.index) for one in stretches if one.index not in heard}
        assert self.records.hear(job, missing)
        stretches, heard = self.records.stretches(job)
        transcript = assemble(REQUEST, "en", stretches, heard)
        assert transcript.text == TEXT
        joined = transcript.to_json()
        ended = [self.records.end(job, JobState.DONE, transcript=joined) for _ in range(2)]
        assert ended == [True, False]
        assert self.do(self.jobs.transcript(job)) == transcript
        model.state, model.cuts = JobState.DONE, len(CUTS)
        model.heard = set(range(PIECES))

    # What caretakers do

    @rule(job=jobs, news=st.booleans())
    def nudge(self, job, news):
        """Two caretakers have seen the same; one may act, and none if something has happened."""
        for kept in self.records.look([job]):
            seen = kept.serial - news
            assert [self.records.nudge(job, seen), self.records.nudge(job, seen)] == [
                not news, False,
            ]  # fmt: skip

    # What happens to Redis

    @rule()
    def reach_the_disk(self):
        keys = {
            key: (self.client.dump(key), self.client.pttl(key)) for key in self.client.scan_iter()
        }
        self.photographs.append((keys, copy.deepcopy(self.expected), list(self.order)))

    @rule()
    def lose_the_last_second(self):
        keys, expected, order = self.photographs[-1]
        self.client.flushdb()
        for key, (value, left) in keys.items():
            self.client.restore(key, max(left, 0), value)
        self.expected, self.order = copy.deepcopy(expected), list(order)

    # What must hold

    @invariant()
    def the_record_says_what_happened(self):
        if not hasattr(self, "records"):
            return
        kept = {found.job.id: found for found in self.records.look(JOBS)}
        assert set(kept) == set(self.expected)
        live = [job for job in sorted(kept) if not kept[job].job.state.over]
        assert self.records.live() == live
        newest = self.do(self.jobs.recent())
        assert [job.id for job in newest] == self.order[::-1]
        for job, found in kept.items():
            self.is_kept(found, self.expected[job])

    def is_kept(self, found, model):
        job = found.job
        assert (job.state, job.attempt, job.code) == (model.state, model.attempt, model.code)
        assert (job.pieces, job.cut) == (model.pieces, model.cuts == len(CUTS))
        assert (job.done, job.heard) == (len(model.heard), float(len(model.heard)))
        assert found.position == model.pieces * SAMPLE_RATE
        for key in names.job_keys(job.id):
            left = self.client.ttl(key)
            assert left == -2 or (0 < left <= EXPIRES) == model.state.over
        if model.state is JobState.DONE:
            assert self.do(self.jobs.transcript(job.id)).text == TEXT
            return
        stretches, heard = self.records.stretches(job.id)
        assert stretches == RECORDING[: model.pieces]
        assert set(heard) == model.heard


REQUEST = checked(JobRequest("/somewhere/call.flac"), Catalogue.load())


def test_no_order_of_events_loses_a_word(redis_server):
    class Here(JobsMachine):
        url = redis_server.url

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=25,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
