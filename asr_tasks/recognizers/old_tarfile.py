"""Python before 3.11.4 (Debian 12 has 3.11.2) extracts with no filter; NeMo 3.0 asks for one.

https://docs.python.org/3.11/library/tarfile.html#tarfile.TarFile.extract
"""

from __future__ import annotations

import inspect
import tarfile
from typing import Any


def mend() -> None:
    """Let such a Python's tarfile ignore the filter; does nothing on a newer one.

    NeMo (nemo/utils/tar_utils.py) refuses links and paths out of the folder by itself before.
    """
    if "filter" in inspect.signature(tarfile.TarFile.extract).parameters:
        return
    plain: Any = tarfile.TarFile.extract

    def extract(*arguments: Any, filter: object = None, **named: Any) -> None:
        plain(*arguments, **named)

    tarfile.TarFile.extract = extract  # type: ignore[method-assign]
