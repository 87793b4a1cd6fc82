"""What a figure was measured on: without it the figure says nothing."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

LIBRARIES = ("aiohttp", "aiormq", "amqp", "celery", "grpcio", "nemo_toolkit", "redis", "torch")


def describe() -> dict[str, Any]:
    """Processor, memory, what else runs, versions, commit."""
    busy = psutil.cpu_percent(interval=1.0)
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "busy_before_percent": busy,
        "libraries": {name: _version(name) for name in LIBRARIES},
        "rabbitmq": _rabbitmq(),
        "redis": _output("redis-server", "--version").partition(" v=")[2].partition(" ")[0],
        "commit": _output("git", "rev-parse", "--short", "HEAD"),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((x.partition(": ")[2] for x in lines if x.startswith("model name")), "unknown")


def _rabbitmq() -> str:
    folders = Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*")
    return ", ".join(folder.name.partition("-")[2] for folder in folders)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip()
    except FileNotFoundError:
        return ""
