"""The gateway: speech in and text out over WebSocket; sessions, and nothing of recognition."""
