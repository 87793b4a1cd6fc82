"""A Celery-style task framework for streams, and the speech-recognition tasks built on it.

Importing this package is cheap: neither Celery nor torch is imported until asked for.
"""
