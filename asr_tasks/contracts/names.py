"""Every queue, exchange, header, task and Redis key name, once.

Redis keys and what they hold (all text unless said; ``asr:`` is the prefix of every key):

``asr:session:<id>`` — hash, one live session; deleted when it ends.
    counted          '1' once it is in its model's arrivals                   allocate
    model, language, client, tenant, task    written by the gateway when it opens the session
    priority         integer, higher is served first                          gateway
    options          JSON object handed to the task as keyword arguments      gateway
    token, token_prev  sha256 hex of the resume tokens that are valid now     gateway
    gateway          name of the gateway that owns the client connection      gateway
    gateway_epoch    raised with each attach; fences older gateways           gateway
    accepted         samples durably in the broker                            gateway (accept)
    source           JSON, the gateway's own note on how client bytes map to samples
    resume           seconds the session is kept for a client that went away     gateway
    traceparent      W3C trace context, carried to the task                   gateway
    ended            total samples, once the end of stream is in the broker   gateway
    state            a SessionState                                           every script
    worker, epoch    the assignment that is valid now                         allocator scripts
    attempts         assignments since the last commit; not those that         allocator, commit
                     another session on trial is to blame for
    losses           workers lost since the last commit, whoever is to blame  allocator, commit
    trial            the epoch in which its worker is at work on it, on trial trial
    claim            a word of the body that claimed it; '': it is to say so   claim, heartbeat,
                     again, Redis had lost it                                 commit, finish
    running          the epoch in which its worker listed it as running       heartbeat
    missing          the report in which it was first not listed              heartbeat
    reports          its worker's last report before the claim                claim
    committed        samples; everything before is final                      commit
    segments         number of committed finals                               commit
    commits          serial of the last commit: the same again is a retry     commit
    code, message    why it failed                                            finish, fail
``asr:session:<id>:segments`` — list of Segment JSON, index = position in the list   commit
``asr:session:<id>:snapshot`` — bytes, the recogniser's state at ``committed``        commit
``asr:result:<id>`` — JSON, what is left of an ended session; has an expiry          finish, fail
``asr:sessions`` — set of the ids of live sessions                        open, finish, fail
``asr:model:<model>:free`` — sorted set, worker → ordinal, of workers with a free slot
``asr:model:<model>:waiting`` — sorted set, session → order (priority, then arrival)
``asr:model:<model>:traffic`` — hash, counters that only grow: arrivals (sessions that asked for a
    worker), ended (sessions that a worker had begun with), talked (their seconds)
                                          allocate; finish, fail, cancel, fail_over
``asr:model:<model>:scaling`` — list of Decision JSON, the newest first       the scaling loop
``asr:model:<model>:startup`` — text, seconds its workers need to start       the scaling loop
``asr:arrivals`` — counter behind the order of arrival
``asr:workers`` — set of worker names
``asr:worker:<name>`` — hash: model, state, slots, ordinal, incarnation, stream, sequence, beat,
    suspect, host, cordoned ('1': gets no new session, and keeps those it has)
``asr:worker:<name>:sessions`` — set of the sessions assigned to it: its used slots
``asr:models`` — set of models that workers have announced
``asr:allocators`` — hash, allocator → counter that it raises, its own beat; workers are judged only
    while one of them moves
``asr:gateway:<name>`` — counter with an expiry, raised by the gateway's own beat
``asr:leader:<role>`` — hash: holder, term, beat (the elector's own record)

``asr:job:<id>`` — hash, one batch job; expires after its end.
    request          JSON of the JobRequest                                   create
    state, code, message, attempt                                             every job script
    created, begun, ended   seconds of Redis's own clock                      create, begin, end
    duration, channels      of the recording                                  begin
    position         samples that are cut into pieces                         cut
    pieces           how many those are                                       cut
    cut              '1' when nothing is left to cut                          cut
    heard            samples that are recognised                              cut, hear
    serial           raised by everything that happens to the job
``asr:job:<id>:pieces`` — hash, index → ``start end silent``, in samples      cut
``asr:job:<id>:heard`` — hash, index → JSON list of utterances               cut, hear
``asr:job:<id>:tries`` — hash, index → times somebody began with it alone    try
``asr:job:<id>:transcript`` — Transcript JSON of a job that is done            end
``asr:jobs`` — sorted set, job → order of creation
``asr:jobs:live`` — set of jobs that are not over
``asr:jobs:order`` — counter behind that order
"""

from __future__ import annotations

import uuid
from typing import Final

STREAM_TASK: Final = "asr.transcribe"
"""Name of the default stream task."""

HEADER_VERSION: Final = "v"
HEADER_START: Final = "start"
HEADER_EOS: Final = "eos"
HEADER_TRACE: Final = "traceparent"

SUSPECTS_CHANNEL: Final = "asr:suspects"
"""Redis pub/sub: names of workers whose control stream broke."""

WAITING_CHANNEL: Final = "asr:waiting"
"""Redis pub/sub: a model name, when a slot of it became free or a session began to wait."""


def new_session_id() -> str:
    """A fresh session id: a random UUID in canonical form."""
    return str(uuid.uuid4())


def is_session_id(text: str) -> bool:
    """Whether ``text`` is a UUID in canonical form (lower case, with hyphens)."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def task_queue(session: str) -> str:
    """The queue of a session's audio."""
    return f"task.{session}"


def result_queue(session: str) -> str:
    """The queue of a session's results."""
    return f"result.{session}"


def session_of(queue: str) -> str:
    """The session of a ``task.<uuid>`` queue.

    Raises:
        ValueError: it is not such a name.
    """
    prefix, _, session = queue.partition(".")
    if prefix != "task" or not is_session_id(session):
        raise ValueError(f"not a task queue: {queue!r}")
    return session


def node_name(worker: str) -> str:
    """The Celery node name of a worker."""
    return f"asr@{worker}"


def direct_queue(worker: str) -> str:
    """The worker's own dispatch queue (Celery's ``worker_direct``)."""
    return f"{node_name(worker)}.dq2"


def ordinal_of(worker: str) -> int:
    """The StatefulSet ordinal in a worker's name (``worker-english-3`` → 3), else 0."""
    tail = worker.rsplit("-", 1)[-1]
    return int(tail) if tail.isdecimal() else 0


def session_key(session: str) -> str:
    """Hash of a live session."""
    return f"asr:session:{session}"


def segments_key(session: str) -> str:
    """List of a session's committed finals."""
    return f"asr:session:{session}:segments"


def snapshot_key(session: str) -> str:
    """Bytes: the recogniser's state at the committed position."""
    return f"asr:session:{session}:snapshot"


def result_key(session: str) -> str:
    """What is left of an ended session."""
    return f"asr:result:{session}"


SESSIONS_KEY: Final = "asr:sessions"
WORKERS_KEY: Final = "asr:workers"
MODELS_KEY: Final = "asr:models"
ALLOCATORS_KEY: Final = "asr:allocators"
ARRIVALS_KEY: Final = "asr:arrivals"


def free_key(model: str) -> str:
    """Sorted set of a model's workers with a free slot."""
    return f"asr:model:{model}:free"


def waiting_key(model: str) -> str:
    """Sorted set of a model's waiting sessions."""
    return f"asr:model:{model}:waiting"


def traffic_key(model: str) -> str:
    """Hash of counters of a model's sessions."""
    return f"asr:model:{model}:traffic"


def scaling_key(model: str) -> str:
    """List of the last decisions about a model's workers."""
    return f"asr:model:{model}:scaling"


def startup_key(model: str) -> str:
    """How long a model's workers need to start."""
    return f"asr:model:{model}:startup"


def worker_key(worker: str) -> str:
    """Hash of a worker."""
    return f"asr:worker:{worker}"


def worker_sessions_key(worker: str) -> str:
    """Set of the sessions assigned to a worker."""
    return f"asr:worker:{worker}:sessions"


def gateway_key(gateway: str) -> str:
    """A gateway's beat."""
    return f"asr:gateway:{gateway}"


JOBS_KEY: Final = "asr:jobs"
LIVE_JOBS_KEY: Final = "asr:jobs:live"
JOBS_ORDER_KEY: Final = "asr:jobs:order"

BATCH_QUEUE: Final = "asr.batch"
"""Where jobs begin; every batch worker consumes it, whatever its models."""


def batch_queue(model: str) -> str:
    """The queue of the work on recordings that needs this model."""
    return f"{BATCH_QUEUE}.{model}"


def job_key(job: str) -> str:
    """Hash of a batch job."""
    return f"asr:job:{job}"


def job_pieces_key(job: str) -> str:
    """Hash of the pieces that a job's recording was cut into."""
    return f"{job_key(job)}:pieces"


def job_heard_key(job: str) -> str:
    """Hash of what was said in them."""
    return f"{job_key(job)}:heard"


def job_tries_key(job: str) -> str:
    """Hash of how often somebody began with them."""
    return f"{job_key(job)}:tries"


def job_transcript_key(job: str) -> str:
    """What is left of a job that is done."""
    return f"{job_key(job)}:transcript"


def job_keys(job: str) -> list[str]:
    """All keys of a job: the hash, pieces, heard, tries, transcript."""
    return [
        job_key(job),
        job_pieces_key(job),
        job_heard_key(job),
        job_tries_key(job),
        job_transcript_key(job),
    ]


def leader_key(role: str) -> str:
    """The record of a leader election."""
    return f"asr:leader:{role}"
