"""The training step, and the loop around it."""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from ranet.config import OptimizerConfig, SampleConfig
from ranet.device import autocast
from ranet.errors import TrainingError
from ranet.methods.base import Options, Prediction, VOSMethod
from ranet.structures import Clip, TrainingBatch
from ranet.training.log import SKIPPED_STEPS
from ranet.training.losses import compute_losses
from ranet.training.processes import Processes

_NORM = "gradient_norm"

# Exponent of the poly schedule, as segmentation networks use it since DeepLab.
_POLY_POWER = 0.9


@dataclass(frozen=True)
class TrainingStep:
    """One step of gradient descent on one batch, and all that it changes.

    Attributes:
        model: in training mode, on the device of ``processes``.
        network: its forward pass over clips, as it is or data-parallel.
        optimizer: over the model's parameters.
        scaler: of the gradients; does nothing unless enabled (float16).
        losses: weight of each loss by name.
        optimizer_config: learning rate, schedule and clipping.
        steps: of the whole run, for the schedule.
        dtype: of the forward pass, by its name in the configuration.
        processes: this one and those that have the other parts of the batch.
        seed: of what the method draws in training.
        accumulate: parts that a process's batch is computed in, one after the other.
        average: of the weights after every step; None: nobody asks for it.
    """

    model: VOSMethod
    network: Callable[[Clip], Prediction]
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    losses: Mapping[str, float]
    optimizer_config: OptimizerConfig
    steps: int
    dtype: str
    processes: Processes
    seed: int
    accumulate: int = 1
    average: AveragedModel | None = None

    @property
    def result(self) -> VOSMethod:
        """The network that training is for."""
        return self.model if self.average is None else self.average.module

    def __call__(self, batch: TrainingBatch, step: int) -> dict[str, float]:
        """Update the model once.

        Args:
            batch: this process's samples.
            step: steps done before this one.

        Returns:
            Every loss, averaged over the whole batch, the learning rate, and the gradient's norm
            before clipping; in float16, where a gradient too large for it is skipped,
            ``skipped_steps`` instead of the norm.

        Raises:
            TrainingError: a loss or a gradient is not finite, in float16 a gradient that was not
                even scaled up; the weights are as before.
        """
        rate = learning_rate(self.optimizer_config, step, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("rate_factor", 1.0)
        self.draw_as_in(step)
        losses, parts = self._gradients(batch)
        self.scaler.unscale_(self.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(
            self.model.parameters(), self.optimizer_config.clip_norm or math.inf
        )
        # The step's only wait for the device.
        figures = self.processes.mean(losses, alike={_NORM: norm})
        norm_before_clipping = figures.pop(_NORM)
        if not all(map(math.isfinite, figures.values())):
            raise self._not_finite(f"A loss of step {step + 1}", figures, self._spoiled(parts))
        figures["learning_rate"] = rate
        if math.isfinite(norm_before_clipping):
            self.scaler.step(self.optimizer)
            figures[_NORM] = norm_before_clipping
        elif self.scaler.is_enabled() and self.scaler.get_scale() >= 1:
            figures[SKIPPED_STEPS] = 1  # its scale was too large; update() lowers it
        else:
            raise self._not_finite(f"The gradient of step {step + 1}", figures, batch.names)
        self.scaler.update()
        if self.average is not None:
            self.average.update_parameters(self.model)
        return figures

    def draw_as_in(self, step: int) -> None:
        """Let the method draw the random numbers of a step: those of [seed, step, rank].

        So they depend on nothing drawn before, be it for pictures, or before a run was resumed,
        whose checkpoint knows of the first process alone.
        """
        numbers = np.random.SeedSequence([self.seed, step, self.processes.rank])
        torch.manual_seed(int(numbers.generate_state(1)[0]))

    def _gradients(
        self, batch: TrainingBatch
    ) -> tuple[dict[str, Tensor], list[tuple[TrainingBatch, Tensor]]]:
        """Fill the gradients with those of the whole batch's mean loss.

        Returns:
            The losses of this process's part of the batch, and its parts with the total of each.
        """
        self.optimizer.zero_grad(set_to_none=True)
        sums: dict[str, Tensor] = {}
        parts, totals = batch.split(self.accumulate), []
        for number, part in enumerate(parts, start=1):
            with self._exchange(number == len(parts)):
                losses = self.forward(part)
                self.scaler.scale(losses["total"] / len(parts)).backward()
            for name, loss in losses.items():
                sums[name] = sums.get(name, 0) + loss.detach()
            totals.append(losses["total"].detach())
        means = {name: total / len(parts) for name, total in sums.items()}
        return means, list(zip(parts, totals, strict=True))

    def _exchange(self, last: bool) -> AbstractContextManager[None]:
        """Processes add their gradients up once a step, after the last part of their batch."""
        if last or not isinstance(self.network, DistributedDataParallel):
            return nullcontext()
        return self.network.no_sync()

    def _spoiled(self, parts: Sequence[tuple[TrainingBatch, Tensor]]) -> Sequence[str]:
        """The samples of this process whose loss is not finite.

        Only known of whole parts: each sample of such a part is tried alone. If none fails alone,
        it may be any of its part.
        """
        alone = replace(self, network=self.model.forward)  # the others do not take part
        names: list[str] = []
        for part in (part for part, total in parts if not total.isfinite()):
            with torch.no_grad():
                failed = [
                    sample.names[0]
                    for sample in part.split(len(part.names))
                    if not alone.forward(sample)["total"].isfinite()
                ]
            names += failed or part.names
        return names

    def _not_finite(
        self, what: str, figures: Mapping[str, float], names: Sequence[str]
    ) -> TrainingError:
        """The error to raise in all processes, each of which has samples of its own to name."""
        of_all = [name for own in self.processes.gather(list(names)) for name in own]
        return TrainingError(
            f"{what} is not finite: {dict(figures)}. It came from the samples {', '.join(of_all)}. "
            "A lower learning rate, gradient clipping, or bfloat16 instead of float16 may help."
        )

    def forward(self, batch: TrainingBatch) -> dict[str, Tensor]:
        """Every loss of a batch that is not yet on the device; nothing is updated."""
        count = batch.object_count  # read here, where no device has to be waited for
        batch = batch.to(self.processes.device)
        with autocast(self.processes.device, self.dtype):
            prediction = self.network(batch.clip(count))
        return compute_losses(
            prediction, batch.current_labels, batch.objects, self.losses, batch.instance_labels
        )


def learning_rate(config: OptimizerConfig, step: int, steps: int) -> float:
    """Learning rate of step ``step`` (0 is the first) of a run of ``steps``.

    It climbs linearly over the warm-up, then stays (``constant``) or falls towards zero
    (``poly``, ``cosine``). As it follows from the step alone, a resumed run needs no state.
    """
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, steps - config.warmup_steps)
    factor = {
        "constant": 1.0,
        "poly": (1 - progress) ** _POLY_POWER,
        "cosine": (1 + math.cos(math.pi * progress)) / 2,
    }[config.schedule]
    return config.learning_rate * factor


def crops_in_training(config: SampleConfig) -> Options:
    """What is left to the method: nothing, where samples are the crops already."""
    if not config.network_crops:
        return Options()
    return Options(
        crop=config.crop,
        input_size=config.size,
        crop_scale=config.crop_scale,
        smallest_crop=config.smallest_crop,
    )


def train_steps(
    step: TrainingStep,
    batches: Iterable[TrainingBatch],
    first_step: int,
    after_step: Callable[[int, dict[str, float], TrainingBatch], bool],
) -> int:
    """Run a step per batch.

    Args:
        step: what to do with a batch.
        batches: as many as there are steps to do.
        first_step: steps done before.
        after_step: called with the number of steps done, the last one's figures, ``data_time``
            (seconds spent waiting for the batch) and ``step_time`` (seconds in all) among them,
            and its batch; returns whether to go on.

    Returns:
        Steps done in all.
    """
    done = first_step
    start = time.perf_counter()
    for batch in batches:
        arrived = time.perf_counter()
        figures = step(batch, done)
        done += 1
        end = time.perf_counter()
        figures |= {"data_time": arrived - start, "step_time": end - start}
        if not after_step(done, figures, batch):
            break
        start = time.perf_counter()
    return done
