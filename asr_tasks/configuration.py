"""What is wrong in the settings or in the catalogue, said as people can use it.

Standard library only, so that a command which needs neither starts at once.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

EXIT_STATUS: Final = 2
"""Of a process that could not start because of it; as of a wrong command line."""


class ConfigurationError(ValueError):
    """A setting or the catalogue says something that cannot be; one line for each problem."""


@contextmanager
def explained() -> Iterator[None]:
    """Write what is wrong to stderr, a line for each problem, and leave with status 2."""
    try:
        yield
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EXIT_STATUS)
