"""Callers that no good client would be: they hang up, cancel, send what makes no sense."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import struct
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Final

import aiohttp

from asr_cli.audio import PIECE
from asr_cli.pace import paced
from tests.soak.callers import Line, Wrong

ANSWER_SECONDS: Final = 30.0
MODEL: Final = {"model": "english"}


class Disturbed(Exception):
    """The connection broke before the answer came: right while a gateway restarts, else wrong."""


class Wire:
    """A WebSocket without a client around it."""

    def __init__(self, http: aiohttp.ClientSession, ws: aiohttp.ClientWebSocketResponse) -> None:
        self._http = http
        self._ws = ws

    async def speak(self, pcm: bytes) -> None:
        """At the speed of speech."""
        pieces = (pcm[at : at + PIECE] for at in range(0, len(pcm), PIECE))
        async for piece in paced(_each(pieces), speed=1.0):
            await self.send(piece)

    async def send(self, message: bytes | str) -> None:
        """One message.

        Raises:
            Disturbed: the connection is gone.
        """
        try:
            if isinstance(message, str):
                await self._ws.send_str(message)
            else:
                await self._ws.send_bytes(message)
        except (aiohttp.ClientError, OSError) as error:
            raise Disturbed(repr(error)) from error

    async def code(self) -> str:
        """Of the error that ends the session; "done" if it ends well.

        Raises:
            Disturbed: the connection is gone, or goes for a restart, and nothing was said.
        """
        async with asyncio.timeout(ANSWER_SECONDS):
            async for message in self._ws:
                match json.loads(message.data):
                    case {"type": "error", "code": str(code)}:
                        return code
                    case {"type": "done"}:
                        return "done"
        raise Disturbed(f"closed with {self._ws.close_code}")

    async def drop(self, *, reset: bool) -> None:
        """Hang up without a word: a bare FIN, or an RST."""
        connection = self._ws.get_extra_info("socket")
        if connection is not None and reset:
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        await self._http.close()


@contextlib.asynccontextmanager
async def wire(port: int, parameters: Mapping[str, str]) -> AsyncIterator[Wire]:
    """A connection to the gateway on that port.

    Raises:
        Disturbed: there is none, or it broke.
    """
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as http:
        try:
            ws = await http.ws_connect(
                f"http://127.0.0.1:{port}/v1/stream", params=dict(parameters), max_msg_size=0
            )
        except (aiohttp.ClientError, OSError) as error:
            raise Disturbed(repr(error)) from error
        yield Wire(http, ws)


async def hang_up(line: Line, rng: random.Random) -> str:
    """Goes away in the middle of a word; nobody comes back for the session."""
    speech, window = rng.choice(line.speeches), rng.choice(["0", "2", "10"])
    said = rng.uniform(0.0, speech.seconds)
    async with wire(rng.choice(line.gateways), MODEL | {"resume_window": window}) as made:
        await made.speak(speech.pcm[: int(said * 16_000) * 2])
        await made.drop(reset=rng.random() < 0.5)
    return f"after {said:.1f} s, window {window} s"


async def cancel(line: Line, rng: random.Random) -> str:
    """Changes its mind."""
    speech = rng.choice(line.speeches)
    said = rng.uniform(0.0, min(10.0, speech.seconds))
    async with wire(rng.choice(line.gateways), MODEL) as made:
        await made.speak(speech.pcm[: int(said * 16_000) * 2])
        await made.send('{"type":"cancel"}')
        _expect("cancelled", await made.code())
    return f"after {said:.1f} s"


async def nonsense(line: Line, rng: random.Random) -> str:
    """Sends something wrong: is told what, by its code."""
    code = rng.choice(list(BAD))
    parameters, messages = BAD[code]
    async with wire(rng.choice(line.gateways), parameters()) as made:
        for message in messages:
            await made.send(message)
        _expect(code, await made.code())
    return code


_SECOND: Final = bytes(32_000)
BAD: Final[dict[str, tuple[Callable[[], dict[str, str]], list[bytes | str]]]] = {
    "bad_parameter": (lambda: MODEL | {"volume": "11"}, []),
    "unknown_model": (lambda: {"model": "klingon"}, []),
    "bad_session_id": (lambda: MODEL | {"session": "mine"}, []),
    "session_ended": (lambda: {"session": str(uuid.uuid4()), "token": "made up"}, []),
    "bad_message": (lambda: MODEL, [_SECOND, '{"type":']),
    "audio_after_end": (lambda: MODEL, [_SECOND, '{"type":"end"}', _SECOND]),
    "message_too_big": (lambda: MODEL, [bytes((1 << 20) + 2)]),
    "bad_audio": (
        lambda: MODEL | {"content_type": "audio/flac"},
        [b"this is no music " * 2000, '{"type":"end"}'],
    ),
}
"""Code of the answer, and what leads to it."""


def _expect(wanted: str, code: str) -> None:
    if code != wanted:
        raise Wrong(f"was told {code!r}, not {wanted!r}")


async def _each(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
