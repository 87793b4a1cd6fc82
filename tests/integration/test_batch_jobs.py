"""Recordings as jobs: real RabbitMQ, Redis and batch workers; a model that says checksums."""

from __future__ import annotations

import asyncio
import json
import threading
import zlib

import numpy as np
import pytest
import redis
import soundfile
from celery import Celery

from asr_tasks.catalogue import Catalogue
from asr_tasks.contracts.errors import BadParameter, UnknownModel
from asr_tasks.contracts.jobs import JobRequest, JobState
from asr_tasks.jobs.launch import by_celery
from asr_tasks.jobs.redis_jobs import RedisJobs
from tests.support.cluster import Cluster, running
from tests.support.eventually import eventually, eventually_async

pytestmark = pytest.mark.integration

RATE = 16_000
WITHIN = 90.0
CATALOGUE = '[models.echo]\nkind = "echo"\nlanguage = "en"\n[models.other]\nkind = "echo"\n'


def speech(seconds, seed=1, channels=1):
    """Noise with a pause each twenty seconds or so, exact in 16 bits."""
    random = np.random.default_rng(seed)
    audio = random.integers(-9000, 9000, (int(seconds * RATE), channels)).astype(np.int16)
    for at in range(20, int(seconds), 21):
        audio[at * RATE : int((at + 0.5) * RATE)] = 0
    return audio


def recording(folder, seconds, name="call.flac", **more):
    path = folder / name
    soundfile.write(path, speech(seconds, **more), RATE, subtype="PCM_16")
    return path


@pytest.fixture(scope="module")
def servers(rabbitmq, redis_process, tmp_path_factory):
    folder = tmp_path_factory.mktemp("batch")
    catalogue = folder / "catalogue.toml"
    catalogue.write_text(CATALOGUE)
    with redis.Redis.from_url(redis_process.url) as client:
        client.flushdb()
    app = Celery(broker=rabbitmq.url, backend=redis_process.url)
    with running(Cluster(rabbitmq.url, redis_process.url, folder)) as cluster:
        cluster.environment["ASR_CATALOGUE"] = str(catalogue)
        cluster.environment["ASR_CARETAKER_SECONDS"] = "0.5"
        cluster.environment["ASR_BATCH_STALL_SECONDS"] = "2"
        cluster.batch_worker("batch-0", "echo,other")
        yield cluster, app, catalogue
    app.close()


@pytest.fixture
async def jobs(servers):
    cluster, app, catalogue = servers
    jobs = RedisJobs.connect(
        cluster.redis, by_celery(app.send_task), Catalogue.load(str(catalogue)), expires=600
    )
    yield jobs
    await jobs.close()


async def ended(jobs, job):
    async def over():
        found = await jobs.get(job)
        return found if found is not None and found.state.over else None

    return await eventually_async(over, within=WITHIN, every=0.1)


def checksums(transcript, path):
    """Whether the transcript is exactly what the samples say, piece by piece."""
    audio, _ = soundfile.read(path, dtype="int16", always_2d=True)
    for utterance in transcript.utterances:
        for word in utterance.words:
            part = audio[round(word.start * RATE) : round(word.end * RATE), utterance.channel or 0]
            assert word.text == f"{zlib.crc32(part.tobytes()):08x}"
    spans = [(w.start, w.end) for u in transcript.utterances for w in u.words]
    return sum(end - start for start, end in spans)


async def test_a_job_says_all_of_its_recording_once_and_in_order(jobs, tmp_path):
    path = recording(tmp_path, 700)
    target = tmp_path / "call.json"
    made = await jobs.create(JobRequest(str(path), target=str(target)))
    assert made.request.model == "echo"
    assert made.request.name == "call.flac"
    job = await ended(jobs, made.id)
    assert (job.state, job.code, job.message) == (JobState.DONE, "", "")
    assert job.duration == pytest.approx(700)
    assert job.heard == pytest.approx(700)
    assert job.pieces == job.done > 20
    transcript = await jobs.transcript(made.id)
    assert transcript.language == "en"
    assert checksums(transcript, path) == pytest.approx(700, abs=0.1)
    assert json.loads(target.read_text())["duration"] == 700
    assert await jobs.so_far(made.id) == transcript


async def test_channels_are_heard_apart_and_merged_in_order_of_time(jobs, tmp_path):
    path = recording(tmp_path, 50, channels=2)
    made = await jobs.create(JobRequest(str(path), channels="split"))
    await ended(jobs, made.id)
    transcript = await jobs.transcript(made.id)
    assert {one.channel for one in transcript.utterances} == {0, 1}
    assert checksums(transcript, path) == pytest.approx(100, abs=0.1)
    starts = [one.start for one in transcript.utterances]
    assert starts == sorted(starts)


async def test_any_celery_client_may_send_a_job_and_has_its_result(servers, tmp_path):
    _, app, _ = servers
    path = recording(tmp_path, 30)
    result = app.send_task("transcribe", [str(path)], {"format": "srt"}, queue="asr.batch")
    found = await asyncio.to_thread(result.get, timeout=WITHIN)
    assert found["duration"] == 30
    assert len(found["text"].split()) >= 30


async def test_whoever_died_before_saying_so_to_celery_is_made_up_for(servers, jobs, tmp_path):
    _, app, _ = servers
    made = await jobs.create(JobRequest(str(recording(tmp_path, 20))))
    await ended(jobs, made.id)
    result = app.AsyncResult(made.id)
    said = await asyncio.to_thread(result.get, timeout=WITHIN)
    # As it is then: the job is over, its task has no result, and its message comes again.
    await asyncio.to_thread(result.forget)
    await by_celery(app.send_task)(made.id, made.request)
    again = app.AsyncResult(made.id)
    assert await asyncio.to_thread(again.get, timeout=WITHIN) == said


async def test_progress_is_in_the_state_and_in_the_events_that_flower_shows(
    servers, jobs, tmp_path
):
    _, app, _ = servers
    seen: list[dict] = []
    stop = threading.Event()

    def listen():
        with app.connection_for_read() as connection:
            receiver = app.events.Receiver(connection, handlers={"*": seen.append})
            for _ in receiver.itercapture(limit=None, timeout=1, wakeup=True):
                if stop.is_set():
                    return

    def run():
        while not stop.is_set():
            try:
                listen()
            except TimeoutError:
                continue

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    made = await jobs.create(JobRequest(str(recording(tmp_path, 60))))
    await ended(jobs, made.id)

    def kinds():
        return {event["type"] for event in seen if event.get("uuid") == made.id}

    try:
        await eventually_async(
            lambda: {"task-received", "task-progress", "task-succeeded"} <= kinds(), within=30
        )
    finally:
        stop.set()
        thread.join(10)
    assert app.AsyncResult(made.id).state == "SUCCESS"


async def test_the_same_id_again_is_the_same_job(jobs, tmp_path):
    path = recording(tmp_path, 20)
    first = await jobs.create(JobRequest(str(path)))
    await ended(jobs, first.id)
    again = await jobs.create(JobRequest(str(path), model="other"), first.id)
    assert again.state is JobState.DONE
    assert again.request.model == "echo"
    assert [job.id for job in await jobs.recent(1)] == [first.id]


async def test_what_cannot_be_is_refused_before_it_is_kept(jobs, tmp_path):
    before = len(await jobs.recent(200))
    with pytest.raises(UnknownModel):
        await jobs.create(JobRequest("/a.flac", model="latin"))
    with pytest.raises(BadParameter):
        await jobs.create(JobRequest("ftp://a/b.flac"))
    with pytest.raises(BadParameter):
        await jobs.create(JobRequest("/a.flac", format="doc"))
    assert len(await jobs.recent(200)) == before


@pytest.mark.parametrize(
    ("content", "code"), [(None, "bad_source"), (b"not audio at all" * 99, "bad_audio")]
)
async def test_a_recording_that_cannot_be_read_fails_its_job_and_says_why(
    jobs, tmp_path, content, code
):
    path = tmp_path / "call.flac"
    if content is not None:
        path.write_bytes(content)
    made = await jobs.create(JobRequest(str(path)))
    job = await ended(jobs, made.id)
    assert (job.state, job.code) == (JobState.FAILED, code)
    assert job.message


async def test_a_failed_job_may_be_tried_again(jobs, tmp_path):
    path = tmp_path / "late.flac"
    made = await jobs.create(JobRequest(str(path)))
    assert (await ended(jobs, made.id)).state is JobState.FAILED
    recording(tmp_path, 20, name="late.flac")
    again = await jobs.retry(made.id)
    assert again.attempt == 2
    assert (await ended(jobs, made.id)).state is JobState.DONE


async def test_a_cancelled_job_ends_and_stays_so(servers, jobs, tmp_path):
    made = await jobs.create(JobRequest(str(recording(tmp_path, 1200))))
    job = await jobs.cancel(made.id)
    assert job.state in (JobState.CANCELLED, JobState.DONE)
    assert (await jobs.cancel(made.id)).state is job.state
    assert await jobs.retry("00000000-0000-0000-0000-000000000000") is None


async def test_revoking_the_task_in_celery_ends_the_job(servers, jobs, tmp_path):
    cluster, app, _ = servers
    client = redis.Redis.from_url(cluster.redis, decode_responses=True)
    made = await jobs.create(JobRequest(str(tmp_path / "nothing.flac"), webhook=""))
    await ended(jobs, made.id)
    # A live job of which no message exists: only the caretaker can end it.
    client.hset(f"asr:job:{made.id}", mapping={"state": "running", "serial": 100})
    client.sadd("asr:jobs:live", made.id)
    app.control.revoke(made.id)
    job = await ended(jobs, made.id)
    assert job.state is JobState.CANCELLED
    client.close()


async def test_a_job_whose_message_was_lost_is_begun_again(servers, tmp_path):
    cluster, _, catalogue = servers

    async def lost(job, request):
        """The launcher died here."""

    jobs = RedisJobs.connect(cluster.redis, lost, Catalogue.load(str(catalogue)), expires=600)
    made = await jobs.create(JobRequest(str(recording(tmp_path, 20))))
    assert (await ended(jobs, made.id)).state is JobState.DONE
    await jobs.close()


@pytest.mark.parametrize("forgotten", ["begin", "cut", "heard", "everything"])
async def test_whatever_redis_forgets_the_job_ends_the_same(servers, jobs, tmp_path, forgotten):
    cluster, _, _ = servers
    path = recording(tmp_path, 90)
    made = await jobs.create(JobRequest(str(path)))
    await ended(jobs, made.id)
    wanted = await jobs.transcript(made.id)
    client = redis.Redis.from_url(cluster.redis, decode_responses=True)
    key = f"asr:job:{made.id}"
    # As Redis's last second lost leaves it: messages are acknowledged, the record is older.
    client.hset(key, mapping={"state": "running", "serial": 200})
    client.delete(f"{key}:transcript")
    for one in (key, f"{key}:pieces", f"{key}:heard"):
        client.persist(one)
    client.hset(key, mapping={"position": 0, "cut": 0, "pieces": 0, "heard": 0})
    if forgotten == "begin":
        client.hset(key, "state", "queued")
    elif forgotten == "heard":
        client.hset(key, mapping={"position": 90 * RATE, "cut": 1, "pieces": 5})
        for index in range(5):
            client.hset(f"{key}:pieces", index, f"{index * 18 * RATE} {(index + 1) * 18 * RATE} 0")
        client.hset(f"{key}:heard", 2, "[]")
    client.sadd("asr:jobs:live", made.id)
    if forgotten == "everything":
        client.delete(key)
        client.srem("asr:jobs:live", made.id)
        await jobs.create(JobRequest(str(path)), made.id)
    job = await ended(jobs, made.id)
    assert job.state is JobState.DONE
    if forgotten != "heard":
        assert await jobs.transcript(made.id) == wanted
    client.close()


def test_the_message_is_the_one_that_celery_sends(servers, tmp_path):
    from kombu import Connection

    from asr_tasks.jobs.launch import arguments_of, message_of

    cluster, app, _ = servers
    request = JobRequest("/a.flac", model="echo", name="a.flac")
    app.send_task(
        "transcribe", kwargs=arguments_of(request), task_id="one", queue="asr.batch.compare"
    )
    with Connection(cluster.broker) as connection:
        channel = connection.channel()
        theirs = eventually(lambda: channel.basic_get("asr.batch.compare", no_ack=True), within=10)
        channel.queue_delete("asr.batch.compare")
    ours = message_of("one", request)
    changing = {"origin", "stamped_headers", "stamps", "replaced_task_nesting"}
    headers = {k: v for k, v in theirs.headers.items() if k not in changing}
    assert {k: v for k, v in ours.headers.items() if k not in changing} == headers
    assert json.loads(ours.body) == json.loads(theirs.body)
    assert theirs.properties["content_type"] == ours.content_type
    assert theirs.properties["correlation_id"] == ours.correlation_id
