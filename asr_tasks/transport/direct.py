"""A worker's own dispatch queue, declared alike by the worker and by whoever sends to it."""

from __future__ import annotations

from celery.utils.nodenames import worker_direct
from kombu import Queue

from asr_tasks.contracts.names import node_name
from asr_tasks.transport.queues import dispatch_arguments


def dispatch_queue(worker: str, queue_type: str) -> Queue:
    """``asr@NAME.dq2`` of the worker NAME; ``queue_type`` as in `ASR_QUEUE_TYPE`."""
    queue = worker_direct(node_name(worker))
    queue.queue_arguments = dispatch_arguments(queue_type) or None
    return queue
