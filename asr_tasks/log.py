"""Logging of every process: structlog over the standard library, text or JSON lines."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog


def configure(level: str = "INFO", *, json_lines: bool = False) -> None:
    """Send all logging, ours and the libraries', to standard error in one format.

    Args:
        level: DEBUG, INFO, WARNING or ERROR.
        json_lines: one JSON object a line; else text, coloured on a terminal.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if json_lines
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("aiormq", "aio_pika", "amqp", "kombu", "numba", "nemo_logger"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    # NeMo sets its own level, and prints to standard output, when it is imported; a filter stays.
    nemo = logging.getLogger("nemo_logger")
    nemo.filters[:] = [lambda record: record.levelno >= max(logging.WARNING, root.level)]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def get(name: str) -> structlog.stdlib.BoundLogger:
    """A logger bound to ``name``; event names are short sentences, facts are keywords."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger
