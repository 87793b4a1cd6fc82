"""How many workers a model should have, and who makes it so.

`observation` is what the loop sees and what a policy answers. Policies are pure functions of what
was seen: the simulator runs the very same code through a week of traffic in seconds.
"""
