"""Settings that every process shares, read once from the environment.

A process makes one settings object at its start and hands parts of it down; no other module
reads the environment. ``ASR_SECRETS_DIR`` names a folder (a mounted secret): a file in it that is
called like a variable, say ``asr_broker_url``, holds its value unless the variable is set.
docs/settings.md lists them all.
"""

from __future__ import annotations

import os
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from asr_tasks.configuration import ConfigurationError


class SettingsError(ConfigurationError):
    """Values that cannot be; each line names a variable."""


class Settings(BaseSettings):
    """What gateway, allocator, monitor and worker have in common (prefix ``ASR_``)."""

    model_config = SettingsConfigDict(env_prefix="ASR_", extra="ignore", frozen=True)

    broker_url: str = Field(
        "amqp://guest:guest@127.0.0.1:5672//",
        description="AMQP 0-9-1 URL of RabbitMQ, or memory:// for the embedded default.",
    )
    redis_url: str = Field("redis://127.0.0.1:6379/0", description="URL of Redis or Valkey.")
    queue_type: str = Field(
        "classic",
        pattern=r"^(classic|quorum)$",
        description="Type of the queues on RabbitMQ, `classic` or `quorum` (for a broker of three "
        "nodes); the same for every process, and changed only while no session lives.",
    )
    allocator_address: str = Field(
        "127.0.0.1:50051", description="host:port of the allocators' gRPC, with commas between."
    )
    catalogue: str = Field(
        "", description="Path of the model catalogue; empty: the one in the package."
    )
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")
    log_json: bool = Field(False, description="One JSON object a line instead of text.")
    webhook_secret: SecretStr = Field(
        SecretStr(""),
        description=(
            "Signs what webhooks are told: base64 of 24 to 64 random bytes, with or without "
            "`whsec_` before it; empty: jobs may not name a webhook."
        ),
    )
    result_expires: int = Field(3600, ge=1, description="Seconds an ended session's result stays.")
    job_expires: int = Field(
        7 * 86_400, ge=1, description="Seconds a batch job is kept, with its transcript, when over."
    )

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """From the environment; ``overrides`` (command-line options) win.

        Raises:
            SettingsError: a value cannot be; names every bad one.
        """
        given = {name: value for name, value in overrides.items() if value is not None}
        secrets: Any = {"_secrets_dir": os.environ.get("ASR_SECRETS_DIR") or None}
        try:
            return cls(**secrets, **given)
        except ValidationError as error:
            raise SettingsError("\n".join(_problem(found) for found in error.errors())) from None

    @property
    def embedded(self) -> bool:
        """Whether the session queues live in this process."""
        return self.broker_url.startswith("memory://")

    def printable(self) -> dict[str, str]:
        """Every setting as text, passwords in URLs masked."""
        return {
            f"ASR_{name.upper()}": masked(str(value)) for name, value in self.model_dump().items()
        }


def _problem(found: Any) -> str:
    """One line: which variable, what it says, what is wrong with that."""
    name = "_".join(str(part) for part in found["loc"]).upper()
    message = found["msg"][:1].lower() + found["msg"][1:]
    return f"ASR_{name}={masked(str(found['input']))}: {message}"


def masked(url: str) -> str:
    """The URL with its password, if any, replaced by ``***``; other text unchanged."""
    parts = urlsplit(url)
    if not parts.password:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{host}"))
