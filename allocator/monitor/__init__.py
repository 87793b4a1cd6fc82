"""The monitor: finds dead and hung workers, unclaimed and waiting sessions, and acts on them.

Any number run; one leads. Each stage is one module: it looks at what is in Redis now and makes
the moves that follow. A stage keeps nothing but clocks, so a new leader starts from nothing.
"""

from allocator.monitor.monitor import Monitor

__all__ = ["Monitor"]
