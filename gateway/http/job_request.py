"""What ``POST /v1/jobs`` asks for, from JSON or from a form, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from asr_tasks.contracts import names
from asr_tasks.contracts.errors import BadRequest
from asr_tasks.contracts.jobs import CHANNELS, FORMATS, Channels, Format, JobRequest
from gateway.http import fields as values
from gateway.http.errors import BadField
from gateway.http.form import Fields
from gateway.registry import Models
from gateway.settings import GatewaySettings

FIELDS: Final = (
    "source",
    "target",
    "model",
    "language",
    "format",
    "channels",
    "webhook",
    "name",
    "id",
)
WEBHOOK_SCHEMES: Final = ("https", "http")
_LANGUAGE_LENGTH: Final = 32


@dataclass(frozen=True, slots=True)
class Wanted:
    """A job that is wanted; ``id`` is empty unless the client chose one."""

    id: str
    request: JobRequest


def from_json(body: Any) -> Fields:
    """A JSON body as the fields that a form would have.

    Raises:
        BadRequest: not an object, or with values that are no text.
    """
    if not isinstance(body, Mapping):
        raise BadRequest("the body must be a JSON object")
    for name, value in body.items():
        if not isinstance(value, str):
            raise BadField(str(name)[:64], f"{str(name)[:64]!r} must be text")
    return {name: [value] for name, value in body.items()}


def parse(fields: Fields, models: Models, settings: GatewaySettings, *, uploaded: bool) -> Wanted:
    """The job.

    ``uploaded``: the recording is in the request, so there is no ``source``.

    Raises:
        BadField: a field is missing, unknown, or has a value that is not allowed.
        UnknownModel, ModelUnavailable: nothing here answers to the model's name.
    """
    for name in fields:
        if name not in FIELDS:
            raise BadField(name[:64], f"there is no field {name[:64]!r}")
    one = {name: values.one(fields, name) for name in FIELDS}
    if one["model"]:
        models.get(values.text("model", one["model"]))
    if uploaded and one["source"]:
        raise BadField("source", "a job has either a source or an uploaded file")
    if one["source"]:
        values.uri("source", one["source"], values.schemes(settings.source_schemes))
    elif not uploaded:
        raise BadField("source", "source is missing: the URI of the recording")
    if one["target"]:
        values.uri("target", one["target"], values.schemes(settings.target_schemes))
    if one["webhook"]:
        if not settings.webhook_secret.get_secret_value():
            raise BadField("webhook", "webhooks are not set up here: ASR_WEBHOOK_SECRET is empty")
        values.uri("webhook", one["webhook"], WEBHOOK_SCHEMES)
    if one["id"] and not names.is_session_id(one["id"]):
        raise BadField("id", "id must be a UUID in its canonical form, or left out")
    return Wanted(
        one["id"],
        JobRequest(
            source=one["source"],
            target=one["target"],
            model=one["model"],
            language=values.text("language", one["language"], _LANGUAGE_LENGTH),
            format=cast(Format, values.choice("format", one["format"] or "json", FORMATS)),
            channels=cast(Channels, values.choice("channels", one["channels"] or "mix", CHANNELS)),
            webhook=one["webhook"],
            name=values.text("name", one["name"]),
        ),
    )
