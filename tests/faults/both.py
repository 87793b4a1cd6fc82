"""`python -m tests.faults.both [WORD …]`: what `make faults` plays: calls, then recordings.

Takes what `python -m tests.faults` takes. A word chooses cases of either; where words choose none
of the calls, or none of the recordings, those are left out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence

from tests.faults import __main__ as calls
from tests.faults import batch as recordings
from tests.faults.batch_cases import CASES as OF_RECORDINGS
from tests.faults.case import CASES as OF_CALLS


def main() -> int:
    """Play both; 1 if either missed a promise."""
    parser = calls.parser("python -m tests.faults.both")
    options = parser.parse_args()
    try:
        of_calls, of_recordings = split(options.words)
    except KeyError as unknown:
        parser.error(f"no case has {unknown} in its name; --list names them")
    code = 0
    if of_calls is not None:
        code = calls.play(_with(options, of_calls))
    if of_recordings is not None and code != calls.INTERRUPTED:
        code = max(code, recordings.play(_with(options, of_recordings)))
    return code


def split(words: Sequence[str]) -> tuple[list[str] | None, list[str] | None]:
    """The words for the calls, and for the recordings; None: they are left out.

    Raises:
        KeyError: a word names no case.
    """
    of_calls, of_recordings = _naming(words, OF_CALLS), _naming(words, OF_RECORDINGS)
    for word in words:
        if word not in of_calls and word not in of_recordings:
            raise KeyError(word)
    if not words:
        return [], []
    return of_calls or None, of_recordings or None


def _naming(words: Sequence[str], cases: Iterable[str]) -> list[str]:
    return [word for word in words if any(word in name for name in cases)]


def _with(options: argparse.Namespace, words: list[str]) -> argparse.Namespace:
    return argparse.Namespace(**{**vars(options), "words": words})


if __name__ == "__main__":
    sys.exit(main())
