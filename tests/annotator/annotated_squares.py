"""The video that is annotated here, and what waits for other threads."""

import time

SIZE = (48, 80)
FRAMES = 6


def wait_until(condition, seconds=60):
    """For what another thread does; fails loudly instead of waiting forever."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it did not happen"
        time.sleep(0.01)
