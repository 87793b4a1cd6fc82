"""Recordings: where they are, what is in them, their samples, and where to cut them."""
