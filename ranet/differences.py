"""What differs between two configurations or settings, to be told before they are mixed."""

from collections.abc import Iterator
from typing import Any


def differences(before: Any, now: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Compare nested dictionaries.

    Args:
        before: as it was, e.g. read from a file.
        now: as it is.
        name: dotted name of where the two stand; empty for the whole.

    Yields:
        (dotted name, value before, value now) of each value that differs; None for a missing one.
    """
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            yield from differences(before.get(key), now.get(key), f"{name}.{key}".lstrip("."))
    elif before != now:
        yield name, before, now
