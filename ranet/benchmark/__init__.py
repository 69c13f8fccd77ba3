"""How fast everything is, measured so that it can be compared: ``scripts/benchmark.py``."""
