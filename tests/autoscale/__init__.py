"""Workers that come before callers wait and leave when they are gone, seen on this machine."""
