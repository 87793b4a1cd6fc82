"""A client's bytes to samples in the session's buffer; decoding never runs in the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import suppress
from typing import Final, Protocol

from asr_tasks.contracts.audio import BYTES_PER_SAMPLE
from asr_tasks.contracts.errors import BadAudio, Overloaded
from gateway.audio import container, wav
from gateway.audio.raw import RawDecoder, accepted_bytes
from gateway.audio.source import Source
from gateway.buffer import AudioBuffer

_MARK_SAMPLES: Final = 1600
"""Between two notes of how far a container's bytes have become samples."""
_SNIFF_BYTES: Final = 12


class DecoderPool:
    """The threads that decode: a shared pool for raw samples, one per container, counted."""

    def __init__(self, containers: int) -> None:
        """``containers``: how many may be decoded at once."""
        self.threads = ThreadPoolExecutor(4, thread_name_prefix="resample")
        self._free = threading.Semaphore(containers)

    def enter(self) -> None:
        """Take a container's place.

        Raises:
            Overloaded: all are taken.
        """
        if not self._free.acquire(blocking=False):
            raise Overloaded("this gateway decodes as many containers as it may")

    def leave(self) -> None:
        """Give the place back."""
        self._free.release()

    def close(self) -> None:
        """Stop the shared threads."""
        self.threads.shutdown(wait=True, cancel_futures=True)


class _Decoder(Protocol):
    async def feed(self, data: bytes) -> None: ...
    async def finish(self) -> list[str]: ...
    def close(self) -> None: ...


class Ingest:
    """The way of one session's audio from the connection to its buffer."""

    def __init__(
        self, source: Source, accepted: int, buffer: AudioBuffer, pool: DecoderPool
    ) -> None:
        """Args:
        accepted: samples that are stored already; decoded again, they are dropped.
        """
        self._source = source
        self._buffer = buffer
        self._pool = pool
        self._received = 0
        self._samples = 0
        self._drop = 0
        self._marks: deque[tuple[int, int]] = deque([(0, 0)])
        self._decoder: _Decoder | None = None
        self._head = b""
        if source.kind == "raw":
            self._decoder = _Raw(self, RawDecoder(source, accepted), source.passes_through)
        else:
            self._drop = accepted * BYTES_PER_SAMPLE

    async def feed(self, data: bytes) -> None:
        """Take one message of the client; waits while the session's buffer is full.

        Raises:
            BadAudio: it is not audio of the declared format.
            Overloaded: no decoder is free.
        """
        self._received += len(data)
        if self._decoder is None:
            self._head += data
            data = self._sniffed()
        if self._decoder is not None and data:
            await self._decoder.feed(data)

    async def finish(self) -> list[str]:
        """The stream is over; flush everything into the buffer.

        Returns:
            Codes of warnings for the client.

        Raises:
            BadAudio: what came is no audio.
        """
        if self._decoder is None:
            if not self._head:
                return []
            self._decoder = _Container(self, self._pool)
            await self._decoder.feed(self._head)
        return await self._decoder.finish()

    def close(self) -> None:
        """Release the decoder, whatever it is doing."""
        if self._decoder is not None:
            self._decoder.close()

    def bytes_of(self, accepted: int) -> int:
        """How many bytes of the client's stream the first ``accepted`` samples cover."""
        if self._source.kind == "raw":
            return accepted_bytes(self._source, accepted)
        while len(self._marks) > 1 and self._marks[1][0] <= accepted:
            self._marks.popleft()
        return self._marks[0][1]

    async def emit(self, pcm: bytes, taken: int | None = None) -> None:
        """Samples from the decoder; ``taken``: bytes of the client they were made of."""
        self._samples += len(pcm) // BYTES_PER_SAMPLE
        if self._source.kind == "container":
            if self._samples - self._marks[-1][0] >= _MARK_SAMPLES:
                self._marks.append((self._samples, self._received if taken is None else taken))
            if self._drop:
                dropped = min(self._drop, len(pcm))
                self._drop -= dropped
                pcm = pcm[dropped:]
        await self._buffer.put(pcm)

    def _sniffed(self) -> bytes:
        """Choose the decoder once enough is known; what it has to be fed first."""
        if len(self._head) < _SNIFF_BYTES:
            return b""
        if wav.is_wav(self._head):
            try:
                parsed = wav.parse(self._head)
            except wav.Unsupported:
                parsed = None
            else:
                if parsed is None:
                    if len(self._head) > wav.HEADER_BYTES:
                        raise BadAudio("the wav's header is too long")
                    return b""
            if parsed is not None:
                source, start, size = parsed
                self._decoder = _Raw(self, RawDecoder(source), source.passes_through, size)
                return self._head[start:]
        self._decoder = _Container(self, self._pool)
        return self._head

    @property
    def pool(self) -> DecoderPool:
        """Where decoding runs."""
        return self._pool


class _Raw:
    """Raw samples, or a wav's after its header."""

    def __init__(
        self, ingest: Ingest, decoder: RawDecoder, direct: bool, size: int | None = None
    ) -> None:
        self._ingest = ingest
        self._decoder = decoder
        self._direct = direct
        self._left = size

    async def feed(self, data: bytes) -> None:
        if self._left is not None:
            # What follows a wav's data are notes (LIST …), not samples.
            data = data[: self._left]
            self._left -= len(data)
        if not data:
            return
        if self._direct:
            pcm = self._decoder.feed(data)
        else:
            loop = asyncio.get_running_loop()
            pcm = await loop.run_in_executor(self._ingest.pool.threads, self._decoder.feed, data)
        await self._ingest.emit(pcm)

    async def finish(self) -> list[str]:
        loop = asyncio.get_running_loop()
        tail = await loop.run_in_executor(self._ingest.pool.threads, self._decoder.finish)
        await self._ingest.emit(tail)
        if self._left:
            return ["truncated"]
        return ["incomplete_sample"] if self._decoder.incomplete else []

    def close(self) -> None:
        """Nothing is held."""


class _Container:
    """A container: its own thread runs FFmpeg."""

    def __init__(self, ingest: Ingest, pool: DecoderPool) -> None:
        pool.enter()
        self._ingest = ingest
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._pipe = container.Pipe(self._notify)
        self._done: asyncio.Future[bool] = self._loop.create_future()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="decode", daemon=True)
        self._thread.start()

    async def feed(self, data: bytes) -> None:
        while self._pipe.full and not self._done.done():
            self._room.clear()
            if self._pipe.full:
                await self._room.wait()
        if self._done.done():
            self._done.result()  # raises what the decoder raised; after its end bytes are ignored
            return
        self._pipe.write(data)

    async def finish(self) -> list[str]:
        self._pipe.end()
        return ["truncated"] if await asyncio.shield(self._done) else []

    def close(self) -> None:
        self._closed = True
        self._pipe.close()

    def _run(self) -> None:
        damaged, fault = False, None
        try:
            damaged = container.decode(self._pipe, self._sink)
        except container.Closed:
            pass  # the session is over; nobody asks for the outcome
        except BadAudio as error:
            fault = error
        except Exception as error:
            fault = BadAudio(f"the audio could not be decoded: {type(error).__name__}")
            fault.__cause__ = error
        finally:
            self._pool.leave()
        self._post(lambda: self._settle(damaged, fault))

    def _sink(self, pcm: bytes) -> None:
        if self._closed:
            raise container.Closed
        # Blocks this thread while the session's buffer is full; the session's end releases it
        # because a closed buffer takes everything.
        emitted = self._ingest.emit(pcm, self._pipe.taken)
        try:
            asyncio.run_coroutine_threadsafe(emitted, self._loop).result()
        except (CancelledError, RuntimeError) as error:
            emitted.close()
            raise container.Closed from error

    def _settle(self, damaged: bool, fault: BadAudio | None) -> None:
        if fault is not None:
            self._done.set_exception(fault)
            self._done.exception()  # marks it as seen: feed() or finish() may never be called
        else:
            self._done.set_result(damaged)
        self._room.set()

    def _notify(self) -> None:
        self._post(self._room.set)

    def _post(self, act: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is waiting
            self._loop.call_soon_threadsafe(act)
