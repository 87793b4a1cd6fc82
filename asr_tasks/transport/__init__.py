"""The two queues of a session, as a worker sees them."""
