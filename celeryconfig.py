"""Celery's settings, each with its reason.

https://docs.celeryq.dev/en/stable/userguide/configuration.html

Where the servers are comes from the environment (`ASR_BROKER_URL`, `ASR_REDIS_URL`), like
everything else a deployment decides; this file is the same everywhere.
"""

from __future__ import annotations

from typing import Any

from asr_tasks.settings import Settings

# Found by workers only; see asr_tasks/celery.py.
include = [
    "asr_tasks.tasks.live",
    "asr_tasks.tasks.loudness",
    "asr_tasks.batch.tasks",
    "asr_tasks.batch.webhook_task",
]

# --- One worker is chosen for each stream ---------------------------------------------------
worker_direct = True  # each worker consumes NODENAME.dq2; the allocator sends there
task_create_missing_queues = True  # `-Q asr@NAME.dq2` names a queue that no list here has
task_default_queue = "asr.batch"  # never the streams' queue: jobs begin there
worker_pool = "threads"  # a stream blocks on its queue; the model steps in one thread of its own
worker_prefetch_multiplier = 1  # a dispatch that waits in a busy worker helps nobody
worker_cancel_long_running_tasks_on_connection_loss = False  # streams have their own connection

# --- Acknowledge dispatches early: recovery is the allocator's -------------------------------
task_acks_late = False  # late: RabbitMQ closes the channel of any call over 30 minutes
broker_channel_error_retry = True  # the belt to that: otherwise the whole worker would exit

# --- The broker's connection ----------------------------------------------------------------
broker_connection_retry_on_startup = True
broker_connection_max_retries = None  # the default gives up after a hundred tries
broker_heartbeat = 30  # of Celery's own connection; the streams' have a shorter one
# After a reconnect Celery would raise the prefetch count again step by step, in the callback of a
# task's acknowledgement: with the threads pool in a task's thread, on the main thread's channel.
# Frames then mix, an answer is lost, and the worker hears of no task for a minute or more.
# (celery 5.7.0, worker/consumer/consumer.py, _restore_prefetch_count_after_connection_restart)
worker_enable_prefetch_count_reduction = False
broker_pool_limit = 16  # events are sent from task threads, each for a moment
# A pod that restarts under its name while the broker still holds its old connection would die
# of ResourceLocked if these were exclusive.
control_queue_exclusive = False
control_queue_durable = True
control_queue_expires = 60.0
event_queue_exclusive = False
event_queue_durable = True
event_queue_expires = 60.0
event_queue_ttl = 10.0  # a Flower that is away wants the present, not the past

# --- What Flower and AsyncResult show --------------------------------------------------------
worker_send_task_events = True
task_send_sent_event = True
task_track_started = True
result_extended = True  # name, arguments and worker beside the result
task_store_errors_even_if_ignored = True

# --- JSON and nothing else: a pickle from the broker would be code from the broker ------------
accept_content = ["json"]
task_serializer = "json"
result_serializer = "json"

worker_hijack_root_logger = False  # asr_tasks/log.py decides how a line looks
worker_redirect_stdouts = False
enable_utc = True


def servers(settings: Settings) -> dict[str, Any]:
    """The settings that the environment decides."""
    return {
        # kombu's in-memory broker is one per process whatever its name, and warns without one.
        "broker_url": "memory://localhost/" if settings.embedded else settings.broker_url,
        # Queues Celery makes by itself; streams' are declared in asr_tasks/transport/queues.py.
        "task_default_queue_type": settings.queue_type,
        "task_create_missing_queue_type": settings.queue_type,
        "result_backend": settings.redis_url,
        "result_expires": settings.result_expires,  # with the session's own result
        # kombu's in-memory broker polls, once a second unless told otherwise.
        "broker_transport_options": {"polling_interval": 0.005} if settings.embedded else {},
        "redis_socket_timeout": 5.0,
        "redis_socket_connect_timeout": 5.0,
        "result_backend_transport_options": {"retry_policy": {"timeout": 5.0}},
    }


globals().update(servers(Settings.load()))
