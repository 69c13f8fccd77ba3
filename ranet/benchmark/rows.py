"""A row of a benchmark: one piece of work with its settings, and what was measured of it."""

import statistics
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from ranet.benchmark.flop import matrix_product_rate
from ranet.benchmark.memory import forget_earlier_work, reset_peak
from ranet.benchmark.timing import Effort, Spread, time_calls
from ranet.device import peak_memory
from ranet.inference.acceleration import AcceleratedStep, ran_without

OUT_OF_MEMORY = "out of memory"

_ROUNDS = 5

Settings = Mapping[str, str | int]
"""What decides how long the work takes, by name, ready to be shown and compared."""


@dataclass(frozen=True)
class Workload:
    """Something to be timed.

    Attributes:
        call: does it once; the device may still be busy afterwards.
        device: where.
        unit: what it works through: ``"frame"``, ``"pair"``, ``"sample"``.
        units: how many of them a call.
        dtype: of its matrix products, by name; None: it has none that count.
        parameters: of its network.
        flop: of a call (:mod:`ranet.benchmark.flop`).
        details: further things to know about it, for the file of results.
        step: what the calls went through, asked for once they are done: it knows how it ran. None:
            nothing that can run in several ways.
    """

    call: Callable[[], object]
    device: torch.device
    unit: str
    units: int
    dtype: str | None = None
    parameters: int | None = None
    flop: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    step: Callable[[], AcceleratedStep] | None = None


@dataclass(frozen=True)
class Row:
    """What was measured.

    Attributes:
        part: what kind of work, ``"network"`` for instance.
        settings: of the work; rows of two files are partners if part and settings are equal.
        unit: see :class:`Workload`, as are ``units``, ``parameters`` and ``flop``.
        seconds: of a call; None where ``problem`` says why there is nothing.
        peak_flop_rate: FLOP a second of a large matrix product on the same device, with the same
            threads and numbers.
        share_of_peak: of that rate, 0…1. Calls and matrix products are timed in turn, a few rounds
            of them, as the speed of a machine changes; this is the median of the rounds.
        peak_bytes: the most memory that was in use during the calls.
        memory_counted: what the memory is of, see :func:`ranet.device.peak_memory`.
        problem: why it could not be measured, or which of its settings were without effect.
        details: further things to know; of inference in ``ran``, whether it was compiled and
            recorded, and in ``shortfalls`` why not, where it was to be.
    """

    part: str
    settings: Settings
    unit: str = ""
    units: int = 0
    seconds: Spread | None = None
    parameters: int | None = None
    flop: int | None = None
    peak_flop_rate: float | None = None
    share_of_peak: float | None = None
    peak_bytes: int | None = None
    memory_counted: str | None = None
    problem: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_comparable(self) -> bool:
        """Whether it was measured, with the settings that it tells."""
        return self.seconds is not None and self.problem is None

    @property
    def units_per_second(self) -> float | None:
        """At the median."""
        return None if self.seconds is None else self.units / self.seconds.median

    @property
    def flop_rate(self) -> float | None:
        """FLOP a second at the median."""
        if self.flop is None or self.seconds is None:
            return None
        return self.flop / self.seconds.median


def measured(
    part: str,
    settings: Settings,
    prepare: Callable[[], AbstractContextManager[Workload]],
    device: torch.device,
    effort: Effort,
) -> Row:
    """Prepare a piece of work, time it, and clear it away.

    A GPU without room for it is a result, too: the row says so.

    Args:
        part: what kind of work.
        settings: of the work.
        prepare: gives the work, and clears it away at the end.
        device: that the work will be on.
        effort: how often to do it.
    """
    try:
        return _measured(part, settings, prepare, device, effort)
    except torch.OutOfMemoryError:
        return Row(part, settings, problem=OUT_OF_MEMORY)


def _measured(
    part: str,
    settings: Settings,
    prepare: Callable[[], AbstractContextManager[Workload]],
    device: torch.device,
    effort: Effort,
) -> Row:
    _forget_compiled()
    forget_earlier_work(device)  # before this work takes its memory
    with prepare() as work:
        forget_earlier_work(device)  # of the preparation
        rounds = [_round(work, share) for share in effort.in_rounds(_ROUNDS if work.flop else 1)]
    rates = [each.peak_flop_rate for each in rounds if each.peak_flop_rate is not None]
    used, counted = max((each.memory for each in rounds if each.memory), default=(None, None))
    return Row(
        part,
        settings,
        unit=work.unit,
        units=work.units,
        seconds=Spread.of([second for each in rounds for second in each.seconds]),
        parameters=work.parameters,
        flop=work.flop,
        peak_flop_rate=statistics.median(rates) if rates else None,
        share_of_peak=_share_of_peak(work, rounds),
        peak_bytes=used,
        memory_counted=counted,
        **_how_it_ran(work),
    )


def _how_it_ran(work: Workload) -> dict[str, Any]:
    """Problem and details of the row."""
    if work.step is None:
        return {"details": work.details}
    step = work.step()
    ran = {"ran": step.ran, "shortfalls": [shortfall.message for shortfall in step.shortfalls]}
    return {
        "problem": ran_without(step.shortfalls),
        "details": {**work.details, **ran},
    }


class _Round(NamedTuple):
    """A matrix product, and calls right after it."""

    seconds: list[float]
    peak_flop_rate: float | None
    memory: tuple[int, str] | None


def _round(work: Workload, effort: Effort) -> _Round:
    rate = None
    if work.flop is not None and work.dtype is not None:
        rate = matrix_product_rate(work.device, work.dtype)
    reset_peak(work.device)  # the matrices do not count
    seconds = time_calls(work.call, work.device, effort)
    return _Round(seconds, rate, peak_memory(work.device))


def _share_of_peak(work: Workload, rounds: list[_Round]) -> float | None:
    shares = [
        work.flop / statistics.median(each.seconds) / each.peak_flop_rate
        for each in rounds
        if work.flop is not None and each.peak_flop_rate is not None
    ]
    return statistics.median(shares) if shares else None


def _forget_compiled() -> None:
    """After a few networks, torch.compile would leave further ones as they are."""
    if "torch._dynamo" in sys.modules:
        torch.compiler.reset()
