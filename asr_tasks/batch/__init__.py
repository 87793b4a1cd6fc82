"""Recordings of any length, as Celery tasks: probe, cut, hear, join. See ARCHITECTURE.md, "Batch"."""
