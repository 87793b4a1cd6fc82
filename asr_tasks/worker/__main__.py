"""``python -m asr_tasks.worker``: the right ``celery worker`` command line for this worker."""

from __future__ import annotations

import argparse
import os
import sys

from asr_tasks.configuration import explained
from asr_tasks.contracts.errors import AsrError
from asr_tasks.contracts.names import direct_queue, node_name
from asr_tasks.worker.bootstep import SPARE_THREADS
from asr_tasks.worker.process import entry_of
from asr_tasks.worker.settings import WorkerSettings


def command_line(settings: WorkerSettings) -> list[str]:
    """What to run for these settings; name, queue and threads fit each other.

    Raises:
        UnknownModel: the model is not in the catalogue.
    """
    name = settings.worker_name
    return [
        *(sys.executable, "-m", "celery", "-A", "asr_tasks", "worker"),
        *("-P", "threads", "-c", str(entry_of(settings).slots + SPARE_THREADS)),
        *("-n", node_name(name), "-Q", direct_queue(name)),
        # Mingle costs a second at each start and reconnect, gossip a chatter among all pods.
        *("-E", "--without-mingle", "--without-gossip"),
        *("--loglevel", settings.log_level),
    ]


def main() -> None:
    """Become the Celery worker; what follows on the command line is handed to it."""
    parser = argparse.ArgumentParser(prog="python -m asr_tasks.worker", description=__doc__)
    parser.add_argument("--print-settings", action="store_true", help="print them and exit")
    options, more = parser.parse_known_args()
    with explained():
        _run(more, print_settings=options.print_settings)


def _run(more: list[str], *, print_settings: bool) -> None:
    settings = WorkerSettings.load()
    if print_settings:
        for name, value in settings.printable().items():
            sys.stdout.write(f"{name}={value}\n")
        return
    try:
        command = command_line(settings)
    except AsrError as error:
        sys.exit(str(error))
    os.environ["ASR_WORKER_NAME"] = settings.worker_name
    # The same process id: whoever stops this worker stops Celery, which drains.
    os.execv(command[0], [*command, *more])


if __name__ == "__main__":
    main()
