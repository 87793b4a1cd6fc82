"""Who serves whom: the gRPC server, the monitor, and the Lua scripts that are their truth."""
