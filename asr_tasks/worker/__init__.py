"""The worker process around the streams: start, reports, commands, drain, health."""
