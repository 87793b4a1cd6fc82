"""The `asr` command: run the system, stream to it, look at it."""
