"""How many workers a model should have, and who makes it so.

`observation` is what the loop sees. A policy decides how many workers there should be from that
alone (`policies` builds one), and `fleet` what may be done about it now without touching a call:
pure both, so that the simulator runs the very same code through a week of traffic in seconds.
"""
