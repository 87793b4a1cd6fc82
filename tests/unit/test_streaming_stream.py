"""A stream task, run from a list of chunks: what it may rely on."""

from __future__ import annotations

import random
import threading

import pytest

from asr_tasks.contracts.audio import Chunk
from asr_tasks.contracts.errors import Cancelled, RecogniserFailed, StaleLease
from asr_tasks.contracts.lease import Checkpoint, Lease
from asr_tasks.contracts.names import new_session_id
from asr_tasks.contracts.results import Kind, Result
from asr_tasks.state.memory import MemorySessions
from asr_tasks.state.sessions import Ending, StoreDown
from asr_tasks.streaming import running
from asr_tasks.streaming.drive import NotOurs
from asr_tasks.streaming.limits import Limits
from asr_tasks.streaming.stream import Stream
from asr_tasks.streaming.testing import chunks_of, run_stream
from asr_tasks.transport.base import QueueGone

PCM = bytes(i % 251 for i in range(2 * 16_000))  # one second
TENTH = 1600


def every_third(stream: Stream, *, fail_at: int | None = None) -> None:
    """A final for each 0.3 s, named by the audio it covers; its state is the open stretch."""
    begin = int(stream.checkpoint.state or b"0")
    for chunk in stream:
        if fail_at is not None and chunk.start >= fail_at:
            raise RuntimeError("crashed")
        stream.emit(Result(f"{begin}-{chunk.end}?"))
        if chunk.end - begin >= 3 * TENTH:
            stream.emit(Result(f"{begin}-{chunk.end}", final=True))
            begin = chunk.end
            stream.commit(Checkpoint(chunk.end, str(begin).encode()))
    if stream.position > begin:
        stream.emit(Result(f"{begin}-{stream.position}", final=True))


WHOLE = ["0-4800", "4800-9600", "9600-14400", "14400-16000"]


def test_results_come_out_in_order_and_the_session_ends():
    run = run_stream(every_third, chunks_of(PCM))
    assert [r.text for r in run.finals] == WHOLE
    assert run.messages[0].kind is Kind.WORKING
    assert run.messages[-1].kind is Kind.END
    assert run.messages[-1].segments == 4
    assert run.ending is not None and (run.ending.state, run.ending.reason) == ("done", "eos")
    assert run.unacknowledged == []


def test_finals_are_not_said_before_they_are_committed():
    def body(stream: Stream) -> None:
        for _ in stream:
            stream.emit(Result("early", final=True))
            raise RuntimeError("died before the commit")

    store, lease = MemorySessions(), Lease(new_session_id(), "a", 1)
    with pytest.raises(RuntimeError):
        run_stream(body, chunks_of(PCM), sessions=store, lease=lease)
    assert store.transcript(lease.session) == ""


def test_a_partial_said_after_a_final_comes_after_it():
    def body(stream: Stream) -> None:
        for chunk in stream:
            stream.emit(Result(f"final {chunk.start}", final=True))
            stream.emit(Result(f"partial {chunk.end}"))
            stream.commit()

    run = run_stream(body, chunks_of(PCM))
    said = [(m.kind, m.index) for m in run.messages if m.kind in (Kind.PARTIAL, Kind.FINAL)]
    assert said == sorted(said, key=lambda m: (m[1], m[0] is Kind.FINAL))


def test_shuffled_and_repeated_deliveries_change_nothing():
    chunks = chunks_of(PCM) + chunks_of(PCM, 0.07)
    random.Random(1).shuffle(chunks)
    run = run_stream(lambda s: s.emit(Result(b"".join(c.pcm for c in s).hex(), final=True)), chunks)
    assert bytes.fromhex(run.finals[0].text) == PCM


def test_audio_that_waits_comes_in_pieces_as_large_as_was_asked_for():
    def pieces(stream: Stream) -> None:
        for chunk in stream.joined(0.35):
            stream.emit(Result(f"{chunk.start} {chunk.pcm.hex()}", final=True))

    run = run_stream(pieces, chunks_of(PCM))
    said = [result.text.split() for result in run.finals]
    assert [int(start) for start, _ in said] == [0, 6400, 12800]
    assert bytes.fromhex("".join(pcm for _, pcm in said)) == PCM
    assert run.ending is not None and run.ending.reason == "eos"


def test_joined_or_not_shuffled_and_repeated_deliveries_change_nothing():
    chunks = chunks_of(PCM) + chunks_of(PCM, 0.07)
    random.Random(2).shuffle(chunks)

    def heard(stream: Stream) -> None:
        pcm = b"".join(chunk.pcm for chunk in stream.joined(0.5))
        stream.emit(Result(pcm.hex(), final=True))

    assert bytes.fromhex(run_stream(heard, chunks).finals[0].text) == PCM


@pytest.mark.parametrize("crash", range(0, 16_000, TENTH))
def test_a_successor_goes_on_where_the_commit_was(crash):
    store, session = MemorySessions(), new_session_id()
    with pytest.raises(RuntimeError):
        run_stream(
            every_third,
            chunks_of(PCM),
            sessions=store,
            lease=Lease(session, "a", 1),
            fail_at=crash,
        )
    run = run_stream(every_third, chunks_of(PCM), sessions=store, lease=Lease(session, "b", 2))
    assert store.transcript(session).split() == WHOLE
    # The last committed final is said again: its first publisher may have died before.
    indexes = [m.index for m in run.messages if m.kind is Kind.FINAL]
    assert indexes == list(range(max(0, crash // 4800 - 1), 4))


def test_a_stale_worker_changes_nothing_and_leaves_silently():
    store, session = MemorySessions(), new_session_id()

    def body(stream: Stream) -> None:
        for _ in stream:
            store.assign(Lease(session, "b", 2))
            stream.emit(Result("zombie", final=True))
            stream.commit()

    with pytest.raises(NotOurs):
        run_stream(body, chunks_of(PCM), sessions=store, lease=Lease(session, "a", 1))
    assert store.transcript(session) == ""
    assert store.ending(session) is None
    assert running.list_running() == []


def test_revoking_a_stream_ends_it_with_a_clear_code():
    session = new_session_id()
    store = MemorySessions()

    def body(stream: Stream) -> None:
        for _ in stream:
            running.stop(session, running.StopReason.CANCELLED)

    with pytest.raises(Cancelled):
        run_stream(body, chunks_of(PCM), sessions=store, lease=Lease(session, "a", 1))
    ending = store.ending(session)
    assert ending is not None and (ending.state, ending.code) == ("failed", "cancelled")


def test_draining_hands_over_at_the_next_commit():
    store, session = MemorySessions(), new_session_id()

    def drained(stream: Stream) -> None:
        running.stop(session, running.StopReason.DRAIN)
        every_third(stream)

    with pytest.raises(NotOurs, match="handed over"):
        run_stream(drained, chunks_of(PCM), sessions=store, lease=Lease(session, "a", 1))
    assert store.transcript(session).split() == WHOLE[:1]

    run_stream(every_third, chunks_of(PCM), sessions=store, lease=Lease(session, "b", 2))
    assert store.transcript(session).split() == WHOLE


def test_silence_on_the_queue_ends_the_stream_and_keeps_its_text():
    run = run_stream(every_third, chunks_of(PCM)[:4])
    assert [r.text for r in run.finals] == ["0-4800", "4800-6400"]
    assert run.ending is not None and run.ending.reason == "idle"
    assert run.deleted  # its gateway is gone, and nobody else would


def test_queues_of_a_live_gateway_are_left_to_it():
    assert not run_stream(every_third, chunks_of(PCM)).deleted


def test_a_queue_that_vanishes_with_its_session_is_no_crash():
    """A session that is ended from outside loses its queues; its worker may hear of that first."""
    store, lease = MemorySessions(), Lease(new_session_id(), "a", 1)

    def ended_from_outside(stream: Stream) -> None:
        next(iter(stream))
        store.finish(lease, Ending("failed", 0.0, code="cancelled"), commits=0)
        raise QueueGone("the queue was deleted")

    with pytest.raises(NotOurs, match="from outside"):
        run_stream(ended_from_outside, chunks_of(PCM), sessions=store, lease=lease)


def test_a_queue_that_vanishes_alone_is_one():
    def bereft(stream: Stream) -> None:
        next(iter(stream))
        raise QueueGone("the queue was deleted")

    with pytest.raises(QueueGone):
        run_stream(bereft, chunks_of(PCM))


def test_missing_audio_is_an_error_for_another_worker_to_try():
    chunks = chunks_of(PCM)
    del chunks[2]
    with pytest.raises(RecogniserFailed, match=r"0\.20 s"):
        run_stream(every_third, chunks, limits=Limits(idle=5.0, gap=0.0))


class Flaky(MemorySessions):
    """Redis that goes away: each commit takes effect but its answer is lost, twice."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = 0

    def commit(self, lease, serial, finals, checkpoint, **how):
        total = super().commit(lease, serial, finals, checkpoint, **how)
        if self.lost < 2:
            self.lost += 1
            raise StoreDown("answer lost")
        self.lost = 0
        return total


def test_a_commit_whose_answer_was_lost_is_repeated_not_doubled():
    store, lease = Flaky(), Lease(new_session_id(), "a", 1)
    run = run_stream(every_third, chunks_of(PCM), sessions=store, lease=lease)
    assert store.transcript(lease.session).split() == WHOLE
    assert [r.text for r in run.finals] == WHOLE
    assert [m.index for m in run.messages if m.kind is Kind.FINAL] == [0, 1, 2, 3]


class Forgetful(MemorySessions):
    """Redis that loses power after the third commit and comes back as it was after the first."""

    def __init__(self) -> None:
        super().__init__()
        self.forgot = False

    def commit(self, lease, serial, finals, checkpoint, **how):
        total = super().commit(lease, serial, finals, checkpoint, **how)
        if serial == 3 and not self.forgot:
            self.forgot = True
            self.forget(lease.session, finals=1, commits=1)
        return total


def test_the_owner_puts_back_what_redis_has_lost():
    store, lease = Forgetful(), Lease(new_session_id(), "a", 1)
    run = run_stream(every_third, chunks_of(PCM), sessions=store, lease=lease)
    assert store.forgot
    assert store.transcript(lease.session).split() == WHOLE
    assert [m.index for m in run.messages if m.kind is Kind.FINAL] == [0, 1, 2, 3]


def test_what_redis_lost_after_the_last_commit_is_put_back_before_the_end():
    class AtTheEnd(MemorySessions):
        def finish(self, lease, ending, *, commits):
            if not hasattr(self, "forgot"):
                self.forgot = True
                self.forget(lease.session, finals=2, commits=2)
            return super().finish(lease, ending, commits=commits)

    store, lease = AtTheEnd(), Lease(new_session_id(), "a", 1)
    run = run_stream(every_third, chunks_of(PCM), sessions=store, lease=lease)
    assert store.transcript(lease.session).split() == WHOLE
    assert run.messages[-1].segments == 4


def test_nothing_is_acknowledged_while_redis_is_away():
    class Away(MemorySessions):
        def commit(self, *args, **kwargs):
            raise StoreDown("away")

    with pytest.raises(StoreDown):
        run_stream(
            every_third, chunks_of(PCM), sessions=Away(), limits=Limits(idle=0.0, store=0.01)
        )


def test_one_assignment_runs_once_in_a_process():
    session = new_session_id()
    assert running.enter(session, 1) is not None
    try:
        assert running.enter(session, 1) is None
        newer = running.enter(session, 2)
        assert newer is not None
        assert running.list_running() == [(session, 2)]
    finally:
        running.leave(session, 2)
    assert running.list_running() == []


def test_a_change_of_the_running_streams_is_told():
    told = threading.Event()
    remove = running.on_change(told.set)
    session = new_session_id()
    running.enter(session, 1)
    assert told.is_set()
    running.leave(session, 1)
    remove()


def test_a_stale_claim_is_refused_before_any_effect():
    store, session = MemorySessions(), new_session_id()
    store.assign(Lease(session, "b", 2))
    with pytest.raises(StaleLease):
        store.claim(Lease(session, "a", 1))


def test_keep_alives_are_acknowledged_at_once():
    chunks = [*chunks_of(PCM)[:1], *[Chunk(TENTH)] * 50, *chunks_of(PCM)[1:]]
    run = run_stream(every_third, chunks)
    assert [r.text for r in run.finals] == WHOLE
