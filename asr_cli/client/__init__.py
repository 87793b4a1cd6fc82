"""A client of the streaming protocol (docs/protocol.md) that does its half of losing nothing.

::

    client = StreamingClient(["http://127.0.0.1:8080"], model="english")
    async with client, fed(client, pieces):  # sends while the block reads
        async for event in client:
            if isinstance(event, Final):
                print(event.text)

:func:`transcribe` does the whole for finished audio, :func:`transcribe_file` for a recording.
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
from asr_cli.client.feeding import fed
from asr_cli.client.finished import transcribe, transcribe_file
from asr_cli.client.streaming import StreamingClient

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
    "fed",
    "transcribe",
    "transcribe_file",
]
