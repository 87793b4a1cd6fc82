"""What a client's bytes are: raw samples of some format, or a container to be recognised."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import Any, Final

from asr_tasks.contracts.audio import SAMPLE_RATE
from asr_tasks.contracts.errors import BadParameter

MIN_RATE: Final = 4_000
MAX_RATE: Final = 192_000
RATE_STEP: Final = 25
"""Rates are multiples of it, which bounds the resampler's table of filters."""
MAX_CHANNELS: Final = 8

WIDTH: Final = {"s16le": 2, "s16be": 2, "u8": 1, "s32le": 4, "f32le": 4}
"""Bytes per sample of the raw formats."""

_RAW_TYPES: Final = {"audio/pcm", "audio/l16", "audio/x-raw", "audio/raw"}
_AUTO_TYPE: Final = re.compile(r"(audio|video)/[a-z0-9.+-]+|application/(ogg|octet-stream)")


@dataclass(frozen=True, slots=True)
class Source:
    """The format of a client's stream.

    Attributes:
        kind: ``raw`` or ``container``.
        rate: Hz, raw only.
        channels: interleaved, raw only.
        sample: a key of :data:`WIDTH`, raw only.
    """

    kind: str = "raw"
    rate: int = SAMPLE_RATE
    channels: int = 1
    sample: str = "s16le"

    def __post_init__(self) -> None:
        if self.kind == "container":
            return
        if not MIN_RATE <= self.rate <= MAX_RATE or self.rate % RATE_STEP:
            raise BadParameter(
                f"rate must be a multiple of {RATE_STEP} Hz from {MIN_RATE} to {MAX_RATE}, "
                f"not {self.rate}"
            )
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise BadParameter(f"channels must be 1 to {MAX_CHANNELS}, not {self.channels}")
        if self.sample not in WIDTH:
            raise BadParameter(f"samples must be one of {', '.join(WIDTH)}, not {self.sample}")

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return WIDTH[self.sample] * self.channels

    @property
    def passes_through(self) -> bool:
        """Whether the bytes are what the system uses inside."""
        return self == Source()

    def to_json(self) -> str:
        """What a gateway leaves in Redis for the one that may resume."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Source:
        """Inverse of :meth:`to_json`."""
        return cls(**json.loads(text))


CONTAINER: Final = Source(kind="container")


def parse(
    content_type: str | None, encoding: str | None, rate: str | None, channels: str | None
) -> Source:
    """The source that a native client's query describes.

    Raises:
        BadParameter: one of them is malformed, out of range or contradicts another.
    """
    kind, options = media_type(content_type) if content_type else ("audio/pcm", {})
    if encoding is not None:
        if encoding not in ("s16le", "auto"):
            raise BadParameter(f"encoding must be s16le or auto, not {encoding!r}")
        if content_type is not None and (encoding == "auto") == (kind in _RAW_TYPES):
            raise BadParameter("encoding contradicts content_type")
        kind = "audio/pcm" if encoding == "s16le" else "application/octet-stream"
    if kind in _RAW_TYPES:
        return Source(
            rate=number("rate", rate or options.get("rate"), SAMPLE_RATE),
            channels=number("channels", channels or options.get("channels"), 1),
        )
    if not _AUTO_TYPE.fullmatch(kind):
        raise BadParameter(f"content_type {kind!r} is not a type of audio")
    if rate is not None or channels is not None:
        raise BadParameter("rate and channels are for raw samples; a container says its own")
    return CONTAINER


def media_type(text: str) -> tuple[str, dict[str, str]]:
    """A media type in lower case and its parameters."""
    kind, *rest = (part.strip() for part in text.split(";"))
    pairs = (part.partition("=") for part in rest if part)
    return kind.lower(), {name.strip().lower(): value.strip(' "') for name, _, value in pairs}


def number(name: str, text: Any, default: int) -> int:
    """An integer parameter.

    Raises:
        BadParameter: not an integer.
    """
    if text is None or text == "":
        return default
    try:
        return int(text)
    except ValueError:
        raise BadParameter(f"{name} must be an integer, not {text!r}") from None
