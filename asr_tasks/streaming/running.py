"""The streams that run in this process, and the way to stop one from outside its thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from threading import Event, Lock


class StopReason(StrEnum):
    """Why a stream should stop, strongest first."""

    CANCELLED = "cancelled"
    """An operator or the client ended it: the session fails with code ``cancelled``."""
    STALE = "stale"
    """Someone else owns it: leave without a trace."""
    DRAIN = "drain"
    """This worker leaves: hand it over at the next utterance boundary."""


@dataclass(slots=True)
class StopSignal:
    """Set from any thread, read by the stream's own."""

    event: Event
    reason: StopReason | None = None

    def stop(self, reason: StopReason) -> None:
        """Ask for a stop; a stronger reason replaces a weaker one."""
        order = list(StopReason)
        if self.reason is None or order.index(reason) < order.index(self.reason):
            self.reason = reason
        self.event.set()


_lock = Lock()
_streams: dict[str, tuple[int, StopSignal]] = {}
_watchers: list[Callable[[], None]] = []
_reports = 0


def enter(session: str, epoch: int) -> StopSignal | None:
    """Register a stream that starts; None if this process already runs that assignment.

    An older epoch of the same session that still runs here is told it is stale.
    """
    with _lock:
        known = _streams.get(session)
        if known is not None and known[0] >= epoch:
            return None
        if known is not None:
            known[1].stop(StopReason.STALE)
        signal = StopSignal(Event())
        _streams[session] = (epoch, signal)
    _notify()
    return signal


def leave(session: str, epoch: int) -> None:
    """Take a stream off the list; called when its body has returned and its queues are closed."""
    with _lock:
        known = _streams.get(session)
        if known is not None and known[0] == epoch:
            del _streams[session]
    _notify()


def stop(session: str, reason: StopReason, epoch: int | None = None) -> bool:
    """Ask a running stream to stop; False if it does not run here (in that epoch)."""
    with _lock:
        known = _streams.get(session)
    if known is None or (epoch is not None and known[0] != epoch):
        return False
    known[1].stop(reason)
    return True


def stop_all(reason: StopReason) -> None:
    """Ask every stream of this process to stop."""
    with _lock:
        signals = [signal for _, signal in _streams.values()]
    for signal in signals:
        signal.stop(reason)


def list_running() -> list[tuple[str, int]]:
    """(session, epoch) of every stream that runs here."""
    with _lock:
        return [(session, epoch) for session, (epoch, _) in _streams.items()]


def report() -> tuple[int, list[tuple[str, int]]]:
    """The next report's number, from 1, and what runs here: (session, epoch) each."""
    global _reports
    with _lock:
        _reports += 1
        return _reports, [(session, epoch) for session, (epoch, _) in _streams.items()]


def reports() -> int:
    """The number of the last report: a stream that runs now is in every later one."""
    with _lock:
        return _reports


def on_change(callback: Callable[[], None]) -> Callable[[], None]:
    """Call ``callback`` whenever the list changes, from the changing thread; it must not block.

    Returns:
        A function that takes the callback off again.
    """
    with _lock:
        _watchers.append(callback)

    def remove() -> None:
        with _lock:
            if callback in _watchers:
                _watchers.remove(callback)

    return remove


def _notify() -> None:
    with _lock:
        watchers = list(_watchers)
    for watcher in watchers:
        watcher()
