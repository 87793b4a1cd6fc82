"""A client of the streaming protocol (docs/protocol.md) that does its half of losing nothing.

::

    async with StreamingClient(["http://127.0.0.1:8080"], model="english") as client:
        sender = asyncio.create_task(send_all(client))
        async for event in client:
            if isinstance(event, Final):
                print(event.text)

:func:`transcribe` does the whole for a finished piece of audio.
"""

from asr_cli.client.events import (
    Accepted,
    Done,
    Event,
    Final,
    Moved,
    Partial,
    Ready,
    Reconnecting,
    Warned,
)
from asr_cli.client.streaming import StreamingClient, transcribe

__all__ = [
    "Accepted",
    "Done",
    "Event",
    "Final",
    "Moved",
    "Partial",
    "Ready",
    "Reconnecting",
    "StreamingClient",
    "Warned",
    "transcribe",
]
