"""Recordings from the command line: what to transcribe, where it is done, what is shown."""
