"""``python -m asr_tasks.worker``: the right ``celery worker`` command line for this worker."""

from __future__ import annotations

import argparse
import os
import sys

from asr_tasks.batch.settings import BatchSettings
from asr_tasks.catalogue import Catalogue
from asr_tasks.configuration import explained
from asr_tasks.contracts.errors import AsrError
from asr_tasks.contracts.names import BATCH_QUEUE, batch_queue, direct_queue, node_name
from asr_tasks.settings import Settings
from asr_tasks.worker.bootstep import SPARE_THREADS
from asr_tasks.worker.process import entry_of
from asr_tasks.worker.settings import WorkerSettings

# glibc gives memory back to the system and takes it again with every step of a model: a third of
# the time of hearing a recording went into that (78 times as fast as speech, 124 without it).
# https://www.gnu.org/software/libc/manual/html_node/Memory-Allocation-Tunables.html
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(4 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
}


def batch_command_line(settings: BatchSettings) -> list[str]:
    """What to run for a batch worker.

    Raises:
        UnknownModel: a model is not in the catalogue.
    """
    catalogue = Catalogue.load(settings.catalogue)
    models = [catalogue.get(name).name for name in settings.models]
    queues = [BATCH_QUEUE, *(batch_queue(model) for model in models)]
    return [
        *(sys.executable, "-m", "celery", "-A", "asr_tasks", "worker"),
        # A process beside the one that speaks with RabbitMQ: it may die of a recording. Asked for
        # "prefork", its default, Celery would take the threads of celeryconfig.py.
        # (celery 5.7.0, bin/worker.py, WorkersPool.convert)
        *("-P", "processes", "-c", str(settings.batch_processes), "-O", "fair"),
        *("-n", f"batch@{settings.worker_name}", "-Q", ",".join(queues)),
        *("-E", "--without-mingle", "--without-gossip"),
        *("--loglevel", settings.log_level),
    ]


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
    parser = argparse.ArgumentParser(
        prog="python -m asr_tasks.worker",
        description=__doc__,
        epilog="What else is given goes to `celery worker`.",
        allow_abbrev=False,
    )
    parser.add_argument("--print-settings", action="store_true", help="print them and exit")
    parser.add_argument(
        "--role", choices=("stream", "batch"), help="live sessions, or recordings [ASR_WORKER_ROLE]"
    )
    options, more = parser.parse_known_args()
    with explained():
        settings = WorkerSettings.load(worker_role=options.role)
        run = _run_batch if settings.worker_role == "batch" else _run
        run(more, print_settings=options.print_settings)


def _run(more: list[str], *, print_settings: bool) -> None:
    settings = WorkerSettings.load()
    if print_settings:
        _print(settings)
        return
    try:
        command = command_line(settings)
    except AsrError as error:
        sys.exit(str(error))
    os.environ["ASR_WORKER_NAME"] = settings.worker_name
    os.environ["ASR_WORKER_ROLE"] = "stream"
    # The same process id: whoever stops this worker stops Celery, which drains.
    os.execv(command[0], [*command, *more])


def _run_batch(more: list[str], *, print_settings: bool) -> None:
    settings = BatchSettings.load()
    if print_settings:
        _print(settings)
        return
    try:
        command = batch_command_line(settings)
    except AsrError as error:
        sys.exit(str(error))
    os.nice(settings.batch_nice)
    own = {"ASR_WORKER_NAME": settings.worker_name, "ASR_WORKER_ROLE": "batch"}
    os.execve(command[0], [*command, *more], {**KEEP_MEMORY, **os.environ, **own})


def _print(settings: Settings) -> None:
    for name, value in settings.printable().items():
        sys.stdout.write(f"{name}={value}\n")


if __name__ == "__main__":
    main()
