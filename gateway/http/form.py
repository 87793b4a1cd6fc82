"""A multipart form with one file: its fields in memory, the file handed on as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from aiohttp import BodyPartReader, ClientPayloadError, web
from aiohttp.http_exceptions import HttpProcessingError

from asr_tasks.contracts.errors import BadRequest, IdleTimeout, MessageTooBig
from gateway.http.errors import BadField

_CHUNK: Final = 256 * 1024
_MOST_FIELDS: Final = 100
_FIELD_BYTES: Final = 64 * 1024

Fields = Mapping[str, list[str]]
T = TypeVar("T")


class _Receiver(Protocol):
    async def __call__(self, chunks: AsyncIterator[bytes], name: str) -> None: ...


@dataclass(slots=True)
class Form:
    """What was read so far.

    Attributes:
        fields: values by name, a final ``[]`` of the name left out.
        file: whether the file has come.
    """

    fields: dict[str, list[str]] = field(default_factory=dict)
    file: bool = False


async def read(
    request: web.Request,
    receive: _Receiver,
    check: Callable[[Fields], object],
    idle_seconds: float,
) -> Form:
    """Read a form to its end.

    Args:
        request: its body is not read yet.
        receive: takes the file's bytes as they come.
        check: called with the fields that came before the file, and raises what is wrong with
            them, so that nobody sends a long recording in vain.
        idle_seconds: longest wait for the next bytes.

    Raises:
        BadRequest: not a form, or not a whole one.
        MessageTooBig: too many or too long fields.
        IdleTimeout: nothing came for too long.
        ConnectionError: the client is gone.
    """
    if request.content_type != "multipart/form-data":
        raise BadRequest("send a form: Content-Type: multipart/form-data")
    form = Form()
    try:
        reader = await request.multipart()
        while (part := await _within(idle_seconds, reader.next())) is not None:
            if not isinstance(part, BodyPartReader) or not part.name:
                raise BadRequest("each part of the form needs a name and a value of its own")
            if part.name == "file":
                if form.file:
                    raise BadField("file", "file is given twice")
                form.file = True
                check(form.fields)
                await receive(_chunks(part, idle_seconds), part.filename or "upload")
            else:
                await _field(form, part, part.name, idle_seconds)
    except (
        ValueError,
        AssertionError,
        LookupError,
        RuntimeError,
        HttpProcessingError,
        ClientPayloadError,
    ) as error:
        # What aiohttp's reader raises for a boundary that is missing, headers that are none, and
        # a body that ends too early.
        raise BadRequest("the form is malformed or ends too early") from error
    return form


async def _field(form: Form, part: BodyPartReader, name: str, idle_seconds: float) -> None:
    if sum(len(values) for values in form.fields.values()) >= _MOST_FIELDS:
        raise MessageTooBig(f"a form may have {_MOST_FIELDS} fields")
    held = bytearray()
    async for chunk in _chunks(part, idle_seconds):
        held += chunk
        if len(held) > _FIELD_BYTES:
            raise MessageTooBig(
                f"a field of the form may have {_FIELD_BYTES} bytes; {name} has more"
            )
    try:
        value = held.decode()
    except UnicodeDecodeError:
        raise BadField(name, f"{name} is not UTF-8") from None
    form.fields.setdefault(name.removesuffix("[]"), []).append(value)


async def _chunks(part: BodyPartReader, idle_seconds: float) -> AsyncIterator[bytes]:
    while chunk := await _within(idle_seconds, part.read_chunk(_CHUNK)):
        yield chunk


async def _within(seconds: float, reading: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await reading
    except TimeoutError:
        raise IdleTimeout("nothing of the upload came for too long") from None
