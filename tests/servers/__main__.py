"""`python -m tests.servers`: private servers until Ctrl-C, their URLs as shell assignments.

With ``--missing`` only the Debian packages without which the tests find no server, if any.
"""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

from tests.servers import choose


def main() -> None:
    """Start both, print how to use them, wait."""
    if "--missing" in sys.argv:
        print(*choose.missing())
        return
    with (
        tempfile.TemporaryDirectory(prefix="asr-servers-") as folder,
        choose.rabbitmq(Path(folder) / "rabbitmq") as broker,
        choose.redis(Path(folder) / "redis") as store,
    ):
        print(f"export ASR_BROKER_URL={broker.url} ASR_REDIS_URL={store.url}", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
