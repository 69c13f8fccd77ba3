"""How fast everything is, measured so that it can be compared: ``ranet benchmark``.

A *case* is a piece of work with its settings; timed, it becomes a *row*, as it stands in the file
of results and in the table, or two where others' work is timed in turn (:mod:`ranet.contests`).
FLOP are counted as torch counts them: of convolutions, matrix products and their gradients, a
multiplication with an addition being two; all else counts nothing.
"""

import gc
import importlib.metadata
import itertools
import math
import os
import platform
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import collect_env
from torch.utils.flop_counter import FlopCounterMode

from ranet.cli import usable_cores
from ranet.config import parse_config
from ranet.datasets.frames import ImageFrames
from ranet.datasets.image_io import write_image
from ranet.datasets.loader import BatchLoader
from ranet.device import (
    DTYPES,
    exact_float32,
    peak_memory,
    reset_peak_memory,
    resolve_device,
    synchronise,
)
from ranet.errors import BenchmarkError, CheckpointError
from ranet.inference.network import Network, resolved
from ranet.inference.sequences import Job, segment
from ranet.inference.tracker import Tracker
from ranet.methods.base import VOSMethod
from ranet.methods.checkpoints import load_checkpoint, load_pretrained, pretrained_path
from ranet.methods.registry import MethodConfig, create_method, method_config
from ranet.provenance import versions
from ranet.structures import TrainingBatch, TrainingSample, one_hot_masks
from ranet.tables.benchmark import Row, new_row
from ranet.training.processes import alone
from ranet.training.run import new_training_step

_ROUNDS = 5  # of each row, as the speed of a machine changes
_SIDE = {"cuda": 8192, "mps": 4096, "cpu": 2048}  # of the matrices: larger ones are no faster
_SIDE_OF_SLOW = 512  # of float16 on a CPU: larger ones would take seconds
_LIBRARIES = ("numpy", "opencv-python-headless", "pillow", "triton")
_DECISIVE_VARIABLE = r"MALLOC_\w+|PYTORCH_(\w+_)?ALLOC_CONF|LD_PRELOAD|(OMP|GOMP|KMP)_\w+"
_FRAMES_IN_MEMORY = 9  # a first one, and some that come again and again


@dataclass(frozen=True)
class Case:
    """A piece of work.

    Attributes:
        part: what kind, ``"network"`` for instance.
        settings: what decides how long it takes, by name, ready to be shown and compared;
            ``objects``, ``videos`` and ``frames`` are counts.
        config: how: an ``InferenceConfig``, whose input size is that of the frames, or a
            ``TrainConfig``; of an evaluation, the arguments of ``evaluate_davis``.
        network: a name, or the path of a checkpoint.
    """

    part: str
    settings: Mapping[str, Any]
    config: Any
    network: str | Path = ""


@dataclass(frozen=True)
class Effort:
    """Calls that are not timed, then those that are: so many, and for so many seconds, at least."""

    warm_up: int = 3
    repeats: int = 10
    seconds: float = 1.0

    def in_rounds(self) -> list["Effort"]:
        """The same in some rounds, each with a call to time at least."""
        rounds = min(_ROUNDS, self.repeats)
        part = Effort(0, math.ceil(self.repeats / rounds), self.seconds / rounds)
        return [replace(part, warm_up=self.warm_up), *[part] * (rounds - 1)]


Part = Callable[[Case, Effort], list[Row]]
"""Prepares the work of a case, times it, and clears it away."""


def describe_machine() -> dict[str, Any]:
    """The processor, its usable cores and instructions, and the GPUs with their bytes."""
    told = Path("/proc/cpuinfo")
    named = told.is_file() and re.search(r"^model name\s*:\s*(.+)", told.read_text(), re.MULTILINE)
    gpus = [torch.cuda.get_device_properties(n) for n in range(torch.cuda.device_count())]
    machine = {
        "cpu": named[1] if named else platform.processor() or platform.machine(),
        "cores": usable_cores(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "gpus": [gpu.name for gpu in gpus],
    }
    return {**machine, "gpu_memory": [gpu.total_memory for gpu in gpus]} if gpus else machine


def describe_software() -> dict[str, Any]:
    """Versions of all that counts, and what the environment tells allocators and threads.

    cuDNN's version is a number, 91002 for 9.10.2.
    """
    installed = {each.name: each.version for each in importlib.metadata.distributions()}
    return {
        **versions(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "driver": collect_env.get_nvidia_driver_version(collect_env.run),
        **{name: installed[name] for name in _LIBRARIES if name in installed},
        **{k: v for k, v in sorted(os.environ.items()) if re.fullmatch(_DECISIVE_VARIABLE, k)},
    }


# --- Timing


def time_in_turn(
    calls: Sequence[Callable[[], object]],
    effort: Effort,
    device: torch.device = torch.device("cpu"),  # noqa: B008  # it is immutable
) -> list[list[float]]:
    """Seconds of each call, A B A B …: a machine that slows down slows all of them.

    Each is timed from an idle device to an idle device.
    """
    seconds: list[list[float]] = [[] for _ in calls]
    with exact_float32(device):
        for call in itertools.chain(*[calls] * effort.warm_up):
            call()
        while len(seconds[0]) < effort.repeats or sum(map(sum, seconds)) < effort.seconds:
            for call, times in zip(calls, seconds, strict=True):
                synchronise(device)
                began = time.perf_counter()
                call()
                synchronise(device)
                times.append(time.perf_counter() - began)
    return seconds


def count_flop(call: Callable[[], object]) -> int:
    """FLOP of a call, which must not be compiled or captured: nothing could be seen then."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def matrix_product_rate(device: torch.device, dtype: str) -> float:
    """FLOP a second of a product of two large square matrices: the machine's peak just now.

    On a CPU, torch's matrix products are MKL's in float32, but its convolutions are oneDNN's, whose
    products are more than twice as fast on some processors. The faster one is the peak.
    """
    on_cpu = device.type == "cpu"
    side = _SIDE_OF_SLOW if on_cpu and dtype == "float16" else _SIDE[device.type]
    left, right = torch.rand(2, side, side, device=device).to(DTYPES[dtype])
    product = torch.empty_like(left)
    calls: list[Callable[[], object]] = [lambda: torch.mm(left, right, out=product)]
    if on_cpu and dtype == "float32" and torch.backends.mkldnn.is_available():
        theirs = left.to_mkldnn(), right.to_mkldnn()
        calls.append(lambda: nn.functional.linear(*theirs))
    seconds = time_in_turn(calls, Effort(warm_up=1, repeats=3, seconds=0), device)
    return 2 * side**3 / min(map(statistics.median, seconds))


def measure(case: Case, effort: Effort, part: Part | None = None) -> list[Row]:
    """The rows of a case, with what it needs cleared away; a GPU without room is a result, too.

    Args:
        case: of a part in :data:`PARTS`, unless ``part`` is given.
        effort: how often to do it.
        part: prepares the work and times it.
    """
    if "torch._dynamo" in sys.modules:  # after a few networks, others would run as they are
        torch.compiler.reset()
    _forget_earlier_work()
    try:
        return (part or PARTS[case.part])(case, effort)
    except torch.OutOfMemoryError:
        return [new_row(case.part, case.settings, problem="out of memory")]


def timed(
    case: Case,
    effort: Effort,
    call: Callable[[], object],
    units: int,
    model: nn.Module | None = None,
    flop: int | None = None,
    network: Callable[[], Network | None] = lambda: None,
    *,
    unit: str = "frame",
    **details: Any,
) -> list[Row]:
    """The row of a call; where FLOP count, matrix products are timed in turn, in a few rounds.

    Args:
        case: whose work the call does.
        effort: how often to do it.
        call: does it once; the device may still be busy afterwards.
        units: what it works through: how many.
        model: what runs on the configuration's device; None: all is done on the CPU.
        flop: of the call.
        network: gives afterwards what made the calls in inference and knows how they ran.
        unit: of the units.
        details: of the row.
    """
    device, facts = torch.device("cpu"), {"unit": unit, "units": units, "flop": flop}
    if model is not None:
        device = resolve_device(case.config.device)
        facts["parameters"] = sum(parameter.numel() for parameter in model.parameters())
        details["config"] = case.config.model_dump(mode="json")
    _forget_earlier_work()  # that of the preparation
    seconds, rates, shares, memory = [], [], [], []
    for part in effort.in_rounds() if flop else [effort]:
        rate = matrix_product_rate(device, case.config.dtype) if flop else None
        _reset_peak(device)  # the matrices do not count
        (times,) = time_in_turn([call], part, device)
        memory.append(peak_memory(device))
        seconds += times
        if flop and rate:
            rates.append(rate)
            shares.append(flop / statistics.median(times) / rate)
    facts["peak_bytes"], facts["memory_counted"] = max(filter(None, memory), default=(None, None))
    if rates:
        facts["peak_flop_rate"] = statistics.median(rates)
        facts["share_of_peak"] = statistics.median(shares)
    if (ran := network()) is not None and ran.asked:
        facts["problem"] = ran.problem
        told = list(ran.fallbacks.values())
        details |= {"ran": ran.ran, "fallbacks": told}
    return [new_row(case.part, case.settings, seconds, **facts, details=details)]


def _forget_earlier_work() -> None:
    gc.collect()
    torch.cuda.empty_cache()


def _reset_peak(device: torch.device) -> None:
    """Count memory from now on; the process's own is reset where the system can (Linux)."""
    reset_peak_memory(device)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # see proc_pid_clear_refs(5)


# --- Inference: parts that hold each other, with frames of the network's own input size


def network_config(name: str) -> MethodConfig | None:
    """The architecture of a name: ``"single"``, ``"multi"`` or ``"single-resnet50"``.

    Returns:
        None for a trained network that comes with the project, such as ``"ranet-small"``.

    Raises:
        ConfigError: there is no such backbone.
        CheckpointError: there is no such network, or it is the path of a file.
    """
    objects, dash, backbone = name.partition("-")
    if objects not in ("single", "multi"):
        if Path(name).is_file():
            raise CheckpointError(f"{name} is a file and no name of a network: use --checkpoint.")
        pretrained_path(name)
        return None
    values = {"objects": objects, **({"backbone": backbone} if dash else {})}
    return parse_config(method_config(), values, source=f"the network {name!r}")


def build_network(network: str | Path) -> VOSMethod:
    """A network on the CPU in evaluation mode: of a file, trained, or random, always the same."""
    if isinstance(network, Path):
        return load_checkpoint(network)
    config = network_config(network)
    if config is None:
        return load_pretrained(network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return create_method(config).eval()


def draw_video(
    size: tuple[int, int], *, objects: int, frames: int
) -> tuple[list[np.ndarray], np.ndarray]:
    """Frames H×W×3 uint8 with the grain of photographs, and their labels T×H×W uint8.

    Unlike in synthetic videos, all K objects are in sight in every frame: each moves within a cell
    of a grid.
    """
    rng = np.random.default_rng(0)
    clouds = cv2.resize(rng.uniform(0, 255, (8, 14, 3)).astype(np.float32), size[::-1])
    backdrop = np.clip(clouds + rng.normal(0, 8, clouds.shape), 0, 255).astype(np.uint8)
    rows = math.isqrt(objects)
    columns = math.ceil(objects / rows)
    height, width = size[0] // rows, size[1] // columns
    labels = np.zeros((frames, *size), np.uint8)
    for frame, k in itertools.product(range(frames), range(objects)):
        top = k // columns * height + height * (frame % 8) // 16
        left = k % columns * width + width * (frame % 8) // 16
        labels[frame, top : top + max(1, height // 2), left : left + max(1, width // 2)] = k + 1
    return [np.where(each[:, :, None] > 0, 255 - backdrop, backdrop) for each in labels], labels


def drawn(case: Case, frames: int) -> tuple[list[np.ndarray], np.ndarray]:
    """:func:`draw_video` of the case's size and objects."""
    return draw_video(case.config.input_size, objects=case.settings["objects"], frames=frames)


def write_video(folder: Path, case: Case) -> tuple[list[Path], np.ndarray]:
    """Write a drawn video of ``frames`` as JPEG images; their paths, and the first labels."""
    frames, labels = drawn(case, case.settings["frames"])
    paths = [folder / f"{number:05d}.jpg" for number in range(len(frames))]
    for path, frame in zip(paths, frames, strict=True):
        write_image(path, frame)
    return paths, labels[0]


def _time_frame(case: Case, effort: Effort) -> list[Row]:
    """``network``: segment a frame of each video that is the crop already; ``frame``: crop it."""
    crop = None if case.part == "network" else case.config.crop
    videos, model = case.settings["videos"], build_network(case.network)
    network, arguments, _, flop = _on_device(model, case, crop)
    call = torch.inference_mode()(partial(network.step, *arguments))
    return timed(case, effort, call, videos, model, flop, lambda: network)


def _time_step(case: Case, effort: Effort) -> list[Row]:
    """Frames in the host's memory to labels there: upload, crop, network, paste, labels."""
    videos, model = case.settings["videos"], build_network(case.network)
    flop = _on_device(model, case, case.config.crop)[-1]
    (first, *others), labels = drawn(case, _FRAMES_IN_MEMORY)
    frames = itertools.cycle(others)
    tracker = Tracker(model, case.config)
    followed = [tracker.start(first, labels[0]) for _ in range(videos)]

    def call() -> None:
        tracker.step(followed, [next(frames)] * videos)

    return timed(case, effort, call, videos, model, flop, lambda: tracker.network)


def _time_video(case: Case, effort: Effort) -> list[Row]:
    """A folder of JPEG images to a folder of masks: decode, template, steps, write."""
    frames, model = case.settings["frames"], build_network(case.network)
    template_flop, flop = _on_device(model, case, case.config.crop)[-2:]
    tracker = Tracker(model, case.config)
    with tempfile.TemporaryDirectory() as temporary:
        paths, labels = write_video(Path(temporary, "frames"), case)

        def call() -> None:
            marks, out = {paths[0].stem: labels}, Path(temporary, "masks")
            list(segment(tracker, [Job("drawn", ImageFrames(paths), marks, out)]))

        flop = template_flop + flop * (frames - 1)
        return timed(case, effort, call, frames, model, flop, lambda: tracker.network)


def _time_onnx(case: Case, effort: Effort) -> list[Row]:
    """A step as ``ranet export-onnx`` writes it, frames in memory to labels, by onnxruntime."""
    from ranet.export.files import write_onnx
    from ranet.export.programs import export_programs

    try:
        import onnxruntime
    except ImportError as error:
        raise BenchmarkError("onnx needs the extra: pip install -e '.[export]'.") from error
    objects, model = case.settings["objects"], build_network(case.network)
    flop = _on_device(model, case, case.config.crop)[-1]
    (first, *others), labels = drawn(case, _FRAMES_IN_MEMORY)
    frames, size = itertools.cycle(others), case.config.input_size
    graphs = export_programs(model, frame_size=size, objects=objects, config=case.config)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        sessions = {
            path.stem: onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
            for path in write_onnx(graphs, folder, {})
        }

    def run(graph: str, frame: np.ndarray, **given: np.ndarray) -> dict[str, np.ndarray]:
        given["image"] = frame.transpose(2, 0, 1)[None] / np.float32(255)
        inputs = {name: given[name] for name in graphs[graph].inputs}
        return dict(zip(graphs[graph].outputs, sessions[graph].run(None, inputs), strict=True))

    masks = (labels[:1, None] == np.arange(1, objects + 1)[:, None, None]).astype(np.float32)
    state = run("template", first, masks=masks)

    def call() -> None:
        before = {f"previous_{name}": value for name, value in state.items()}
        before["previous"] = state["probabilities"]
        state.update(run("step", next(frames), **state, **before))

    return timed(case, effort, call, 1, model, flop, onnxruntime=onnxruntime.__version__)


def _on_device(
    model: VOSMethod, case: Case, crop: str | None
) -> tuple[Network, tuple[Any, Tensor], int, int]:
    """What segments a frame of each video, its arguments, and the FLOP of both frames."""
    objects, videos = case.settings["objects"], case.settings.get("videos", 1)
    device = resolve_device(case.config.device)
    config = resolved(case.config, model)
    network = Network(model, config, crop=crop)
    method = network.method
    frames, labels = drawn(case, 2)
    layout = torch.channels_last if config.channels_last else torch.contiguous_format
    with torch.inference_mode():
        first, second = (
            uploaded(frame, device).expand(videos, -1, -1, -1).contiguous(memory_format=layout)
            for frame in frames
        )
        masks = one_hot_masks(torch.from_numpy(labels[0]).to(device), objects)
        masks = masks.expand(videos, -1, -1, -1).contiguous()
        states = [method.new_state(first)]
        marking = partial(method.add_objects, states[0], first, masks)
        template_flop = count_flop(lambda: states.append(marking()))
        flop = count_flop(lambda: method.step(states[-1], second))
    return network, (states[-1], second), template_flop, flop


def uploaded(frame: np.ndarray, device: torch.device) -> Tensor:
    """3×H×W in [0, 1]."""
    return torch.from_numpy(frame).to(device).permute(2, 0, 1) / 255


# --- Training


def _time_training(case: Case, effort: Effort) -> list[Row]:
    """A step from a batch in the host's memory to updated weights and the losses' values."""
    config = case.config
    device = resolve_device(config.device)
    step = new_training_step(config, alone(device))
    objects, length = config.data.max_objects, config.data.clip_length
    frames, labels = draw_video(config.data.size, objects=objects, frames=length + 1)
    sample = TrainingSample(
        template_image=frames[0],
        template_labels=labels[0],
        current_image=np.stack(frames[1:]),
        current_labels=labels[1:],
        previous_labels=labels[0],
        crop_jitter=np.tile(np.float32([1, 1, 0, 0]), (length, 1)),
        objects=objects,
        name="drawn",
    )
    batch = TrainingBatch.collate([sample] * config.batch_size)
    if device.type == "cuda":
        batch = batch.pin_memory()  # as the loader of a run does
    eager = replace(step, network=step.model.forward)  # a compiled one shows nothing to count
    flop = count_flop(lambda: eager(batch, 0))
    unit = "pair" if length == 1 else "clip"
    call = partial(step, batch, 0)
    return timed(case, effort, call, config.batch_size, step.model, flop, unit=unit)


def _time_loader(case: Case, effort: Effort) -> list[Row]:
    """Batches of samples that worker processes make, decoding included."""
    config, batches = case.config, case.settings["batches"]
    loader = BatchLoader(
        config.data,
        seed=config.seed,
        batch_size=config.batch_size,
        first_step=0,
        steps=sys.maxsize // config.batch_size,  # the workers are busy until the end
    )
    units, data = batches * config.batch_size, config.data.model_dump(mode="json")
    facts = {"unit": "sample", "data": data, "usable_cores": usable_cores()}
    threads = cv2.getNumThreads()
    cv2.setNumThreads(0)  # OpenCV would use all cores where the main process makes the samples
    try:
        with closing(iter(loader)) as samples:
            return timed(case, effort, lambda: list(islice(samples, batches)), units, **facts)
    finally:
        cv2.setNumThreads(threads)


PARTS: Mapping[str, Part] = {
    "network": _time_frame,
    "frame": _time_frame,
    "step": _time_step,
    "video": _time_video,
    "onnx": _time_onnx,
    "training": _time_training,
    "loader": _time_loader,
}
"""By name."""
