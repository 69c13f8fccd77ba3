"""Online learning: a copy of the network, fine-tuned on one video's first frame (§4.1, Table 6).

The recipe is that of static pre-training: template and current frame are two views of the one
frame, the previous mask a third, milder deformation. The views are cropped and sized as the video
will be.
"""

import copy
import itertools
import math
import warnings
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from ranet.config import (
    InferenceConfig,
    OnlineLearning,
    OptimizerConfig,
    SampleConfig,
)
from ranet.datasets.views import Frame, RawSample, make_sample
from ranet.device import exact_float32, resolve_device
from ranet.errors import DataError, TrainingError
from ranet.methods.base import VOSMethod
from ranet.methods.registry import reads_instances
from ranet.structures import TrainingBatch, TrainingSample
from ranet.training.log import SKIPPED_STEPS
from ranet.training.loop import TrainingStep, crops_in_training
from ranet.training.processes import alone, own_random_numbers
from ranet.wording import count, size_text

_ANY_SIZE = 1e-9
"""Share of the frame that an object has to cover: every one counts, however small."""

_DRAWS = 100
"""How often views are drawn anew because an object got lost in them."""

_FIRST_SCALE = 2.0**10
"""Of losses in float16. torch's own, 2**16, is too large for the first steps, which are skipped."""

_CLEARLY_WORSE = 1.5
"""Loss of the same views after learning over that before; a rate that suits stays below 1.05."""


def fine_tune(
    model: VOSMethod, image: np.ndarray, labels: np.ndarray, config: InferenceConfig
) -> VOSMethod:
    """A copy of a network that has learned one frame.

    Args:
        model: stays as it is.
        image: H×W×3 uint8 RGB, the frame as it lies on its canvas.
        labels: H×W uint8: 0 background, other ids objects; at least one.
        config: :func:`~ranet.inference.network.resolved`; ``config.online`` says how to learn;
            size, crop, precision and what is told of the previous mask are those of the inference
            that follows.

    Returns:
        The copy, on the configured device, in evaluation mode.

    Raises:
        DataError: no view shows an object; they are too small for this input size.
        TrainingError: a loss is not finite, or float16 was too small for the gradients of every
            step.

    Warns if the frame is segmented clearly worse than before, as the learning rate is too high, or
    if steps were skipped.
    """
    online = config.online
    # Where softmax does not decide between them, each object is learned as it is segmented: alone.
    compete = model.objects_compete and config.fusion != "sigmoid"
    objects = online.max_objects if compete else 1
    sample_config = _sample_config(model, objects, config)
    samples = _samples(Frame(image, labels), online, config, sample_config)
    # Whatever the caller has switched off, this needs gradients.
    device = resolve_device(config.device)
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        exact_float32(device),
        own_random_numbers(device),
    ):
        adapted = copy.deepcopy(model).to(device).train()
        adapted.options = crops_in_training(sample_config)
        step = _training_step(adapted, online, config)
        skipped = 0
        for number in tqdm(range(online.steps), "online learning", leave=False, disable=None):
            batch = TrainingBatch.collate([next(samples) for _ in range(online.batch_size)])
            figures = step(batch, number)
            skipped += SKIPPED_STEPS in figures
            if number == 0:
                first_batch, before = batch, figures["total"]
        _check_skipped(skipped, online)
        _check_learned(step, first_batch, before, online)
    adapted.zero_grad(set_to_none=True)  # the memory of the gradients
    return adapted.eval()


def _check_skipped(skipped: int, online: OnlineLearning) -> None:
    """Tell of steps whose gradients float16 could not hold, so that they changed nothing."""
    if not skipped:
        return
    told = (
        f"Online learning skipped {skipped} of {count(online.steps, 'step')}, whose gradients "
        "were too large for float16. Use dtype=bfloat16 or float32, or more steps."
    )
    if skipped == online.steps:
        raise TrainingError(told)
    warnings.warn(told, UserWarning, stacklevel=3)


@torch.no_grad()
def _check_learned(
    step: TrainingStep, batch: TrainingBatch, before: float, online: OnlineLearning
) -> None:
    """Compare the loss of the first batch with what it was before: on the very same views.

    The losses of the steps themselves would tell nothing of the last update, which a high learning
    rate makes as harmful as any.
    """
    step.draw_as_in(0)
    after = step.forward(batch)["total"].item()
    lower = "Lower inference.online.lr."
    if not math.isfinite(after):
        raise TrainingError(
            f"Online learning has diverged: with lr = {online.lr:g}, the loss on the first frame "
            f"went from {before:.3g} to {after}. {lower}"
        )
    if after > _CLEARLY_WORSE * before:
        warnings.warn(
            f"Online learning has made the network worse on the first frame: with lr = "
            f"{online.lr:g} and steps = {online.steps}, the loss went from {before:.3g} to "
            f"{after:.3g}. {lower}",
            UserWarning,
            stacklevel=4,
        )


def _sample_config(model: VOSMethod, objects: int, config: InferenceConfig) -> SampleConfig:
    """Views as inference crops them, or for the method to crop."""
    return SampleConfig(
        size=config.input_size,
        max_objects=objects,
        smallest_object=_ANY_SIZE,
        crop=config.crop,
        crop_scale=config.crop_scale,
        smallest_crop=config.smallest_crop,
        crop_clips="all_frames" if model.Config.crops_templates else "once",
        augment=config.online.augment,
    )


def _samples(
    frame: Frame, online: OnlineLearning, config: InferenceConfig, sample_config: SampleConfig
) -> Iterator[TrainingSample]:
    """The endless row of samples of one frame; all randomness of the n-th is from [seed, n]."""
    raw = RawSample(frame, (frame,), previous_labels=frame.labels, name="the first frame")
    previous, instances = online.previous, reads_instances(online.losses)
    if config.previous_mask == "none":  # then learning is told nothing either
        previous = previous.model_copy(update={"empty": 1.0})
    for number in itertools.count():
        rng = np.random.default_rng([online.seed, number])
        drawn = (
            make_sample(raw, previous, sample_config, rng, instances=instances)
            for _ in range(_DRAWS)
        )
        sample = next((sample for sample in drawn if sample is not None), None)
        if sample is None:
            raise DataError(
                "Online learning has no view of the first frame that shows its objects: in "
                f"{_DRAWS} attempts at {size_text(sample_config.size)} (height×width), at least "
                "one of them was lost. They cover too few pixels: raise inference.input_size, or "
                "switch online learning off."
            )
        yield sample


def _training_step(
    model: VOSMethod, online: OnlineLearning, config: InferenceConfig
) -> TrainingStep:
    device = next(model.parameters()).device
    return TrainingStep(
        model=model,
        network=model.forward,
        optimizer=torch.optim.Adam(_moving(model, online.parameters), lr=online.lr),
        scaler=torch.amp.GradScaler(
            device.type, init_scale=_FIRST_SCALE, enabled=config.dtype == "float16"
        ),
        losses=online.losses,
        optimizer_config=OptimizerConfig(learning_rate=online.lr),
        steps=online.steps,
        dtype=config.dtype,
        processes=alone(device),
        seed=online.seed,
    )


def _moving(model: VOSMethod, part: str) -> list[nn.Parameter]:
    """The parameters that learn; the others are frozen, so that they cost no gradient."""
    moving = model.parameters_of(part)
    model.requires_grad_(False)
    for parameter in moving:
        parameter.requires_grad_(True)
    return moving
