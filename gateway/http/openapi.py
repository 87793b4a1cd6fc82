"""The OpenAPI document of the HTTP API; a test holds it against the implementation."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from asr_tasks.contracts.jobs import FORMATS, JobState
from asr_tasks.formats import media_type
from gateway.http import openapi_forms as forms
from gateway.http.jobs import LISTED, MOST_LISTED
from gateway.http.openapi_schemas import SCHEMAS, UUID, Schema, ref, text, whole
from gateway.protocols import kaldi_http

_KEY: Final[list[dict[str, list[str]]]] = [{"key": []}, {}]
_TOKEN: Final[list[dict[str, list[str]]]] = [{"token": []}, {"key": []}]
_REASONS: Final = {
    400: "Something in the request is wrong.",
    401: "No valid key.",
    403: "Not this caller's.",
    404: "There is none.",
    405: "Not this method.",
    408: "The request did not come, or was not done, in time.",
    409: "Not in this state.",
    410: "It has ended and its result has expired, or it never was.",
    413: "Too large.",
    415: "Not audio.",
    422: "The recording cannot be read.",
    500: "It went wrong.",
    503: "Not now; try again.",
}


@cache
def document() -> dict[str, Any]:
    """The document, OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Live and batch transcription",
            "version": "1",
            "description": "Live audio goes over WebSockets, which OpenAPI cannot describe.",
        },
        "paths": _transcriptions() | _models() | _jobs() | _sessions() | _recognize() | _probes(),
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "One of ASR_API_KEYS; not needed where there are none.",
                },
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token that the session's client was given.",
                },
            },
        },
    }


def _operation(
    summary: str,
    answers: dict[int, dict[str, Any]],
    errors: tuple[int, ...] = (),
    **more: Any,
) -> dict[str, Any]:
    responses: dict[str, Any] = {
        str(status): {"description": "OK", **answer} for status, answer in answers.items()
    }
    responses |= {
        str(status): {"description": _REASONS[status], **_json(ref("Error"))} for status in errors
    }
    return {"summary": summary, "responses": responses, **more}


def _json(schema: Schema) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def _in_formats() -> dict[str, Any]:
    content: dict[str, Any] = {
        media_type(name).partition(";")[0]: {"schema": text()} for name in FORMATS if name != "json"
    }
    return {"content": content | {"application/json": {"schema": ref("Transcript")}}}


def _path(name: str, schema: Schema) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query(name: str, schema: Schema, description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": description}


_ID: Final = _path("id", text(pattern=UUID, format="uuid"))
_FORMAT: Final = _query("format", text(enum=list(FORMATS), default="json"), "Of the answer.")


def _transcriptions() -> dict[str, Any]:
    content = _in_formats()["content"] | {
        "application/json": {"schema": ref("Transcription")},
        "text/event-stream": {"schema": text()},
    }
    return {
        "/v1/audio/transcriptions": {
            "post": _operation(
                "Transcribe a recording while the client waits, as OpenAI's API does",
                {200: {"content": content}},
                (400, 401, 404, 408, 409, 413, 415, 422, 500, 503),
                operationId="createTranscription",
                security=_KEY,
                requestBody=forms.body(form=forms.TRANSCRIPTION),
            )
        }
    }


def _models() -> dict[str, Any]:
    return {
        "/v1/models": {
            "get": _operation(
                "List the models", {200: _json(ref("Models"))}, operationId="listModels"
            )
        },
        "/v1/models/{id}": {
            "get": _operation(
                "One model",
                {200: _json(ref("Model"))},
                (404,),
                operationId="retrieveModel",
                parameters=[_path("id", text(pattern="^[A-Za-z0-9._-]+$"))],
            )
        },
    }


def _jobs() -> dict[str, Any]:
    job = {200: _json(ref("Job"))}

    def act(summary: str, operation: str) -> dict[str, Any]:
        return _operation(
            summary, job, (401, 404, 503), operationId=operation, security=_KEY, parameters=[_ID]
        )

    return {
        "/v1/jobs": {
            "post": _operation(
                "Create a job from a URI or an uploaded file",
                {201: _json(ref("Job"))},
                (400, 401, 404, 408, 413, 503),
                operationId="createJob",
                security=_KEY,
                requestBody=forms.body(json=forms.JOB, form=forms.JOB_FORM),
            ),
            "get": _operation(
                "List jobs, the newest first",
                {200: _json(ref("Jobs"))},
                (400, 401, 503),
                operationId="listJobs",
                security=_KEY,
                parameters=[
                    _query("limit", whole(minimum=1, maximum=MOST_LISTED, default=LISTED), "Most."),
                    _query("after", text(pattern=UUID, format="uuid"), "A page's `last_id`."),
                    _query("state", text(enum=[s.value for s in JobState]), "Only these."),
                ],
            ),
        },
        "/v1/jobs/{id}": {
            "get": act("A job and its progress", "getJob"),
            "delete": act("Cancel a job", "deleteJob"),
        },
        "/v1/jobs/{id}/cancel": {"post": act("Cancel a job unless it is over", "cancelJob")},
        "/v1/jobs/{id}/retry": {"post": act("Begin a failed or cancelled job again", "retryJob")},
        "/v1/jobs/{id}/transcript": {
            "get": _operation(
                "The transcript of a job that is done",
                {200: _in_formats()},
                (400, 401, 404, 409, 503),
                operationId="getJobTranscript",
                security=_KEY,
                parameters=[_ID, _FORMAT],
            )
        },
    }


def _sessions() -> dict[str, Any]:
    errors = (400, 403, 410, 503)
    return {
        "/v1/sessions/{id}": {
            "get": _operation(
                "How a live session stands",
                {200: _json(ref("Session"))},
                errors,
                operationId="getSession",
                security=_TOKEN,
                parameters=[_ID],
            )
        },
        "/v1/sessions/{id}/transcript": {
            "get": _operation(
                "A live session's transcript, so far or whole",
                {200: _in_formats()},
                errors,
                operationId="getSessionTranscript",
                security=_TOKEN,
                parameters=[_ID, _FORMAT],
            )
        },
    }


def _recognize() -> dict[str, Any]:
    def recognize(operation: str) -> dict[str, Any]:
        return _operation(
            "Recognise the body, as kaldi-gstreamer-server does",
            {
                200: _json(ref("Recognition")),
                503: {
                    "description": "No worker is free.",
                    "content": {
                        "text/plain": {"schema": text()},
                        "application/json": {"schema": ref("Error")},
                    },
                },
            },
            (401,),
            operationId=operation,
            security=_KEY,
            requestBody={
                "description": "Any container, or raw samples as the content type describes them.",
                "content": {"application/octet-stream": {"schema": text(format="binary")}},
            },
            parameters=[_query("model", text(), "A name from GET /v1/models.")],
        )

    return {kaldi_http.PATH: {"post": recognize("recognizePost"), "put": recognize("recognizePut")}}


def _probes() -> dict[str, Any]:
    anything = _json({"type": "object"})
    return {
        "/healthz": {"get": _operation("Alive", {200: anything}, operationId="healthz")},
        "/readyz": {
            "get": _operation(
                "Ready",
                {200: anything, 503: {"description": "Not ready.", **anything}},
                operationId="readyz",
            )
        },
        "/openapi.json": {
            "get": _operation("This document", {200: anything}, operationId="openapi")
        },
    }
