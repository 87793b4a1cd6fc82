"""A session's durable truth: claims, commits and the end of a stream."""
