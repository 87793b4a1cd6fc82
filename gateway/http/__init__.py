"""What the gateway answers over plain HTTP: transcriptions, jobs, transcripts,
and a description of it all.

The WebSocket protocols are beside it, in :mod:`gateway.protocols`.
"""
