"""Processes that start beside a round, at the lowest priority until they are ready.

A worker's start takes seconds of processor time (it imports NeMo, loads the model). At the lowest
priority it takes only what those who are listened to leave over.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

from tests.support.cluster import Component

LOWEST, NORMAL = 19, 0
EVERY_SECONDS = 0.1


class Starts:
    """Starts components quietly and gives them their priority once they are ready."""

    def __init__(self) -> None:
        self._allowed = _may_raise()
        self._quiet: list[Component] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="starts", daemon=True)

    def begin(self, component: Component) -> None:
        """Start it; returns at once."""
        component.process.start()
        if self._allowed:
            _set(component.process.pid, LOWEST)
            with self._lock:
                self._quiet.append(component)

    def hurry(self) -> None:
        """Somebody waits for them: normal priority for all."""
        with self._lock:
            for component in self._quiet:
                _raise(component)
            self._quiet.clear()

    def __enter__(self) -> Starts:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(5)

    def _watch(self) -> None:
        while not self._over.wait(EVERY_SECONDS):
            with self._lock:
                starting = list(self._quiet)
            done = [component for component in starting if _started(component)]
            with self._lock:
                for component in done:
                    _raise(component)
                self._quiet = [c for c in self._quiet if c not in done]


def _started(component: Component) -> bool:
    try:
        return component.ready()
    except RuntimeError:  # it has died: nobody's priority matters any more
        return True


def _raise(component: Component) -> None:
    if component.process.alive:
        _set(component.process.pid, NORMAL)


def _set(pid: int, nice: int) -> None:
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(ProcessLookupError):
                os.setpriority(os.PRIO_PROCESS, int(thread), nice)
    # Where Linux groups by session (sched_autogroup), a nice value counts only inside the group.
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(f"{nice}\n")


def _may_raise() -> bool:
    """Whether this process may undo it: a container's root may not."""
    allowed = []

    def attempt() -> None:  # priorities are of threads: this one's own
        own = threading.get_native_id()
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, own, os.getpriority(os.PRIO_PROCESS, own) + 1)
            os.setpriority(os.PRIO_PROCESS, own, os.getpriority(os.PRIO_PROCESS, own) - 1)
            allowed.append(True)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    return bool(allowed)
