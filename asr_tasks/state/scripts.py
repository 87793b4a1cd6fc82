"""Lua scripts from files: read once, with ``-- #include`` of fragments, called by EVALSHA."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

_INCLUDE = "-- #include "
_FRAGMENTS = "asr_tasks.state"


@cache
def source(package: str, name: str) -> str:
    """The text of ``<package>/lua/<name>.lua``.

    A line ``-- #include x.lua`` is replaced by that fragment, looked for in the package
    itself and then among the shared ones of :mod:`asr_tasks.state`.

    Raises:
        FileNotFoundError: no such script.
    """
    lines = files(package).joinpath("lua", f"{name}.lua").read_text("utf-8").splitlines()
    return "\n".join(
        _fragment(package, line.removeprefix(_INCLUDE).strip())
        if line.startswith(_INCLUDE)
        else line
        for line in lines
    )


def _fragment(package: str, file: str) -> str:
    own = files(package).joinpath("lua", file)
    found = own if own.is_file() else files(_FRAGMENTS).joinpath("lua", file)
    return found.read_text("utf-8")
