"""How many workers a model should have, and who makes it so.

`observation` is what the loop sees, `policy` what decides: a pure function of what was seen, so that
the simulator runs the very same code through a week of traffic in seconds.
"""
