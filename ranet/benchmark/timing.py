"""Seconds: of one call, again and again, or of several in turn, and how far they spread."""

import math
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch

from ranet.device import synchronise

_Name = TypeVar("_Name", bound=Hashable)


@dataclass(frozen=True)
class Effort:
    """How often something is done before its time is believed.

    Attributes:
        warm_up: calls that are not timed: memory, kernels and caches are settled there.
        repeats: calls that are timed, at least 1.
        seconds: calls are timed for so long at least, however many that makes.
    """

    warm_up: int = 3
    repeats: int = 10
    seconds: float = 1.0

    def in_rounds(self, rounds: int) -> list["Effort"]:
        """The same in as many rounds, or fewer, each with a call to time at least."""
        rounds = min(rounds, self.repeats)
        part = Effort(0, math.ceil(self.repeats / rounds), self.seconds / rounds)
        return [replace(part, warm_up=self.warm_up), *[part] * (rounds - 1)]


@dataclass(frozen=True)
class Spread:
    """Seconds of calls that all did the same."""

    calls: int
    fastest: float
    lower: float  # the lower quartile
    median: float
    upper: float
    slowest: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Spread":
        """Of at least one call."""
        return cls(len(seconds), *map(float, np.quantile(seconds, [0, 0.25, 0.5, 0.75, 1])))


def time_calls(call: Callable[[], object], device: torch.device, effort: Effort) -> list[float]:
    """Seconds of each call, from an idle device to an idle device."""
    for _ in range(effort.warm_up):
        call()
    seconds: list[float] = []
    while len(seconds) < effort.repeats or sum(seconds) < effort.seconds:
        synchronise(device)
        began = time.perf_counter()
        call()
        synchronise(device)
        seconds.append(time.perf_counter() - began)
    return seconds


def time_in_turn(
    contenders: Mapping[_Name, Callable[[], object]], *, warm_up: int, repeats: int
) -> dict[_Name, list[float]]:
    """Seconds of each contender's calls, A B A B …: a machine that slows down slows all of them.

    Args:
        contenders: by name; on the CPU, or waiting for their device themselves.
        warm_up: rounds that are not timed.
        repeats: rounds that are.
    """
    seconds: dict[_Name, list[float]] = {name: [] for name in contenders}
    for turn in range(warm_up + repeats):
        for name, call in contenders.items():
            began = time.perf_counter()
            call()
            if turn >= warm_up:
                seconds[name].append(time.perf_counter() - began)
    return seconds
