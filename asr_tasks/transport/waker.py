"""Wakes a thread that polls sockets."""

from __future__ import annotations

import contextlib
import socket


class Waker:
    """A socket pair; any thread may :meth:`wake`, the polling thread calls :meth:`clear`."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._awake = False

    def fileno(self) -> int:
        """For select and poll."""
        return self._reader.fileno()

    def wake(self) -> None:
        """Make the poll return; cheap when it will do so anyway."""
        if self._awake:
            return
        self._awake = True
        # Full means that enough wake-ups are under way; closed, that nobody polls any more.
        with contextlib.suppress(BlockingIOError, OSError):
            self._writer.send(b"\0")

    def clear(self) -> None:
        """To be called after the poll and *before* looking at the work, so none is missed."""
        with contextlib.suppress(BlockingIOError):
            while self._reader.recv(4096):
                pass
        self._awake = False

    def close(self) -> None:
        """Free both sockets."""
        self._reader.close()
        self._writer.close()
