"""A training run from its configuration; the only file that knows all the parts."""

import logging
from pathlib import Path
from typing import Any

import torch

from ranet.config import TrainConfig, parse_config
from ranet.datasets.loader import build_loader
from ranet.datasets.sources import shows_motion
from ranet.device import DTYPES, device_name, resolve_device
from ranet.differences import differences
from ranet.errors import CheckpointError, OutputError
from ranet.files import make_folder, write_json
from ranet.model.ranet import RANet
from ranet.model.stages import STATIC, VIDEO, training_stage
from ranet.model.weights import build_model, load_checkpoint, save_checkpoint
from ranet.provenance import revision
from ranet.training.checkpoint import (
    checkpoints_in,
    restore_training_state,
    save_training_state,
)
from ranet.training.clip import ClipNetwork
from ranet.training.interrupt import StopRequest
from ranet.training.log import TrainingLog
from ranet.training.loop import TrainingStep, train_steps

_logger = logging.getLogger(__name__)


def train(config: TrainConfig, resume: bool = False) -> Path:
    """Train a network as ``config`` says.

    Args:
        config: the run.
        resume: go on from the newest checkpoint in ``config.output``; without one, begin.

    Returns:
        The final network's checkpoint, ``<output>/model.pt``.

    Raises:
        RANetError: of the data, the checkpoint to start from, the output, or a loss that is not
            finite.
        KeyboardInterrupt: asked to stop by Ctrl-C or SIGTERM; a checkpoint was written first.
    """
    folder = config.output / "checkpoints"
    existing = checkpoints_in(folder)
    _refuse_to_mix(config, existing, resume)

    device = resolve_device(config.device)
    torch.manual_seed(config.seed)
    model = starting_model(config).to(device)
    if config.channels_last:
        model = model.to(memory_format=torch.channels_last)
    step = _training_step(config, model.train(), device)
    first = _restore(existing[-1], config, step) if existing else 0

    batches = build_loader(
        config.data,
        seed=config.seed,
        batch_size=config.batch_size,
        first_step=first,
        steps=config.steps - first,
        pin_memory=device.type == "cuda",
    )
    make_folder(folder)
    _describe_run(config, device, model)
    log = TrainingLog(config.output / "log.jsonl", first, config.steps, config.log_every)

    def save(done: int) -> Path:
        return save_training_state(
            folder,
            done,
            model,
            step.optimizer,
            step.scaler,
            config.model_dump(mode="json"),
            config.keep_checkpoints,
        )

    with StopRequest() as stop:

        def after_step(done: int, figures: dict[str, float]) -> bool:
            log.add(done, figures)
            if done % config.checkpoint_every == 0 or done == config.steps or stop.requested:
                save(done)
            return not stop.requested

        done = train_steps(step, batches, first, after_step)

    if done < config.steps:
        _logger.info("stopped after step %d of %d; --resume goes on from there", done, config.steps)
        raise KeyboardInterrupt
    final = config.output / "model.pt"
    save_checkpoint(
        final, model, config=config.model_dump(mode="json"), step=done, revision=revision()
    )
    _logger.info("wrote %s", final)
    return final


def starting_model(config: TrainConfig) -> RANet:
    """The network before the first step: random, ImageNet's backbone, or an earlier stage's.

    Raises:
        CheckpointError: ``start_from`` is no checkpoint, or its network is another one.
    """
    stage = _stage_of(config)
    if config.start_from is None:
        model = build_model(config.model.model_dump())
        model.stages = [stage]
        if config.imagenet_weights:
            model.encoder.backbone.load_imagenet_weights()
        return model
    start = load_checkpoint(config.start_from, released_objects=config.model.objects)
    model = build_model(config.model.model_dump())
    # The ranking gradient and the kind of regions have no weights; a stage may change them.
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    if {name: tensor.shape for name, tensor in start.state_dict().items()} != shapes:
        raise CheckpointError(
            f"start_from, {config.start_from}, holds the network {start.architecture}, but the "
            f"configuration asks for {model.architecture}. Make their `model` sections agree."
        )
    model.load_state_dict(start.state_dict())
    model.stages = [*start.stages, stage]
    return model


def _stage_of(config: TrainConfig) -> dict[str, Any]:
    """What checkpoints say of this run, and tables of results make of it."""
    data = [VIDEO if shows_motion(source) else STATIC for source in config.data.sources]
    return training_stage(config.name, data, config.steps)


def _training_step(config: TrainConfig, model: RANet, device: torch.device) -> TrainingStep:
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=config.optimizer.learning_rate,
        betas=config.optimizer.betas,
        weight_decay=config.optimizer.weight_decay,
    )
    return TrainingStep(
        model=model,
        network=ClipNetwork(model),
        optimizer=optimizer,
        scaler=torch.amp.GradScaler(device.type, enabled=config.dtype == "float16"),
        losses=config.losses,
        optimizer_config=config.optimizer,
        steps=config.steps,
        device=device,
        dtype=DTYPES[config.dtype],
    )


def _refuse_to_mix(config: TrainConfig, existing: list[Path], resume: bool) -> None:
    if existing and not resume:
        raise OutputError(
            f"{config.output} already holds a run ({existing[-1].name}). Go on with it with "
            "--resume, or choose another folder with output=FOLDER."
        )


def _restore(path: Path, config: TrainConfig, step: TrainingStep) -> int:
    """Bring the step's model and optimiser to the checkpoint's state; returns the steps done."""
    state = restore_training_state(path, step.model, step.optimizer, step.scaler)
    # A field that is newer than the checkpoint had its default.
    before = parse_config(TrainConfig, state["config"], source=str(path))
    changed = [
        name
        for name, _, _ in differences(before.model_dump(), config.model_dump())
        if name not in _FREE_TO_CHANGE
    ]
    if changed:
        raise CheckpointError(
            f"{path} was written by a run with another configuration; these fields differ: "
            f"{', '.join(changed)}. Resume with the same ones, or begin another run with "
            "start_from and another output."
        )
    _logger.info("resuming from %s", path)
    return state["step"]


# What may differ between a run and its continuation: nothing of it changes a single number.
_FREE_TO_CHANGE = {
    "output",
    "log_every",
    "checkpoint_every",
    "keep_checkpoints",
    "device",
    "data.workers",
}


def _describe_run(config: TrainConfig, device: torch.device, model: RANet) -> None:
    write_json(config.output / "config.json", config.model_dump(mode="json"))
    parameters = sum(p.numel() for p in model.parameters()) / 1e6
    _logger.info(
        "%s: %s, %.1f M parameters, on %s",
        config.name,
        config.model.backbone,
        parameters,
        device_name(device),
    )
