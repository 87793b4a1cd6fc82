"""Every error a user can meet: one tree, a stable code, one sentence.

::

    AsrError
    ├── BadRequest            what the client sent is wrong; the same again fails again
    │   ├── BadParameter      bad_parameter
    │   ├── UnknownModel      unknown_model
    │   ├── BadSessionId      bad_session_id
    │   ├── BadAudio          bad_audio
    │   ├── BadMessage        bad_message
    │   ├── MessageTooBig     message_too_big
    │   ├── AudioAfterEnd     audio_after_end
    │   ├── UnknownJob        unknown_job
    │   └── BadSource         bad_source
    ├── Refused               right request, not for this caller or not now
    │   ├── NotYourSession    not_your_session
    │   ├── SessionEnded      session_ended
    │   ├── SessionSuperseded superseded
    │   ├── NotAuthorised     not_authorised
    │   ├── NoTranscript      no_transcript
    │   └── Overloaded        overloaded
    ├── Unavailable           try again later
    │   ├── ModelUnavailable  model_unavailable
    │   ├── NoWorker          no_worker
    │   ├── BackendDown       backend_down
    │   └── SourceUnavailable source_unavailable
    └── StreamFailed          the work itself went wrong
        ├── IdleTimeout       idle_timeout
        ├── LimitExceeded     limit_exceeded
        ├── Cancelled         cancelled
        ├── RecogniserFailed  recogniser_failed
        └── StaleLease        stale_lease (inside the system only)

:data:`STATUS` derives the HTTP status, WebSocket close code and gRPC status of each.
WebSocket codes 4000–4999 are final; of the standard ones a client may try again after
1001, 1006, 1011, 1012, 1013 (RFC 6455, section 7.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final


class AsrError(Exception):
    """Base of all errors with a stable code."""

    code: ClassVar[str] = "internal"
    hint: ClassVar[str] = "Something went wrong on our side; try again."

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.hint)


class BadRequest(AsrError):
    """What the client sent is wrong; the same again fails again."""

    code = "bad_request"
    hint = "The request cannot be understood."


class BadParameter(BadRequest):
    """A parameter is missing, unknown or out of range."""

    code = "bad_parameter"
    hint = "A parameter is missing or has a value that is not allowed."


class UnknownModel(BadRequest):
    """The model's name is not in the catalogue."""

    code = "unknown_model"
    hint = "No model has that name; `asr models` lists the ones there are."


class BadSessionId(BadRequest):
    """A session id that is not a UUID."""

    code = "bad_session_id"
    hint = "A session id must be a UUID in its canonical form; leave it out to be given one."


class BadAudio(BadRequest):
    """Bytes that are not audio of the declared format."""

    code = "bad_audio"
    hint = "The audio is not in the declared format; check content type, rate and sample size."


class BadMessage(BadRequest):
    """A text message that is not one of the protocol's."""

    code = "bad_message"
    hint = "The message is not one of this protocol; audio goes in binary messages."


class MessageTooBig(BadRequest):
    """One message larger than the limit."""

    code = "message_too_big"
    hint = "The message is larger than the limit; send audio in smaller pieces."


class UnknownJob(BadRequest):
    """There is no job of that id."""

    code = "unknown_job"
    hint = "There is no job with this id, or it has expired."


class AudioAfterEnd(BadRequest):
    """Audio after the end of stream."""

    code = "audio_after_end"
    hint = "Audio came after the end of the stream; open a new session for it."


class BadSource(BadRequest):
    """A recording that is not there, or must not be read; or a target that cannot be written."""

    code = "bad_source"
    hint = "The recording is not there or may not be read; check its address and permissions."


class Refused(AsrError):
    """Right request, but not for this caller or not now."""

    code = "refused"
    hint = "The request was refused."


class NotYourSession(Refused):
    """The resume token does not fit the session."""

    code = "not_your_session"
    hint = "The session exists and the resume token is not one of its own."


class SessionEnded(Refused):
    """A session that has ended, or never was, cannot be resumed."""

    code = "session_ended"
    hint = "The session has ended or its result has expired; open a new one."


class SessionSuperseded(Refused):
    """A newer connection took the session over."""

    code = "superseded"
    hint = "Another connection of yours has taken over this session."


class NotAuthorised(Refused):
    """The request shows no key, or one that is not valid."""

    code = "not_authorised"
    hint = "A valid key is missing: Authorization: Bearer KEY."


class NoTranscript(Refused):
    """The job has no transcript: it is not done."""

    code = "no_transcript"
    hint = "The job is not done, so there is no transcript of it yet."


class Overloaded(Refused):
    """The gateway holds as many sessions as it may."""

    code = "overloaded"
    hint = "This gateway is full; try another or try again shortly."


class Unavailable(AsrError):
    """Try again later."""

    code = "unavailable"
    hint = "The service cannot do this now; try again shortly."


class ModelUnavailable(Unavailable):
    """The model is in the catalogue but its checkpoint is absent, or no worker serves it."""

    code = "model_unavailable"
    hint = "The model is configured but its checkpoint is not installed."


class NoWorker(Unavailable):
    """No worker became free within the wait limit."""

    code = "no_worker"
    hint = "No worker became free in time; try again shortly."


class BackendDown(Unavailable):
    """The broker, Redis or the allocator does not answer."""

    code = "backend_down"
    hint = "A part of the service does not answer; try again shortly."


class SourceUnavailable(Unavailable):
    """Where the recording lies cannot be reached just now."""

    code = "source_unavailable"
    hint = "The place where the recording lies does not answer; try again shortly."


class StreamFailed(AsrError):
    """The work itself went wrong."""

    code = "stream_failed"
    hint = "The stream failed; what was final until then is kept."


class IdleTimeout(StreamFailed):
    """No audio for longer than the idle limit."""

    code = "idle_timeout"
    hint = "No audio came for too long; the session was ended."


class LimitExceeded(StreamFailed):
    """The session lasted longer than its limit."""

    code = "limit_exceeded"
    hint = "The session reached its time limit; open a new one to go on."


class Cancelled(StreamFailed):
    """Ended by an operator or by the client itself."""

    code = "cancelled"
    hint = "The session was cancelled."


class RecogniserFailed(StreamFailed):
    """The recogniser failed on this audio, on every worker that tried."""

    code = "recogniser_failed"
    hint = "The audio could not be processed; the session was given up after several tries."


class StaleLease(StreamFailed):
    """Someone else owns the session now; whoever sees this must change nothing."""

    code = "stale_lease"
    hint = "Another worker owns this session now."


@dataclass(frozen=True, slots=True)
class Status:
    """How an error looks on each protocol."""

    http: int
    websocket: int
    grpc: str


STATUS: Final[dict[str, Status]] = {
    "internal": Status(500, 1011, "INTERNAL"),
    "bad_request": Status(400, 4400, "INVALID_ARGUMENT"),
    "bad_parameter": Status(400, 4400, "INVALID_ARGUMENT"),
    "unknown_model": Status(404, 4404, "NOT_FOUND"),
    "bad_session_id": Status(400, 4400, "INVALID_ARGUMENT"),
    "bad_audio": Status(415, 4415, "INVALID_ARGUMENT"),
    "bad_message": Status(400, 4400, "INVALID_ARGUMENT"),
    "message_too_big": Status(413, 1009, "INVALID_ARGUMENT"),
    "unknown_job": Status(404, 4404, "NOT_FOUND"),
    "audio_after_end": Status(409, 4409, "FAILED_PRECONDITION"),
    "bad_source": Status(422, 4422, "NOT_FOUND"),
    "refused": Status(403, 4403, "PERMISSION_DENIED"),
    "not_your_session": Status(403, 4403, "PERMISSION_DENIED"),
    "session_ended": Status(410, 4410, "NOT_FOUND"),
    "superseded": Status(409, 4412, "ABORTED"),
    "not_authorised": Status(401, 4401, "UNAUTHENTICATED"),
    "no_transcript": Status(409, 4409, "FAILED_PRECONDITION"),
    "overloaded": Status(503, 1013, "RESOURCE_EXHAUSTED"),
    "unavailable": Status(503, 1013, "UNAVAILABLE"),
    "model_unavailable": Status(503, 4503, "FAILED_PRECONDITION"),
    "no_worker": Status(503, 1013, "RESOURCE_EXHAUSTED"),
    "backend_down": Status(503, 1013, "UNAVAILABLE"),
    "source_unavailable": Status(503, 1013, "UNAVAILABLE"),
    "stream_failed": Status(500, 4500, "ABORTED"),
    "idle_timeout": Status(408, 4408, "DEADLINE_EXCEEDED"),
    "limit_exceeded": Status(408, 4408, "DEADLINE_EXCEEDED"),
    "cancelled": Status(409, 4499, "CANCELLED"),
    "recogniser_failed": Status(500, 4500, "ABORTED"),
    "stale_lease": Status(409, 4412, "ABORTED"),
}


def status_of(code: str) -> Status:
    """The status of a code; an unknown one (a newer peer's) counts as internal."""
    return STATUS.get(code, STATUS["internal"])


def error_for(code: str, message: str) -> AsrError:
    """The error of a code that came over the wire."""
    return _BY_CODE.get(code, AsrError)(message)


def _tree(cls: type[AsrError]) -> dict[str, type[AsrError]]:
    found = {cls.code: cls}
    for child in cls.__subclasses__():
        found |= _tree(child)
    return found


_BY_CODE: Final = _tree(AsrError)
