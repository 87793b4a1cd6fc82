"""Write docs/settings.md from the settings classes, and from the limits that are no settings."""

from __future__ import annotations

import inspect
import re
import socket
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this tree, not one that is installed

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from allocator.settings import AllocatorSettings, MonitorSettings, ServerSettings
from asr_tasks.batch.settings import BatchSettings
from asr_tasks.settings import Settings
from asr_tasks.streaming.limits import Limits
from asr_tasks.worker.settings import WorkerSettings
from gateway.settings import GatewaySettings

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "settings.md"

SECTIONS: dict[type[Settings], tuple[str, str]] = {
    Settings: ("Every process", ""),
    GatewaySettings: (
        "Gateway",
        "`python -m gateway`; its options `--host` and `--port` win over the variables.",
    ),
    AllocatorSettings: ("Allocator and monitor", ""),
    ServerSettings: ("Allocator", "`python -m allocator server`"),
    MonitorSettings: ("Monitor", "`python -m allocator monitor`"),
    WorkerSettings: ("Worker", "`python -m asr_tasks.worker`, `celery -A asr_tasks worker`"),
    BatchSettings: ("Batch worker", "`python -m asr_tasks.worker --role batch`"),
}
HEAD = """# Settings

Written by `make docs` from the settings classes. Each is a variable in the environment of the
process; `--print-settings` of a component prints all of its own with what is in force, passwords in
URLs masked.

A secret need not be in the environment: where `ASR_SECRETS_DIR` names a folder (a mounted secret),
a file in it that is called like the variable, say `asr_broker_url`, holds its value, unless the
variable itself is set.
"""
SHARED = """## One name, two processes

These mean something to two kinds of process, the same to both, with the same default.
"""
LIMITS = """## Limits of a stream that are no settings

`asr_tasks/streaming/limits.py`; in seconds unless said, each with its reason. So
`ASR_KEEPALIVE_SECONDS` must stay well below `idle`, and whatever `ASR_SESSION_SECONDS` says, a
worker ends a stream after `total`.
"""


def own(cls: type[Settings]) -> dict[str, FieldInfo]:
    """The settings that a class adds to those it inherits."""
    inherited = {name for base in cls.__mro__[1:] for name in getattr(base, "model_fields", {})}
    return {name: field for name, field in cls.model_fields.items() if name not in inherited}


def document() -> str:
    """The document.

    Raises:
        KeyError: a settings class has no section.
    """
    parts = [HEAD]
    for cls in _classes(Settings):
        title, about = SECTIONS[cls]
        rows = [_row(name, field) for name, field in own(cls).items()]
        head = ["| variable | default | takes | |", "| --- | --- | --- | --- |"]
        parts.append(
            "\n".join([f"## {title}", "", *([about, ""] if about else []), *head, *rows, ""])
        )
    parts += [_shared(), _limits()]
    return "\n".join(parts)


def _classes(cls: type[Settings]) -> Iterator[type[Settings]]:
    """A class and all below it, in the order of :data:`SECTIONS` where they are in it."""
    yield cls
    order = list(SECTIONS)
    here = [c for c in cls.__subclasses__() if c.__module__.partition(".")[0] != "tests"]
    for child in sorted(here, key=lambda c: order.index(c) if c in order else len(order)):
        yield from _classes(child)


def _row(name: str, field: FieldInfo) -> str:
    return f"| `{_variable(name)}` | {_default(field)} | {_takes(field)} | {field.description} |"


def _variable(name: str) -> str:
    return f"ASR_{name.upper()}"


def _default(field: FieldInfo) -> str:
    factory: Any = field.default_factory
    if factory is socket.gethostname:
        return "the host's name"
    if factory is not None:
        return (inspect.getdoc(factory) or "").rstrip(".").lower()
    value = field.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, float):
        return f"`{value:g}`"
    return (
        "empty"
        if value == ""
        else f"`{str(value).lower() if value is True or value is False else value}`"
    )


def _takes(field: FieldInfo) -> str:
    kinds = {
        int: "whole number",
        float: "number",
        bool: "`true` or `false`",
        str: "text",
        SecretStr: "secret",
    }
    bounds = [
        f"{sign} {getattr(rule, name):g}"
        for rule in field.metadata
        for name, sign in (("gt", ">"), ("ge", "≥"), ("le", "≤"))
        if hasattr(rule, name)
    ]
    if get_origin(field.annotation) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(field.annotation))
    kind = kinds[field.annotation]  # type: ignore[index]
    return " ".join([kind, *[", ".join(bounds)] * bool(bounds)])


def _shared() -> str:
    places: dict[str, list[tuple[str, FieldInfo]]] = {}
    for cls, (title, _) in SECTIONS.items():
        for name, field in own(cls).items():
            places.setdefault(name, []).append((title, field))
    lines = [SHARED, "| variable | for |", "| --- | --- |"]
    for name, found in sorted(places.items()):
        if len(found) > 1:
            each = "; ".join(f"{title.lower()}: {_default(field)}" for title, field in found)
            lines.append(f"| `{_variable(name)}` | {each} |")
    return "\n".join([*lines, ""])


def _limits() -> str:
    said = inspect.getdoc(Limits) or ""
    reasons = dict(re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", said, re.MULTILINE))
    lines = [LIMITS, "| limit | value | |", "| --- | --- | --- |"]
    lines += [
        f"| `{field.name}` | `{field.default:g}` | {' '.join(reasons[field.name].split())} |"
        for field in fields(Limits)
    ]
    return "\n".join([*lines, ""])


def main() -> None:
    """Write the document."""
    DOCUMENT.write_text(document(), "utf-8")


if __name__ == "__main__":
    main()
