"""A request to stop waits for the end of the step, however often it is made."""

import os
import signal
from collections.abc import Iterator

import pytest

from ranet.interrupt import StopRequest


@pytest.fixture
def told() -> Iterator[list[int]]:
    """Signals that the handlers of before were called with; these raise, as those of scripts do."""
    numbers: list[int] = []

    def unwind(number: int, frame: object) -> None:
        numbers.append(number)
        raise KeyboardInterrupt

    before = {n: signal.signal(n, unwind) for n in (signal.SIGINT, signal.SIGTERM)}
    yield numbers
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_and_told(number: int, told: list[int]) -> None:
    with StopRequest() as stop:
        assert not stop.requested
        send(number)
        assert stop.requested
    assert told == [number]


def test_sigterm_may_come_again_and_again(told: list[int]) -> None:
    with StopRequest() as stop:
        for _ in range(3):
            send(signal.SIGTERM)
        assert stop.requested


def test_a_second_ctrl_c_acts_at_once(told: list[int]) -> None:
    with StopRequest():
        send(signal.SIGTERM)
        send(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)
        send(signal.SIGTERM)  # still waits


def test_afterwards_signals_act_as_before(told: list[int]) -> None:
    with StopRequest():
        send(signal.SIGINT)
        send(signal.SIGTERM)
    for number in (signal.SIGINT, signal.SIGTERM):
        with pytest.raises(KeyboardInterrupt):
            send(number)


def test_a_signal_that_would_have_killed_the_process_waits_too() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with StopRequest() as stop:
            send(signal.SIGTERM)
        assert stop.requested
    finally:
        signal.signal(signal.SIGTERM, before)
