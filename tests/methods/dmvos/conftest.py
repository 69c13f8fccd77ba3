import sys
from pathlib import Path

TESTS = Path(__file__).parents[2]
sys.path += [str(TESTS / "inference"), str(TESTS / "training")]  # helpers for steps and for runs
