"""A client of kaldi-gstreamer-server's protocol, ``/client/ws/speech``, with our client's face.

The protocol has no greeting, acknowledges nothing and resumes nothing: a connection that breaks
ends the session.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

from asr_cli.client.events import Done, Event, Partial, Ready
from asr_cli.client.events import Final as FinalEvent
from asr_cli.client.link import CONNECT_SECONDS, Traffic
from asr_tasks.contracts.audio import SAMPLE_RATE
from asr_tasks.contracts.errors import (
    AsrError,
    BackendDown,
    Cancelled,
    IdleTimeout,
    NoWorker,
    Refused,
)

PATH: Final = "/client/ws/speech"
CAPS: Final = (
    f"audio/x-raw, layout=(string)interleaved, rate=(int){SAMPLE_RATE}, format=(string)S16LE, "
    "channels=(int)1"
)
_ERRORS: Final[dict[int, type[AsrError]]] = {1: IdleTimeout, 2: Cancelled, 5: Refused, 9: NoWorker}


class KaldiClient:
    """One session; sends 16 kHz mono PCM16LE, gives events.

    Args:
        url: of the gateway, without the protocol's path.
        model: the catalogue's name; empty: the gateway's own choice.
        client: who is calling.
        traffic: what goes over the connection is added to it.
    """

    def __init__(self, url: str, *, model: str, client: str, traffic: Traffic) -> None:
        self._url = url + PATH
        self._query = {"content-type": CAPS, "model": model, "user-id": client}
        self._model = model
        self._traffic = traffic
        self._stack = contextlib.AsyncExitStack()
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._connected = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connected.set()
        await self._stack.aclose()

    async def opened(self) -> int:
        """Wait for the connection; 0: audio is wanted from its beginning.

        Raises:
            BackendDown: there is none.
        """
        await self._connected.wait()
        if self._ws is None:
            raise BackendDown
        return 0

    async def send(self, pcm: bytes) -> None:
        """One message of audio; waits for as long as the gateway does not read.

        Raises:
            BackendDown: the connection is gone.
        """
        await self._send(pcm)

    async def end(self) -> None:
        """Say that the audio is over."""
        with contextlib.suppress(BackendDown):  # the reader of the events is told
            await self._send("EOS")

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Events until :class:`~asr_cli.client.Done`.

        Raises:
            AsrError: the session is over without success.
        """
        try:
            self._ws = ws = await self._connect()
        finally:
            self._connected.set()
        yield Ready("", "", self._model, resumed=False)
        segments, duration = 0, 0.0
        async for message in ws:
            if message.type is not aiohttp.WSMsgType.TEXT:
                break
            self._traffic.messages_received += 1
            self._traffic.bytes_received += len(message.data)
            raw = json.loads(message.data)
            if error := _ERRORS.get(raw["status"]):
                raise error(raw.get("message", ""))
            event = _result(raw)
            if isinstance(event, FinalEvent):
                segments, duration = segments + 1, event.end
            if event is not None:
                yield event
        if ws.close_code != 1000:
            raise BackendDown(f"connection lost ({ws.close_code})")
        yield Done(segments, duration, "eos")

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                http = await self._stack.enter_async_context(aiohttp.ClientSession())
                connecting = http.ws_connect(self._url, params=self._query, max_msg_size=0)
                return await self._stack.enter_async_context(connecting)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise BackendDown(f"no gateway answers: {error or type(error).__name__}") from error

    async def _send(self, data: bytes | str) -> None:
        if self._ws is None:
            raise BackendDown
        try:
            if isinstance(data, str):
                await self._ws.send_str(data)
            else:
                await self._ws.send_bytes(data)
        except (aiohttp.ClientError, OSError) as error:
            raise BackendDown(f"connection lost: {error}") from error
        self._traffic.messages_sent += 1
        self._traffic.bytes_sent += len(data)


def _result(raw: dict[str, Any]) -> Event | None:
    """The event of a message; None for one without words, such as an adaptation state."""
    if "result" not in raw:
        return None
    text = raw["result"]["hypotheses"][0]["transcript"]
    segment = int(raw.get("segment", 0))
    if not raw["result"]["final"]:
        return Partial(segment, 0.0, 0.0, text)
    end = float(raw.get("total-length", 0.0))
    return FinalEvent(segment, float(raw.get("segment-start", 0.0)), end, text)
