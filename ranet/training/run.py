"""A training run from its configuration; the only file that knows all the parts."""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ranet.config import ImageSource, OptimizerConfig, TrainConfig, parse_config
from ranet.config_files import to_yaml
from ranet.datasets.loader import BatchLoader
from ranet.device import device_name, warn_of_slow_dtype
from ranet.errors import CheckpointError, OutputError, TrainingError
from ranet.files import make_folder, remove_leftovers, write_text
from ranet.interrupt import StopRequest
from ranet.lock import only_writer
from ranet.methods.base import VOSMethod
from ranet.methods.checkpoint_files import STATIC, VIDEO, training_stage
from ranet.methods.checkpoints import checkpoint_file, load_checkpoint
from ranet.methods.registry import create_method, reads_instances
from ranet.provenance import revision
from ranet.structures import TrainingBatch
from ranet.training.checkpoint import (
    Progress,
    TrainingState,
    checkpoints_in,
    save_network,
    save_training_state,
)
from ranet.training.log import Records, TrainingLog
from ranet.training.loop import TrainingStep, crops_in_training, train_steps
from ranet.training.processes import Processes, check_agreement, joined_processes
from ranet.training.validation import CANDIDATE, Validation, best_so_far, validation_is_due
from ranet.wording import differences

_logger = logging.getLogger(__name__)

# Below the run's output.
_CHECKPOINTS = "checkpoints"
_LOG = "log.jsonl"
_RESULT = "model.pt"
_LOCK = ".lock"


def train(config: TrainConfig, resume: bool = False, scorers: int = 1) -> Path:
    """Train a network as ``config`` says.

    Started by ``torchrun``, all its processes call this with the same arguments and share every
    batch; the first one writes and speaks.

    Args:
        config: the run.
        resume: go on from the newest checkpoint in ``config.output``; without one, begin.
        scorers: threads that score the frames of a validation.

    Returns:
        The final network's checkpoint, ``<output>/model.pt``.

    Raises:
        RANetError: of the data, the checkpoint to start from, the output, processes that do not
            agree, a loss that is not finite, or another run that is writing to the output.
        KeyboardInterrupt: asked to stop by Ctrl-C or SIGTERM, with steps or a validation left to
            do; a checkpoint was written first.
    """
    revision()  # looked up now, for checkpoints that are written much later
    with joined_processes(config) as processes:
        batches = BatchLoader(  # data that are missing are told before there is an output
            config.data,
            seed=config.seed,
            batch_size=config.batch_size,
            steps=range(config.steps),
            pin_memory=processes.device.type == "cuda",
            process=processes.rank,
            processes=processes.count,
            instances=reads_instances(config.losses),
        )
        with _only_run(config.output, processes):
            if not _train_with(processes, batches, config, resume, scorers):
                raise KeyboardInterrupt
    return config.output / _RESULT


def _train_with(
    processes: Processes, batches: BatchLoader, config: TrainConfig, resume: bool, scorers: int
) -> bool:
    """Train among the processes; returns whether to the end, not to a request to stop.

    What shares their gradients ends with this function, before they part: its end may otherwise
    wait forever for a thread of theirs that waits for Python's lock.
    """
    newest = _newest_checkpoint(config, resume)
    step, progress = _step_and_progress(config, processes, newest)
    # From here on every process has read its checkpoint: the first may remove it.
    check_agreement(processes, config, progress.step)
    if newest and processes.is_first:
        _logger.info("resuming from %s", newest)
    elif resume and processes.is_first:
        folder = config.output / _CHECKPOINTS
        _logger.info("no checkpoint in %s to resume from: starting from the beginning", folder)
    first = progress.step
    batches.steps = range(first, config.steps)
    files = _RunFiles(config, step, progress, scorers) if processes.is_first else None
    with StopRequest() as stop:
        after = _AfterStep(config, processes, files, stop)
        done = first
        # What was due when the run was ended comes first.
        if not after.validation_is_due() or after.validate(first):
            try:
                done = train_steps(step, batches, first, after.after_step)
            except TrainingError as error:  # it has diverged
                raise TrainingError(f"{error} {_what_is_left(config)}") from error
        stopped = after.stopping() and (done < config.steps or after.validation_is_due())
    if stopped:
        _logger.info("stopped after step %d of %d; --resume goes on", done, config.steps)
    elif files:
        files.finish(done)
    return not stopped


@contextlib.contextmanager
def _only_run(output: Path, processes: Processes) -> Iterator[None]:
    """Keep other runs out of ``output``; the first process does, before any looks into it.

    Raises:
        OutputError: there is another run; in all processes.
    """
    with contextlib.ExitStack() as stack:
        refusal = None
        if processes.is_first:
            if not output.exists():
                stack.callback(_remove_if_empty, output)
            try:
                stack.enter_context(only_writer(output, output / _LOCK))
            except OutputError as error:
                refusal = error
        refusal, *_ = processes.gather(refusal)
        if refusal is not None:
            raise refusal
        yield


def _remove_if_empty(folder: Path) -> None:
    """A run that cannot begin leaves no folder, though the lock needed one."""
    with contextlib.suppress(OSError):
        folder.rmdir()


def _what_is_left(config: TrainConfig) -> str:
    existing = checkpoints_in(config.output / _CHECKPOINTS)
    return f"The last checkpoint is {existing[-1]}." if existing else "There is no checkpoint."


def _step_and_progress(
    config: TrainConfig, processes: Processes, newest: Path | None
) -> tuple[TrainingStep, Progress]:
    """The step as it is before the first one to do, and how far the run has come."""
    state = _state_of_the_same_run(newest, config) if newest else None
    torch.manual_seed(config.seed)
    # A run that goes on needs nothing of what it began with.
    model = state.network() if state else starting_model(config)
    model.stages[-1] = _stage_of(config)  # the number of steps may have been raised
    step = _training_step(config, model, processes)
    if state is None:
        return step, Progress(step=0)
    state.restore(step)
    return step, state.progress


@dataclass(frozen=True)
class _AfterStep:
    """What every process does between two steps, so that all of them go on or stop together."""

    config: TrainConfig
    processes: Processes
    files: "_RunFiles | None"
    """In the first process."""
    stop: StopRequest

    def stopping(self) -> bool:
        """Whether any process was asked to stop."""
        return self.processes.any(self.stop.requested)

    def after_step(self, done: int, figures: dict[str, float], batch: TrainingBatch) -> bool:
        """Do what is due after ``done`` steps; returns whether to go on."""
        stopping = self.stopping()
        if self.files:
            self.files.after_step(done, figures, batch, stopping)
        if not stopping and validation_is_due(self.config, done):
            return self.validate(done)
        return not stopping

    def validation_is_due(self) -> bool:
        """Whether the first process is still to score the network; no other one's files count."""
        return self.processes.any(self.files is not None and self.files.validation_due)

    def validate(self, done: int) -> bool:
        """Score the network after ``done`` steps; returns whether to go on."""
        if self.files:
            self.files.validate(done, self.stop)
        return not self.stopping()


class _RunFiles:
    """Logs, validates and writes checkpoints; in the first process alone.

    Args:
        config: of the run.
        step: what is kept.
        progress: of the run so far.
        scorers: threads that score a validation.
    """

    def __init__(
        self, config: TrainConfig, step: TrainingStep, progress: Progress, scorers: int
    ) -> None:
        from ranet.training.tensorboard import TensorBoard  # draws, and loads what it draws with

        first = self._began_at = progress.step
        self._config, self._step, self._progress = config, step, progress
        self._folder = make_folder(config.output / _CHECKPOINTS)
        remove_leftovers(self._folder)
        remove_leftovers(config.output, _RESULT, CANDIDATE)
        _describe_run(config, step)
        self._log = TrainingLog(
            config.output / _LOG, first, config.steps, config.log_every, progress.noted
        )
        self._board = TensorBoard(config.output / "tensorboard", first)
        self._validation = None
        if config.validation is not None:
            self._validation = Validation(config, best_so_far(config, progress), scorers)
            scored = first - 1 if progress.validation_due else first
            self._scores = Records(config.output / "validation.jsonl", scored)

    def after_step(
        self, done: int, figures: dict[str, float], batch: TrainingBatch, stopping: bool
    ) -> None:
        """Do what is due after ``done`` steps."""
        means = self._log.add(done, figures)
        if means:
            self._board.figures(done, means, "training")
        if done % self._config.pictures_every == 0:
            self._board.pictures(done, self._step.model, batch)
        due = validation_is_due(self._config, done)
        self._progress = replace(
            self._progress, step=done, validation_due=due, noted=self._log.noted
        )
        last = stopping or done == self._config.steps
        # A validation takes long, and depends on more than the training: what was learned is
        # safe before it begins.
        if last or due or done % self._config.checkpoint_every == 0:
            self._save()

    def validate(self, done: int, stop: StopRequest) -> None:
        """Score the network after ``done`` steps; if asked to stop meanwhile, that remains due."""
        try:
            scores = self._validation(self._step.result, done, stop)
        except KeyboardInterrupt:
            if not stop.requested:
                raise
            return
        self._scores.add(done, scores)
        self._board.figures(done, scores, "validation")
        self._progress = replace(
            self._progress,
            best=self._validation.best,
            best_of=self._config.validation.model_dump(mode="json"),
            validation_due=False,
        )
        self._save()

    @property
    def validation_due(self) -> bool:
        """Whether the network is still to be scored as it is now."""
        return self._validation is not None and self._progress.validation_due

    def _save(self) -> None:
        save_training_state(self._folder, self._progress, self._step, self._config)

    def finish(self, done: int) -> None:
        """Write the result of the whole run; one that was finished before stays as it is."""
        self._board.close()
        final = self._config.output / _RESULT
        was_finished = self._began_at == done
        keep = was_finished and final.exists()
        if not keep:
            save_network(final, self._step.result, self._config, done)
        before = f"already finished at step {done}; " if was_finished else ""
        _logger.info("%s%s %s", before, "kept" if keep else "wrote", final)


def new_training_step(config: TrainConfig, processes: Processes) -> TrainingStep:
    """The step of a run that begins, for those who call it themselves; nothing is written.

    Raises:
        CheckpointError: as :func:`starting_model`.
    """
    step, _ = _step_and_progress(config, processes, newest=None)
    return step


def starting_model(config: TrainConfig) -> VOSMethod:
    """The network before the first step: random, ImageNet's backbone, or an earlier stage's.

    Raises:
        CheckpointError: ``start_from`` is no checkpoint, or its network is another one.
    """
    stage = _stage_of(config)
    if config.start_from is None:
        model = create_method(config.model)
        model.stages, model.input_size = [stage], config.data.size
        if config.imagenet_weights:
            file = config.imagenet_weights
            model.load_imagenet_weights(None if file is True else file)
        return model
    start = _network_of_the_stage_before(config.start_from, config.model.variant)
    model = create_method(config.model)
    # The ranking gradient and the kind of regions have no weights; a stage may change them.
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    weights = {
        name: tensor
        for name, tensor in start.state_dict().items()
        if name in shapes or not name.startswith(model.parts_left_out)
    }
    if {name: tensor.shape for name, tensor in weights.items()} != shapes:
        there, here = start.Config.method(), model.Config.method()
        if there != here:
            raise CheckpointError(
                f"start_from, {config.start_from}, holds a network of the method {there!r}, but "
                f"the configuration asks for one of {here!r}."
            )
        different = "; ".join(
            f"{name} is {there!r} there, but {here!r} here"
            for name, there, here in differences(start.architecture, model.architecture)
        )
        raise CheckpointError(
            f"start_from, {config.start_from}, holds another network than the configuration asks "
            f"for: {different}. Make their `model` sections agree."
        )
    model.load_state_dict(weights)
    model.stages, model.input_size = [*start.stages, stage], config.data.size
    return model


def _network_of_the_stage_before(path: Path, variant: str | None) -> VOSMethod:
    try:
        path = checkpoint_file(path)
    except CheckpointError as error:
        raise CheckpointError(
            f"start_from: {error} Run the stage before, or set start_from=FILE to where its "
            "checkpoint is."
        ) from error
    return load_checkpoint(path, released_objects=variant)


def _stage_of(config: TrainConfig) -> dict[str, Any]:
    """What checkpoints say of this run, and tables of results make of it."""
    sources = config.data.sources
    data = [STATIC if isinstance(source, ImageSource) else VIDEO for source in sources]
    return training_stage(config.name, data, config.steps)


def _training_step(config: TrainConfig, model: VOSMethod, processes: Processes) -> TrainingStep:
    model = model.to(processes.device).train()
    model.options = crops_in_training(config.data)
    if config.channels_last:
        model = model.to(memory_format=torch.channels_last)
    average = None
    if config.average_decay is not None:
        average = AveragedModel(
            model, multi_avg_fn=get_ema_multi_avg_fn(config.average_decay)
        ).requires_grad_(False)
    if config.recompute_activations:
        model.recompute_activations()
    optimizer = torch.optim.AdamW(
        parameter_groups(model, config.optimizer),
        lr=config.optimizer.learning_rate,
        betas=config.optimizer.betas,
    )
    device = processes.device
    if processes.is_first:
        warn_of_slow_dtype(device, config.dtype)
    network: nn.Module = model
    if config.compile:  # inside of what shares gradients, as torch advises: it cannot take that in
        model.compile()
    if processes.count > 1:
        network = DistributedDataParallel(model, find_unused_parameters=model.has_idle_parameters)
    return TrainingStep(
        model=model,
        network=network,
        optimizer=optimizer,
        scaler=torch.amp.GradScaler(device.type, enabled=config.dtype == "float16"),
        losses=config.losses,
        optimizer_config=config.optimizer,
        steps=config.steps,
        dtype=config.dtype,
        processes=processes,
        seed=config.seed,
        accumulate=config.accumulate,
        average=average,
    )


def parameter_groups(model: VOSMethod, config: OptimizerConfig) -> list[dict[str, Any]]:
    """The parameters that learn, by their rate and weight decay.

    Norms and biases, which have one dimension, have no weight decay; the backbone has a rate of its
    own: ``rate_factor`` is what the schedule's learning rate is multiplied by.
    """
    backbone = set(model.parameters_of("backbone"))
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            factor = config.backbone_rate if parameter in backbone else 1.0
            decay = config.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((factor, decay), []).append(parameter)
    return [
        {"params": parameters, "rate_factor": factor, "weight_decay": decay}
        for (factor, decay), parameters in groups.items()
    ]


def _newest_checkpoint(config: TrainConfig, resume: bool) -> Path | None:
    """Where to go on from; None for a new run.

    Raises:
        OutputError: there is a run already, and nobody said to go on with it.
    """
    output, checkpoints = config.output, checkpoints_in(config.output / _CHECKPOINTS)
    others = [p for p in (output / _RESULT, output / _LOG) if p.exists() and p.stat().st_size]
    if not resume and (remains := [*checkpoints, *others]):
        how = "Go on with it" if checkpoints else "It has no checkpoint left: begin it once more"
        raise OutputError(
            f"{output} already holds a run ({remains[0].name}). {how} with --resume, or choose "
            "another folder with output=FOLDER."
        )
    return checkpoints[-1] if checkpoints else None


def _state_of_the_same_run(path: Path, config: TrainConfig) -> TrainingState:
    """The state in a checkpoint, which a run with this configuration can go on from.

    Raises:
        CheckpointError: the file holds no training state, or one of another configuration.
    """
    state = TrainingState.read(path)
    # A field that is newer than the checkpoint had its default.
    before = parse_config(TrainConfig, state.config, source=f"the configuration in {path}")
    changed = [
        name
        for name, _, _ in differences(before.model_dump(), config.model_dump())
        if name.split(".")[0] not in _FREE_TO_CHANGE and name not in _FREE_TO_CHANGE
    ]
    if config.steps < state.progress.step:
        raise CheckpointError(
            f"{path} was written after step {state.progress.step}, but the run is to have no more "
            f"than {config.steps}: raise steps."
        )
    if changed:
        raise CheckpointError(
            f"{path} was written by a run with another configuration; these fields differ: "
            f"{', '.join(changed)}. Resume with the same ones, or begin another run with "
            "start_from and another output."
        )
    return state


# What may differ between a run and its continuation. Nothing of it changes a single number, but for
# steps, of which there may be more or fewer and which the learning rate follows, and for what is
# computed where and in which order: that rounds differently, which is no reason to strand a run on
# the machine where it began.
_FREE_TO_CHANGE = {
    "steps",
    "output",
    "log_every",
    "checkpoint_every",
    "keep_checkpoints",
    "pictures_every",
    "validation",
    "data.workers",
    "device",
    "accumulate",
    "recompute_activations",
    "channels_last",
    "compile",
}


def _describe_run(config: TrainConfig, step: TrainingStep) -> None:
    write_text(config.output / "config.yaml", to_yaml(config))
    processes = step.processes
    _logger.info(
        "%s: %s, %.1f M parameters, on %s%s",
        config.name,
        config.model.summary,
        sum(p.numel() for p in step.model.parameters()) / 1e6,
        f"{processes.count} × " if processes.count > 1 else "",
        device_name(processes.device),
    )
