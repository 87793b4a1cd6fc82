"""The fault matrix: real faults on real processes, compared with an undisturbed run."""
