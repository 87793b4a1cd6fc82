"""Keep the memory that the model's steps need, as the batch workers do by their environment.

glibc gives memory back to the system and takes it again with every step; what that costs stands at
``KEEP_MEMORY`` in :mod:`asr_tasks.worker.__main__`. A process that runs already must be told so.
https://man7.org/linux/man-pages/man3/mallopt.3.html
"""

from __future__ import annotations

import ctypes
from typing import Final

_TRIM_THRESHOLD: Final = -1
_TOP_PAD: Final = -2
_MMAP_MAX: Final = -4


def keep() -> None:
    """From now on; does nothing where the C library is not glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(_TOP_PAD, 256 << 20)
