"""A thread that owns one AMQP connection: nobody else touches it.

Others :meth:`IoThread.post` functions, which run in the thread, in order. The thread connects
again by itself and for ever, with jittered backoff, and independently of Celery's connection
(which was seen to need six seconds after a broker's restart).
"""

from __future__ import annotations

import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import amqp

from asr_tasks import log
from asr_tasks.settings import masked
from asr_tasks.transport.amqp_connection import LOST, Connection, connect
from asr_tasks.transport.backoff import Backoff
from asr_tasks.transport.metrics import CONNECTED
from asr_tasks.transport.metrics import LOST as LOST_TOTAL
from asr_tasks.transport.waker import Waker

_log = log.get("asr.transport")

TICK_SECONDS = 0.25
"""Longest poll: how late heartbeats and the owner's own timers may be."""

JOIN_SECONDS = 10.0


class Owner(Protocol):
    """Who uses the connection. All methods run in the I/O thread; a connection error that they
    raise makes the thread connect again.
    """

    def up(self, connection: Connection) -> None:
        """A new connection is there."""
        ...

    def down(self) -> None:
        """The connection is gone, and every channel with it."""
        ...

    def tick(self) -> None:
        """Called about every :data:`TICK_SECONDS` while connected."""
        ...


class IoThread:
    """Runs the connection for an :class:`Owner`.

    Args:
        url: AMQP URL(s).
        name: of the thread and the metric's label.
        owner: told when the connection comes and goes.
        label: part of the connection's name in the broker's list.
        heartbeat: AMQP heartbeat, seconds.
    """

    def __init__(
        self, url: str, name: str, owner: Owner, *, label: str = "", heartbeat: int = 10
    ) -> None:
        self._url = url
        self._name = name
        self._label = f"asr worker {label} {name}"
        self._owner = owner
        self._heartbeat = heartbeat
        self._waker = Waker()
        self._posted: deque[Callable[[], None]] = deque()
        self._closing = False
        self._backoff = Backoff()
        self._away = False
        self.connected = False
        self._thread = threading.Thread(target=self._run, name=f"amqp-{name}", daemon=True)

    def start(self) -> None:
        """Begin; returns at once, whether or not the broker is there."""
        self._thread.start()

    def post(self, function: Callable[[], None]) -> None:
        """Run ``function`` in the thread soon, connected or not; from any thread."""
        self._posted.append(function)
        self._waker.wake()

    def close(self) -> None:
        """Run what was posted, close the connection, end the thread; from another thread."""
        self._closing = True
        self._waker.wake()
        self._thread.join(JOIN_SECONDS)
        if self._thread.is_alive():
            _log.warning("thread does not end", thread=self._thread.name)

    def _run(self) -> None:
        while not self._closing:
            try:
                connection = connect(self._url, self._label, self._heartbeat)
            except (*LOST, amqp.AMQPError) as error:
                self._wait(self._backoff.next(), error)
                continue
            try:
                self._serve(connection)
            except (*LOST, amqp.AMQPError) as error:
                _log.warning("broker connection lost", connection=self._name, error=str(error))
            except Exception:
                # A bug of ours must not end every stream of the process: a new connection
                # is a known state, and the backoff keeps the loop from spinning.
                _log.exception("broker connection given up", connection=self._name)
            finally:
                self._drop(connection)
            if not self._closing:
                LOST_TOTAL.labels(self._name).inc()
                self._wait(self._backoff.next(), None)
        self._work()
        self._waker.close()

    def _serve(self, connection: Connection) -> None:
        self._owner.up(connection)
        self.connected = True
        CONNECTED.labels(self._name).set(1)
        self._backoff.reset()
        self._away = False
        _log.info("broker connected", connection=self._name)
        poll = select.poll()
        poll.register(connection.sock, select.POLLIN)
        poll.register(self._waker, select.POLLIN)
        beat = time.monotonic()
        while not self._closing:
            poll.poll(TICK_SECONDS * 1000)
            connection.drain()
            self._work()
            now = time.monotonic()
            if now - beat > TICK_SECONDS:
                beat = now
                self._owner.tick()
                connection.heartbeat_tick()
        self._work()

    def _work(self) -> None:
        self._waker.clear()
        while self._posted:
            self._posted.popleft()()

    def _wait(self, seconds: float, error: Exception | None) -> None:
        """Sit out a backoff; posted functions run meanwhile."""
        if error is not None:
            # Several tries a second: the first of a series is worth a line.
            level = _log.debug if self._away else _log.warning
            level("broker not there", url=masked(self._url), error=str(error))
            self._away = True
        until = time.monotonic() + seconds
        while not self._closing and (left := until - time.monotonic()) > 0:
            select.select([self._waker], [], [], left)
            self._work()

    def _drop(self, connection: Connection) -> None:
        clean = self._closing
        self.connected = False
        CONNECTED.labels(self._name).set(0)
        self._owner.down()
        try:
            if clean:
                connection.close()
        except (*LOST, amqp.AMQPError) as error:
            _log.debug("close not answered", connection=self._name, error=str(error))
        finally:
            connection.collect()
