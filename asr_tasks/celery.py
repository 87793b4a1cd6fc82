"""The Celery app: ``celery -A asr_tasks worker``, ``celery -A asr_tasks flower``.

Settings are in ``celeryconfig.py``; the stream tasks are imported when a worker starts, not here,
so that Flower and other clients of the app load neither torch nor a model.
"""

from __future__ import annotations

from asr_tasks.settings import Settings
from asr_tasks.streaming import StreamingCelery

app = StreamingCelery("asr_tasks")
app.config_from_object("celeryconfig")


def configure(settings: Settings) -> None:
    """Use these servers instead of the environment's: for a worker inside another process.

    What the app held to other servers is closed; nothing may be using it.
    """
    from kombu import pools

    import celeryconfig

    app.conf.update(celeryconfig.servers(settings))
    pools.reset()
    app._pool = None
    app.amqp._producer_pool = None
    app._backend_cache = None
    app._local.__dict__.clear()


def _add_worker_parts() -> None:
    # What a worker process has beside Celery's own parts; the import is of two light modules.
    from asr_tasks.worker import bootstep

    bootstep.install(app)


_add_worker_parts()
