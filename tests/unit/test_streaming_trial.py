"""A session whose worker died without a commit is heard by name, until it has committed."""

from __future__ import annotations

import pytest

from asr_tasks.contracts.lease import ON_TRIAL, Lease
from asr_tasks.contracts.names import new_session_id
from asr_tasks.contracts.results import Result
from asr_tasks.state.memory import MemorySessions
from asr_tasks.streaming import trial as trials
from asr_tasks.streaming.drive import NotOurs
from asr_tasks.streaming.stream import HandOver, Stream
from asr_tasks.streaming.testing import chunks_of, run_stream
from asr_tasks.streaming.trial import Trial

SECOND = bytes(32_000)


class Watched:
    """A body that notes at each chunk whether its session was said to be at work."""

    def __init__(self, sessions: MemorySessions) -> None:
        self.sessions = sessions
        self.noted: list[bool] = []

    def __call__(self, stream: Stream) -> None:
        self.noted.append(self.sessions.at_work(stream.session))
        for _ in stream:
            self.noted.append(self.sessions.at_work(stream.session))
            if stream.checkpoint_due:
                stream.commit()
        stream.emit(Result("over", final=True))


def lost(sessions: MemorySessions, lease: Lease, workers: int) -> Lease:
    """The session after so many workers have died over it, unclaimed by the next."""
    for epoch in range(1, workers + 1):
        sessions.assign(Lease(lease.session, lease.worker, epoch))
    return Lease(lease.session, lease.worker, workers + 1)


def test_a_first_try_is_not_on_trial():
    sessions = MemorySessions()
    body = Watched(sessions)
    run_stream(body, chunks_of(SECOND * 2), sessions=sessions)
    assert not any(body.noted)


def test_a_session_on_trial_is_noted_while_it_reads_what_its_workers_died_of():
    sessions = MemorySessions()
    lease = lost(sessions, Lease(new_session_id(), "worker", 1), 2)
    body = Watched(sessions)
    run_stream(body, chunks_of(SECOND * 2), sessions=sessions, lease=lease)
    assert all(body.noted)  # from the restoring of its state on; its commits do not acquit it


def test_a_session_that_has_committed_and_caught_up_is_acquitted():
    sessions, lease = MemorySessions(), Lease(new_session_id(), "worker", 1)
    sessions.assign(lease)
    trial = Trial(sessions, lease, ON_TRIAL, 0)
    trial.work()
    assert sessions.at_work(lease.session)
    trial.rest()
    assert not sessions.at_work(lease.session)
    assert trial.on  # it has waited for audio, but nothing is proved yet
    trial.work()
    trial.committed(8_000)
    assert trial.on  # there is more to read, and that may be what they died of
    trial.rest()
    assert not trial.on


def test_an_upload_that_never_catches_up_is_acquitted_by_what_it_has_read():
    sessions, lease = MemorySessions(), Lease(new_session_id(), "worker", 1)
    sessions.assign(lease)
    trial = Trial(sessions, lease, ON_TRIAL, 16_000)
    trial.committed(30 * 16_000)
    assert trial.on
    trial.committed(31 * 16_000)
    assert not trial.on


def two_on_trial() -> tuple[MemorySessions, tuple[Lease, Trial], tuple[Lease, Trial]]:
    """Streams of one process."""
    sessions = MemorySessions()
    one, two = (Lease(new_session_id(), "worker", 1) for _ in range(2))
    sessions.assign(one)
    sessions.assign(two)
    first, second = (Trial(sessions, lease, ON_TRIAL, 0) for lease in (one, two))
    return sessions, (one, first), (two, second)


def test_a_turn_ends_with_a_commit():
    """Of two streams on trial in a process neither waits for the other's whole backlog."""
    sessions, (one, first), (two, second) = two_on_trial()
    first.work()
    first.pause()
    first.committed(8_000)
    second.work()
    assert (sessions.at_work(one.session), sessions.at_work(two.session)) == (False, True)
    second.leave()


def test_a_stream_without_a_turn_is_not_noted(monkeypatch):
    monkeypatch.setattr(trials, "WAIT_SECONDS", 0.01)
    sessions, (_, first), (two, second) = two_on_trial()
    first.work()
    second.work()
    assert not sessions.at_work(two.session)
    first.leave()


def test_a_session_on_trial_that_is_handed_over_is_not_to_blame():
    sessions = MemorySessions()
    lease = lost(sessions, Lease(new_session_id(), "worker", 1), 2)

    def drained(stream: Stream) -> None:
        next(iter(stream))
        raise HandOver

    with pytest.raises(NotOurs):
        run_stream(drained, chunks_of(SECOND), sessions=sessions, lease=lease)
    assert not sessions.at_work(lease.session)


def test_a_session_that_waits_for_audio_is_not_at_work():
    sessions = MemorySessions()
    lease = lost(sessions, Lease(new_session_id(), "worker", 1), 2)
    seen: list[bool] = []

    def waiting(stream: Stream) -> None:
        seen.extend(sessions.at_work(stream.session) for _ in stream)
        seen.append(sessions.at_work(stream.session))

    run_stream(waiting, chunks_of(SECOND)[:2], sessions=sessions, lease=lease)
    assert seen == [True, True, False]  # it ended as idle, having waited


def test_a_body_that_fails_on_trial_stays_noted_and_lets_others_work():
    sessions = MemorySessions()

    def failing(stream: Stream) -> None:
        next(iter(stream))
        raise ValueError("this audio")

    for _ in range(2):  # the second would wait for ever if the first had kept its turn
        lease = lost(sessions, Lease(new_session_id(), "worker", 1), 2)
        try:
            run_stream(failing, chunks_of(SECOND), sessions=sessions, lease=lease)
        except ValueError:
            assert sessions.at_work(lease.session)
