"""What one session leaves in the metrics and, at its end, in the log."""

from __future__ import annotations

import asyncio
from typing import Final

from asr_tasks import log
from asr_tasks.contracts.errors import SessionSuperseded
from gateway.events import Done, Event, Failed, FinalResult, PartialResult
from gateway.metrics import Metrics

_BACKPRESSURE_SECONDS: Final = 0.01
"""Taking a message for longer than this is waiting, not work."""


class Meter:
    """One per session; measures from when it is made."""

    def __init__(self, session: str, metrics: Metrics) -> None:
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._first_audio: float | None = None
        self._first_text = False
        self._log = log.get(__name__).bind(session=session)

    def audio_came(self, now: float) -> None:
        """A message of audio is there."""
        if self._first_audio is None:
            self._first_audio = now

    def audio_taken(self, size: int, seconds: float) -> None:
        """It was taken in: so many bytes in so many seconds."""
        if seconds > _BACKPRESSURE_SECONDS:
            self._metrics.backpressure.inc(seconds)
        self._metrics.audio_bytes.inc(size)

    def telling(self, event: Event) -> None:
        """The client is about to be told."""
        if self._first_text or not isinstance(event, PartialResult | FinalResult):
            return
        if event.result.text:  # an empty result says nothing yet
            self._first_text = True
            if self._first_audio is not None:
                self._metrics.first_partial.observe(self._loop.time() - self._first_audio)

    def dismissed(self, code: str) -> None:
        """The client was told an error, but the session goes on."""
        self._metrics.errors.labels(code).inc()

    def ended(self, event: Event) -> None:
        """The session has ended here, with one of :data:`gateway.events.LAST`."""
        metrics = self._metrics
        metrics.duration.observe(self._loop.time() - self._began)
        match event:
            case Done():
                metrics.ended.labels(event.reason).inc()
                self._log.info(
                    "session done",
                    segments=event.segments,
                    seconds=event.duration,
                    reason=event.reason,
                )
            case Failed(SessionSuperseded.code):
                # Its client is back on a newer connection: the session goes on there.
                metrics.ended.labels(event.code).inc()
                self._log.info("session taken over")
            case Failed():
                metrics.ended.labels(event.code).inc()
                metrics.errors.labels(event.code).inc()
                self._log.info("session failed", code=event.code, reason=event.message)
            case _:
                metrics.ended.labels("moved").inc()
