"""Generate asr_tasks/rpc/ from worker_manager.proto: `python proto/generate.py [ROOT]`.

The proto is mapped to the virtual path ``asr_tasks/rpc/``, so that the generated modules import
each other by their package name and need no patching.
"""

from __future__ import annotations

import os
import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

HERE = Path(__file__).resolve().parent
PACKAGE = "asr_tasks/rpc"
PROTO = "worker_manager.proto"


def generate(root: Path) -> None:
    """Write the modules and their type stubs to ``root/asr_tasks/rpc``.

    Raises:
        RuntimeError: protoc failed; it has said why.
    """
    # protoc finds its plugins (protoc-gen-mypy) on PATH; they are beside this interpreter.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    (root / PACKAGE).mkdir(parents=True, exist_ok=True)
    outputs = ("python", "grpc_python", "mypy", "mypy_grpc")
    code = protoc.main(
        [
            "protoc",
            f"-I{PACKAGE}={HERE}",
            f"-I{files('grpc_tools').joinpath('_proto')}",
            *(f"--{output}_out={root}" for output in outputs),
            f"{PACKAGE}/{PROTO}",
        ]
    )
    if code != 0:
        raise RuntimeError(f"protoc ended with {code}")


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent)
