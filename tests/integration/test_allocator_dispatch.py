"""The dispatch reaches the worker's own queue, whatever the broker, and looks right there."""

from __future__ import annotations

import asyncio
import time
import uuid

import pytest
from celery.utils.nodenames import worker_direct
from kombu import Connection

from allocator.dispatcher import CeleryDispatcher, arguments, producer_app
from allocator.offer import Offer
from asr_tasks.contracts import names
from tests.support.eventually import eventually_async

pytestmark = pytest.mark.integration


@pytest.fixture(params=["rabbitmq", "memory"])
def broker(request):
    return request.getfixturevalue("rabbitmq").url if request.param == "rabbitmq" else "memory://"


@pytest.fixture
async def dispatcher(broker):
    dispatcher = CeleryDispatcher(producer_app(broker))
    yield dispatcher
    await dispatcher.close()


def offer(worker, **more):
    return Offer(names.new_session_id(), worker, 3, "english", **more)


def received(broker, worker):
    """Take every message out of the worker's queue."""
    found = []
    with Connection(broker) as connection:
        queue = worker_direct(names.node_name(worker))(connection.default_channel)
        queue.declare()
        while (message := queue.get(no_ack=True)) is not None:
            found.append(message)
    return found


async def test_the_task_arrives_in_the_workers_own_queue(broker, dispatcher):
    worker = f"worker-{uuid.uuid4().hex}"
    sent = offer(worker, language="en", client="bob", options={"hotwords": ["x"]},
                 traceparent="00-a-b-01")  # fmt: skip
    await dispatcher.ping()
    dispatcher.send(sent)
    [message] = await eventually_async(lambda: asyncio.to_thread(received, broker, worker))
    headers = message.headers
    assert (headers["id"], headers["task"]) == (sent.session, names.STREAM_TASK)
    assert not headers.get("ignore_result")  # or the worker would not keep the transcript
    assert not headers.get("expires")
    assert headers["traceparent"] == "00-a-b-01"
    assert message.properties["expiration"] == "30000"
    assert message.payload[1] == {
        "session": sent.session,
        "model": "english",
        "client": "bob",
        "epoch": 3,
        "worker": worker,
        "language": "en",
        "hotwords": ["x"],
    }
    assert headers["kwargsrepr"].startswith(f"{{'session': '{sent.session}', 'model': 'english'")


async def test_a_warm_dispatch_takes_milliseconds(broker, dispatcher):
    worker = f"worker-{uuid.uuid4().hex}"
    dispatcher.send(offer(worker))
    await eventually_async(lambda: asyncio.to_thread(received, broker, worker))
    begin = time.perf_counter()
    for _ in range(50):
        dispatcher.send(offer(worker))
    returned = time.perf_counter() - begin
    await eventually_async(lambda: dispatcher._pending == 0, every=0.001)
    took = time.perf_counter() - begin
    print(f"{broker.partition(':')[0]}: {took / 50 * 1000:.2f} ms a dispatch")
    assert returned < 0.1  # the event loop is not held up
    assert len(await asyncio.to_thread(received, broker, worker)) == 50


async def test_a_broker_that_is_away_fails_soon_and_holds_nobody_up():
    dispatcher = CeleryDispatcher(producer_app("amqp://guest:guest@127.0.0.1:1//"))
    begin = time.perf_counter()
    dispatcher.send(offer("worker-0"))
    assert time.perf_counter() - begin < 0.1
    with pytest.raises(OSError, match="refused"):
        await dispatcher.ping()
    await eventually_async(lambda: dispatcher._pending == 0, within=10)
    await dispatcher.close()


async def test_a_dispatch_survives_a_restart_of_the_broker(rabbitmq):
    dispatcher = CeleryDispatcher(producer_app(rabbitmq.url))
    worker = f"worker-{uuid.uuid4().hex}"
    dispatcher.send(offer(worker))
    await eventually_async(lambda: asyncio.to_thread(received, rabbitmq.url, worker))
    rabbitmq.kill9()
    await asyncio.to_thread(rabbitmq.start)
    dispatcher.send(offer(worker))  # on a connection that has died meanwhile
    await eventually_async(lambda: asyncio.to_thread(received, rabbitmq.url, worker), within=10)
    await dispatcher.close()


async def test_the_queue_of_a_worker_that_will_not_come_back_is_deleted(rabbitmq):
    dispatcher = CeleryDispatcher(producer_app(rabbitmq.url))
    worker = f"laptop-{uuid.uuid4().hex}"
    dispatcher.send(offer(worker))
    dispatcher.forget(worker)
    dispatcher.forget(worker)
    await dispatcher.close()
    with Connection(rabbitmq.url) as connection:
        queue = worker_direct(names.node_name(worker))(connection.default_channel)
        with pytest.raises(Exception, match="NOT_FOUND"):
            queue.queue_declare(passive=True)


def test_arguments_leave_nothing_for_the_worker_to_guess():
    assert arguments(Offer("s", "w", 1, "english")) == {
        "session": "s", "model": "english", "client": "", "epoch": 1, "worker": "w",
        "language": None,
    }  # fmt: skip
