"""The processes of a run: one, or as many as ``torchrun`` has started, with a GPU each."""

import os
import traceback
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import distributed

from ranet.config import TrainConfig
from ranet.device import exact_float32, resolve_device
from ranet.errors import CheckpointError, ConfigError
from ranet.wording import differences

# Others wait for the first process while it validates.
_PATIENCE = timedelta(hours=2)

# What may differ among the processes of a run: one machine may see a shared folder at another place
# than the next. It changes nothing of what they compute together.
_OWN_OF_A_PROCESS = {"output": True, "device": True, "data": {"workers"}}

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Processes:
    """This process among the others.

    Attributes:
        rank: its number, from 0.
        count: how many there are.
        device: where it computes.
    """

    rank: int
    count: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    def mean(
        self, figures: Mapping[str, torch.Tensor], alike: Mapping[str, torch.Tensor]
    ) -> dict[str, float]:
        """Averages over all processes of scalars that each of them has under the same names.

        One look at the device, for all figures together.

        Args:
            figures: to be averaged.
            alike: further scalars, which are the same in all processes.
        """
        values = torch.stack([figure.detach().float() for figure in figures.values()])
        if self.count > 1:
            distributed.all_reduce(values)
            values /= self.count
        shared = [figure.detach().float()[None] for figure in alike.values()]
        return dict(zip([*figures, *alike], torch.cat([values, *shared]).tolist(), strict=True))

    def any(self, condition: bool) -> bool:
        """Whether the condition holds in at least one process; all learn the same."""
        if self.count == 1:
            return condition
        flag = torch.tensor(float(condition), device=self.device)
        distributed.all_reduce(flag, op=distributed.ReduceOp.MAX)
        return bool(flag)

    def gather(self, value: _Value) -> list[_Value]:
        """What every process has for ``value``, by rank; plain values that can be pickled."""
        if self.count == 1:
            return [value]
        values = [value] * self.count
        distributed.all_gather_object(values, value)
        return values


def alone(device: torch.device) -> Processes:
    """A run of one process."""
    return Processes(rank=0, count=1, device=device)


@contextmanager
def joined_processes(config: TrainConfig) -> Iterator[Processes]:
    """Join the processes that ``torchrun`` started; without it, be alone.

    In here, a GPU that was chosen is also that of torch's own threads (the one that page-locks
    batches would otherwise take memory on the first), and float32 is computed as such; afterwards,
    torch draws the random numbers that it would have drawn without this run.

    Raises:
        ConfigError: the batch cannot be shared among them, or the device is not there.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if config.batch_size % (count * config.accumulate):
        raise ConfigError(
            f"batch_size is {config.batch_size}, that of all processes together; it cannot be "
            f"shared equally among {count} processes with accumulate = {config.accumulate}. Make "
            f"it a multiple of {count * config.accumulate}."
        )
    device = resolve_device(config.device)
    if count > 1 and device.type == "cuda":  # process n of a machine takes its GPU n
        device = resolve_device(f"cuda:{os.environ['LOCAL_RANK']}")
    chosen = device.type == "cuda" and device.index is not None
    with (
        torch.cuda.device(device) if chosen else nullcontext(),
        own_random_numbers(device),
        exact_float32(device),
    ):
        if count == 1:
            yield alone(device)
            return
        backend = "nccl" if device.type == "cuda" else "gloo"
        distributed.init_process_group(backend, timeout=_PATIENCE)
        try:
            yield Processes(distributed.get_rank(), count, device)
        except BaseException as error:
            # What shares gradients may wait forever if it ends after the processes have parted.
            told: BaseException | None = error
            while told is not None:
                traceback.clear_frames(told.__traceback__)
                told = told.__context__
            raise
        finally:
            distributed.destroy_process_group()


def check_agreement(processes: Processes, config: TrainConfig, step: int) -> None:
    """Require that all processes begin at the same step of the same run.

    Raises:
        CheckpointError: they found different checkpoints.
        ConfigError: they were started with different configurations.
    """
    own = config.model_dump(mode="json", exclude=_OWN_OF_A_PROCESS)
    (first_step, first), *others = processes.gather((step, own))
    for rank, (other_step, other) in enumerate(others, start=1):
        if changed := [name for name, _, _ in differences(first, other)]:
            raise ConfigError(
                f"Processes 0 and {rank} were started with different configurations; these fields "
                f"differ: {', '.join(changed)}. Start all of them with the same command."
            )
        if other_step != first_step:
            raise CheckpointError(
                f"Process 0 would begin after step {first_step}, but process {rank} after step "
                f"{other_step}: they do not see the same checkpoints. Choose with output=FOLDER a "
                f"folder that all machines share, and have the checkpoints in it (here it is "
                f"{config.output})."
            )


def own_random_numbers(device: torch.device) -> AbstractContextManager[None]:
    """What is drawn or seeded inside, on a device or the CPU, changes nothing outside."""
    on_gpu = device.type == "cuda"
    return torch.random.fork_rng(devices=range(torch.cuda.device_count()) if on_gpu else ())
