"""What the processes of this system say to each other, defined once.

Frozen, versioned, standard library only. Every queue, header, Redis key, state and error
code that crosses a process boundary has its one definition in this package; nothing here
imports anything else of the project.
"""
