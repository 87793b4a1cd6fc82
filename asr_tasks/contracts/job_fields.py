"""A job as people and programs outside are told of it: over HTTP and by webhooks.

What only the system may know, such as where an upload lies, is not in it.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from asr_tasks.contracts.jobs import Job, JobState


def job_fields(job: Job) -> dict[str, Any]:
    """The job as a JSON object."""
    request = job.request
    return {
        "id": job.id,
        "object": "job",
        "state": job.state.value,
        "name": request.name,
        "source": public_uri(request.source),
        "target": public_uri(request.target),
        "model": request.model,
        "language": request.language,
        "format": request.format,
        "channels": request.channels,
        "webhook": public_uri(request.webhook),
        "created": round(job.created, 3),
        "attempt": job.attempt,
        "progress": progress(job),
        "error": _error(job),
    }


def progress(job: Job) -> dict[str, Any]:
    """How far it is: seconds of audio and of work, pieces; ``speed`` in times real time and
    ``remaining`` in seconds, null while they cannot be known.
    """
    speed = job.heard / job.elapsed if job.elapsed > 0 and job.heard > 0 else None
    running = job.state is JobState.RUNNING and job.duration > 0
    return {
        "duration": round(job.duration, 3),
        "heard": round(job.heard, 3),
        "pieces": job.pieces,
        "done": job.done,
        "cut": job.cut,
        "elapsed": round(job.elapsed, 3),
        "speed": None if speed is None else round(speed, 2),
        "remaining": (
            round(max(job.duration - job.heard, 0.0) / speed, 1) if speed and running else None
        ),
    }


def public_uri(uri: str) -> str:
    """A URI without what is nobody's business: password, query (signatures), a local path."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return ""
    if parts.scheme in ("", "file"):
        return ""
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def _error(job: Job) -> dict[str, str] | None:
    if job.state is not JobState.FAILED:
        return None
    return {"code": job.code, "message": job.message}
