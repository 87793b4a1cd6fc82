"""The floor: a WebSocket server that answers each chunk itself.

`python -m tests.bench.echo PORT`
"""

from __future__ import annotations

import json
import sys

import uvloop
from aiohttp import WSMsgType, web

from asr_tasks.contracts.audio import BYTES_PER_SAMPLE, SAMPLE_RATE


async def stream(request: web.Request) -> web.WebSocketResponse:
    """Speaks as much of the gateway's protocol as the callers need."""
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    await ws.send_str('{"type":"state","state":"streaming"}')
    received = 0
    async for message in ws:
        if message.type is WSMsgType.TEXT:
            await ws.send_str('{"type":"done"}')
            break
        received += len(message.data)
        end = round(received / BYTES_PER_SAMPLE / SAMPLE_RATE, 3)
        await ws.send_str(
            json.dumps({"type": "partial", "segment": 0, "start": 0.0, "end": end, "text": "echo"})
        )
    return ws


async def readyz(_: web.Request) -> web.Response:
    """It has nothing to wait for."""
    return web.Response()


def main() -> None:
    """Serve until a signal."""
    app = web.Application()
    app.router.add_get("/v1/stream", stream)
    app.router.add_get("/readyz", readyz)
    uvloop.install()
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)


if __name__ == "__main__":
    main()
