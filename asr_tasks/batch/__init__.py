"""Recordings of any length, as Celery tasks: probe, cut, hear, join (ARCHITECTURE.md, "Batch")."""
