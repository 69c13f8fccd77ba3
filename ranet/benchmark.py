"""How fast everything is, measured so that it can be compared: ``ranet benchmark``.

A *case* is what to measure: a part with its settings. Its part prepares *work*, which is timed and
becomes a *row* of the file of results and of the table; where a part prepares two works, ours and
another's, they are timed in turn. FLOP are counted as torch counts them: of convolutions, matrix
products and their gradients, a multiplication with an addition being two; all else counts nothing.
"""

import gc
import importlib.metadata
import itertools
import math
import multiprocessing
import os
import platform
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import collect_env
from torch.utils.flop_counter import FlopCounterMode

from ranet.cli import usable_cores
from ranet.config import parse_config
from ranet.datasets.frames import ImageFrames
from ranet.datasets.image_io import write_image, write_labels
from ranet.datasets.loader import BatchLoader
from ranet.device import (
    DTYPES,
    autocast,
    exact_float32,
    peak_memory,
    reset_peak_memory,
    resolve_device,
    synchronise,
)
from ranet.errors import BenchmarkError, CheckpointError
from ranet.files import write_json
from ranet.inference.network import Network, resolved
from ranet.inference.sequences import Job, segment
from ranet.inference.tracker import Tracker
from ranet.methods.base import VOSMethod
from ranet.methods.checkpoints import (
    load_checkpoint,
    load_pretrained,
    pretrained_path,
    save_checkpoint,
)
from ranet.methods.registry import MethodConfig, create_method, method_config
from ranet.metrics import boundary_map, boundary_radius, evaluate_davis, jaccard
from ranet.metrics.protocol import ScoredFrame, find_videos
from ranet.provenance import versions
from ranet.structures import TrainingBatch, TrainingSample, one_hot_masks
from ranet.tables.benchmark import Row, new_row, with_ratio
from ranet.training.processes import alone
from ranet.training.run import new_training_step
from ranet.wording import count

_ROUNDS = 5  # of each row, as the speed of a machine changes
_SIDE = {"cuda": 8192, "mps": 4096, "cpu": 2048}  # of the matrices: larger ones are no faster
_SIDE_OF_SLOW = 512  # of float16 on a CPU: larger ones would take seconds
_LIBRARIES = ("numpy", "opencv-python-headless", "pillow", "triton")
_DECISIVE_VARIABLE = r"MALLOC_\w+|PYTORCH_(\w+_)?ALLOC_CONF|LD_PRELOAD|(OMP|GOMP|KMP)_\w+"
_FRAMES_IN_MEMORY = 9  # a first one, and some that come again and again
_FRAMES, _MASK, _OUT = "{frames}", "{mask}", "{out}"  # stand for the paths in a command
_TOLD_LINES = 15  # of what a failed command has printed


@dataclass(frozen=True)
class Case:
    """What to measure.

    Attributes:
        part: what kind of work, of :data:`PARTS`.
        settings: what decides how long it takes, by name, ready to be shown and compared;
            ``objects``, ``videos`` and ``frames`` are counts.
        config: how: an ``InferenceConfig``, whose input size is that of the frames, or a
            ``TrainConfig``; of an evaluation, the arguments of ``evaluate_davis``.
        network: a name, one of :data:`PEERS` included, or the path of a checkpoint.
        against: what is timed in turn with it: one of :data:`PEERS`; of the part ``command``, the
            other command; empty: nothing.
    """

    part: str
    settings: Mapping[str, Any]
    config: Any
    network: str | Path = ""
    against: str = ""


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


Work = tuple[Callable[[], object], dict[str, Any]]
"""A call, after which the device may still be busy, and entries of its :data:`Row`."""

Part = Callable[[Case], Iterator[Sequence[Work]]]
"""Prepares the work of a case, yields it to be timed, adds what is known then, and clears away."""


def _work(call: Callable[[], object], units: int, **entries: Any) -> Work:
    return call, {"unit": "frame", "units": units, "details": {}, **entries}


# --- Timing


def measure(case: Case, effort: Effort) -> list[Row]:
    """The rows of a case, with what it needs cleared away; a GPU without room is a result, too.

    Raises:
        RANetError: the work cannot be done.
    """
    if case.against in PEERS:
        return _measure_with_peer(case, effort)
    if "torch._dynamo" in sys.modules:  # after a few networks, others would run as they are
        torch.compiler.reset()
    _forget_earlier_work()
    part = _prepare_cutie if case.network in PEERS else PARTS[case.part]
    try:
        with contextmanager(part)(case) as works:
            _forget_earlier_work()  # that of the preparation
            if len(works) == 1:
                seconds = [_time_alone(case, *works[0], effort)]
            else:
                seconds = time_in_turn([call for call, _ in works], effort)
    except torch.OutOfMemoryError:
        return [new_row(case.part, case.settings, problem="out of memory")]
    rows = []
    for (_, entries), times in zip(works, seconds, strict=True):
        settings = entries.pop("settings", case.settings)
        rows.append(new_row(case.part, settings, times, **entries))
    return with_ratio(rows) if len(rows) == 2 else rows


def _time_alone(
    case: Case, call: Callable[[], object], entries: dict[str, Any], effort: Effort
) -> list[float]:
    """Seconds of each call; adds memory, and where FLOP count, the rate of matrix products.

    These are timed in turn with the calls, in a few rounds.
    """
    flop = entries.get("flop")
    device = resolve_device("cpu" if flop is None else case.config.device)
    seconds, rates, shares, memory = [], [], [], []
    for part in effort.in_rounds() if flop else [effort]:
        if flop:
            rates.append(matrix_product_rate(device, case.config.dtype))
        _reset_peak(device)  # the matrices do not count
        (times,) = time_in_turn([call], part, device)
        memory.append(peak_memory(device))
        seconds += times
        if flop:
            shares.append(flop / statistics.median(times) / rates[-1])
    counted = max(filter(None, memory), default=(None, None))
    entries["peak_bytes"], entries["memory_counted"] = counted
    if flop:
        entries["peak_flop_rate"] = statistics.median(rates)
        entries["share_of_peak"] = statistics.median(shares)
    return seconds


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


def _forget_earlier_work() -> None:
    gc.collect()
    torch.cuda.empty_cache()


def _reset_peak(device: torch.device) -> None:
    """Count memory from now on; the process's own is reset where the system can (Linux)."""
    reset_peak_memory(device)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # see proc_pid_clear_refs(5)


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
    first = np.zeros(size, np.uint8)
    for k in range(objects):
        top, left = k // columns * height, k % columns * width
        first[top : top + max(1, height // 2), left : left + max(1, width // 2)] = k + 1
    shifts = [(height * (n % 8) // 16, width * (n % 8) // 16) for n in range(frames)]
    labels = np.stack([np.roll(first, shift, axis=(0, 1)) for shift in shifts])
    return [np.where(each[:, :, None] > 0, 255 - backdrop, backdrop) for each in labels], labels


def _drawn(case: Case, frames: int) -> tuple[list[np.ndarray], np.ndarray]:
    """:func:`draw_video` of the case's size and objects."""
    return draw_video(case.config.input_size, objects=case.settings["objects"], frames=frames)


def _write_video(folder: Path, case: Case) -> tuple[list[Path], np.ndarray]:
    """Write a drawn video of ``frames`` as JPEG images; their paths, and the first labels."""
    frames, labels = _drawn(case, case.settings["frames"])
    paths = [folder / f"{number:05d}.jpg" for number in range(len(frames))]
    for path, frame in zip(paths, frames, strict=True):
        write_image(path, frame)
    return paths, labels[0]


def _uploaded(frame: np.ndarray, device: torch.device) -> Tensor:
    """3×H×W in [0, 1]."""
    return torch.from_numpy(frame).to(device).permute(2, 0, 1) / 255


def _on_device(case: Case, model: VOSMethod) -> tuple[Network, Callable[[], object], int, int]:
    """What segments a frame of each video, its call, and the FLOP of a first frame and of that.

    In the part ``network``, the frame is the crop already.
    """
    objects, videos = case.settings["objects"], case.settings.get("videos", 1)
    device, config = resolve_device(case.config.device), resolved(case.config, model)
    network = Network(model, config, crop=None if case.part == "network" else config.crop)
    method = network.method
    frames, labels = _drawn(case, 2)
    layout = torch.channels_last if config.channels_last else torch.contiguous_format
    with torch.inference_mode():
        first, second = (
            _uploaded(frame, device).expand(videos, -1, -1, -1).contiguous(memory_format=layout)
            for frame in frames
        )
        masks = one_hot_masks(torch.from_numpy(labels[0]).to(device), objects)
        masks = masks.expand(videos, -1, -1, -1).contiguous()
        states = [method.new_state(first)]
        marking = partial(method.add_objects, states[0], first, masks)
        first_flop = count_flop(lambda: states.append(marking()))
        flop = count_flop(lambda: method.step(states[-1], second))
    call = torch.inference_mode()(partial(network.step, states[-1], second))
    return network, call, first_flop, flop


def _of_network(
    case: Case,
    model: nn.Module,
    call: Callable[[], object],
    units: int,
    network: Callable[[], Network] | None = None,
    **entries: Any,
) -> Iterator[Sequence[Work]]:
    """The work of a model; ``network`` gives afterwards what knows how its steps ran."""
    details = {**entries.pop("details", {}), "config": case.config.model_dump(mode="json")}
    parameters = sum(parameter.numel() for parameter in model.parameters())
    work = _work(call, units, parameters=parameters, details=details, **entries)
    yield [work]
    if network is not None and (ran := network()).asked:
        work[1]["problem"] = ran.problem
        details |= {"ran": ran.ran, "fallbacks": list(ran.fallbacks.values())}


def _prepare_frame(case: Case) -> Iterator[Sequence[Work]]:
    """``network``: segment a frame of each video that is the crop already; ``frame``: crop it."""
    model = build_network(case.network)
    network, call, _, flop = _on_device(case, model)
    yield from _of_network(case, model, call, case.settings["videos"], lambda: network, flop=flop)


def _prepare_step(case: Case) -> Iterator[Sequence[Work]]:
    """Frames in the host's memory to labels there: upload, crop, network, paste, labels."""
    videos, model = case.settings["videos"], build_network(case.network)
    flop = _on_device(case, model)[-1]
    (first, *others), labels = _drawn(case, _FRAMES_IN_MEMORY)
    frames = itertools.cycle(others)
    tracker = Tracker(model, case.config)
    followed = [tracker.start(first, labels[0]) for _ in range(videos)]

    def call() -> None:
        tracker.step(followed, [next(frames)] * videos)

    yield from _of_network(case, model, call, videos, lambda: tracker.network, flop=flop)


def _prepare_video(case: Case) -> Iterator[Sequence[Work]]:
    """A folder of JPEG images to a folder of masks: decode, template, steps, write."""
    frames, model = case.settings["frames"], build_network(case.network)
    first_flop, flop = _on_device(case, model)[-2:]
    flop = first_flop + flop * (frames - 1)
    tracker = Tracker(model, case.config)
    with tempfile.TemporaryDirectory() as temporary:
        paths, labels = _write_video(Path(temporary, "frames"), case)

        def call() -> None:
            marks, out = {paths[0].stem: labels}, Path(temporary, "masks")
            list(segment(tracker, [Job("drawn", ImageFrames(paths), marks, out)]))

        yield from _of_network(case, model, call, frames, lambda: tracker.network, flop=flop)


def _prepare_onnx(case: Case) -> Iterator[Sequence[Work]]:
    """A step as ``ranet export-onnx`` writes it, frames in memory to labels, by onnxruntime."""
    from ranet.export.files import write_onnx
    from ranet.export.programs import export_programs

    try:
        import onnxruntime
    except ImportError as error:
        raise BenchmarkError("onnx needs the extra: pip install -e '.[export]'.") from error
    objects, model = case.settings["objects"], build_network(case.network)
    flop = _on_device(case, model)[-1]
    (first, *others), labels = _drawn(case, _FRAMES_IN_MEMORY)
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

    details = {"onnxruntime": onnxruntime.__version__}
    yield from _of_network(case, model, call, 1, flop=flop, details=details)


# --- Training


def _prepare_training(case: Case) -> Iterator[Sequence[Work]]:
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
    yield from _of_network(case, step.model, call, config.batch_size, unit=unit, flop=flop)


def _prepare_loader(case: Case) -> Iterator[Sequence[Work]]:
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
    details = {"data": data, "usable_cores": usable_cores()}
    threads = cv2.getNumThreads()
    cv2.setNumThreads(0)  # OpenCV would use all cores where the main process makes the samples
    try:
        with closing(iter(loader)) as samples:
            yield [
                _work(lambda: list(islice(samples, batches)), units, unit="sample", details=details)
            ]
    finally:
        cv2.setNumThreads(threads)


# --- The evaluation, and one that does a frame after the other, J, then F


def _prepare_evaluation(case: Case) -> Iterator[Sequence[Work]]:
    """Both; that all their values are the same is checked afterwards.

    Raises:
        DataError: of the masks.
        AssertionError: a value differs, be it in the last bit.
    """
    arguments, values = case.config, {}
    videos = find_videos(**arguments)
    frames = sum(len(video.frames) for video in videos)
    details = {"objects": sum(video.objects for video in videos)}

    def ours() -> None:
        workers = case.settings["workers"]
        values["ours"] = evaluate_davis(**arguments, workers=workers).videos

    def plain() -> None:
        values["plain"] = straightforward(**arguments)

    settings = {**case.settings, "sequences": len(videos), "scored frames": frames}
    yield [
        _work(call, frames, settings={**settings, "implementation": name}, details=details)
        for name, call in (("ranet", ours), ("straightforward", plain))
    ]
    for name, expected in values["plain"].items():
        objects = values["ours"][name].objects.values()
        found = [[scores.per_frame[1:-1] for scores in (each.J, each.F)] for each in objects]
        if not np.array_equal(np.transpose(found, (1, 2, 0)), expected):
            raise AssertionError(f"The two evaluations of {name} differ.")


def straightforward(
    annotations: Path, predictions: Path, year: int, sequences: Sequence[str] | None
) -> dict[str, np.ndarray]:
    """(J, F) × frames × objects by sequence, as the definitions say.

    Masks are read for J and again for F, and compared in whole frames.
    """

    def measured(frame: ScoredFrame, measure: Callable[[np.ndarray, np.ndarray], float]) -> list:
        found, truth = frame.read(frame.prediction), frame.read(frame.annotation)
        return [measure(found == k, truth == k) for k in range(1, frame.objects + 1)]

    return {
        video.name: np.reshape(
            [[measured(frame, m) for frame in video.frames] for m in (jaccard, _plain_f_measure)],
            (2, len(video.frames), video.objects),
        )
        for video in find_videos(annotations, predictions, year=year, sequences=sequences)
    }


def _plain_f_measure(found: np.ndarray, truth: np.ndarray) -> float:
    radius = boundary_radius(*truth.shape)
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disk = (x**2 + y**2 <= radius**2).astype(np.uint8)
    outlines = boundary_map(found), boundary_map(truth)
    if not (outlines[0].any() and outlines[1].any()):
        return float(outlines[0].any() == outlines[1].any())
    near = [cv2.dilate(outline.astype(np.uint8), disk) > 0 for outline in outlines]
    precision = np.sum(outlines[0] & near[1]) / np.sum(outlines[0])
    recall = np.sum(outlines[1] & near[0]) / np.sum(outlines[1])
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


# --- Commands, as wholes: the start of Python and the loading of weights included, so that nothing
# has to be believed of how another program measures itself


def _prepare_commands(case: Case) -> Iterator[Sequence[Work]]:
    """``ranet segment``, and a command that does the same.

    In both, ``{frames}`` is replaced by a folder of JPEG images, ``{mask}`` by a PNG with the ids
    of the objects in the first of them, and ``{out}`` by a folder for the masks, which does not
    exist yet.

    Raises:
        BenchmarkError: a command cannot be started, fails, or leaves masks out.
    """
    frames = case.settings["frames"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _, labels = _write_video(folder / "frames", case)
        write_labels(folder / "first.png", labels)
        paths = {_FRAMES: folder / "frames", _MASK: folder / "first.png", _OUT: folder / "masks"}
        yield [
            _work(
                partial(_run, command, paths, frames),
                frames,
                settings={**case.settings, "implementation": name},
                details={"command": command},
            )
            for name, command in (("ours", our_command(case, folder)), ("other", case.against))
        ]


def our_command(case: Case, folder: Path) -> str:
    """The command that segments as the case says; what it reads is written to ``folder``."""
    checkpoint, config = folder / "network.pt", folder / "segment.yaml"
    save_checkpoint(checkpoint, build_network(case.network))
    write_json(config, case.config.model_dump(mode="json"))  # JSON is YAML
    words = [
        *(sys.executable, "-m", "ranet", "segment", "--checkpoint", str(checkpoint)),
        *("--config", str(config), "--video", _FRAMES, "--mask", _MASK, "--out", _OUT),
    ]
    return shlex.join(words)


def _run(command: str, paths: Mapping[str, Path], frames: int) -> None:
    shutil.rmtree(paths[_OUT], ignore_errors=True)  # of the call before
    words = shlex.split(command)
    for mark, path in paths.items():
        words = [word.replace(mark, str(path)) for word in words]
    try:
        subprocess.run(words, capture_output=True, text=True, errors="replace", check=True)
    except OSError as error:
        raise BenchmarkError(
            f"The command {command!r} cannot be started ({error.strerror}); it is run without a "
            "shell: write sh -c '…' around one that needs it."
        ) from error
    except subprocess.CalledProcessError as error:
        told = "\n".join((error.stderr or error.stdout).strip().splitlines()[-_TOLD_LINES:])
        raise BenchmarkError(
            f"The command {command!r} ended with status {error.returncode} and printed:\n{told}"
        ) from error
    # A command that does less than the other is no contender; the first mask was given.
    written = len(list(paths[_OUT].rglob("*.png")))
    if _OUT in command and written < frames - 1:
        raise BenchmarkError(
            f"The command {command!r} should write a PNG for each of {count(frames, 'frame')} to "
            f"{_OUT}, the first one perhaps apart, but wrote {written}."
        )


# --- Other networks, each in a process of its own, so that a row's memory is that of its network


PEERS = ("cutie-small", "cutie-base")


def _measure_with_peer(case: Case, effort: Effort) -> list[Row]:
    """A network and a peer in turn. Every turn warms up anew.

    Args:
        case: of the part ``network`` or ``step``, with one video.
        effort: of all turns together, apart from the warm-up.

    Returns:
        Two rows, whose seconds are the medians of the turns, a frame.

    Raises:
        BenchmarkError: the peer is not installed, or a process was killed.
    """
    peer = case.against
    try:
        importlib.metadata.version("rf-cutie")
    except importlib.metadata.PackageNotFoundError as error:
        raise BenchmarkError(f"{peer} needs the package rf-cutie: pip install rf-cutie.") from error
    ours = replace(case, against="")
    theirs = replace(ours, network=peer, settings={**case.settings, "network": peer})
    turns: list[list[Row]] = []
    for part in effort.in_rounds():
        part = replace(part, warm_up=effort.warm_up)
        turns.append(
            [*_in_own_process(measure, ours, part), *_in_own_process(measure, theirs, part)]
        )
    return with_ratio(_joined(rows) for rows in zip(*turns, strict=True))


def _joined(turns: Sequence[Row]) -> Row:
    """One row of several of a case, of a frame; the first of them that could not be timed."""
    for row in turns:
        if row["seconds"] is None:
            return row
    units, flop = turns[0]["units"], turns[0]["flop"]
    middle = {
        name: statistics.median(row[name] for row in turns)
        for name in ("peak_flop_rate", "share_of_peak")
    }
    most = max(row["peak_bytes"] or 0 for row in turns) or None
    of_frame = {"units": 1, "flop": round(flop / units), "peak_bytes": most}
    seconds = [row["seconds"]["median"] / units for row in turns]
    return new_row(**{**turns[0], **middle, **of_frame, "seconds": seconds})


def _in_own_process(function: Callable[..., list[Row]], *arguments: Any) -> list[Row]:
    """What a function returns in a new process with as many threads, without anything of this."""
    spawn = multiprocessing.get_context("spawn")
    threads = torch.get_num_threads()
    with ProcessPoolExecutor(1, spawn, torch.set_num_threads, (threads,)) as process:
        try:
            return process.submit(function, *arguments).result()
        except BrokenProcessPool as error:
            raise BenchmarkError(
                "A measuring process was ended from outside, perhaps for want of memory."
            ) from error


def _prepare_cutie(case: Case) -> Iterator[Sequence[Work]]:
    """Cutie with random weights, which serve for time, in the middle of a long video.

    Its memory is full, as it is from the 25th frame on, and a call is as many frames as there are
    from one that it remembers to the next, with the settings that its package has for DAVIS.
    """
    import cutie
    from cutie.inference.inference_core import InferenceCore
    from cutie.model.cutie import CUTIE
    from cutie.model.utils import resnet
    from omegaconf import OmegaConf

    folder = Path(next(iter(cutie.__path__)), "config")
    config = OmegaConf.load(folder / "eval_config.yaml")
    kind = str(case.network).removeprefix("cutie-")
    models = [OmegaConf.load(folder / f"model/{name}.yaml") for name in ("base", kind)]
    config.model = OmegaConf.merge(*models)
    config.merge_with(config.datasets["d17-val"])
    height, width = case.config.input_size
    if (math.ceil(height / 16) * math.ceil(width / 16)) < config.top_k:
        raise BenchmarkError(
            f"{case.network} needs frames of at least {config.top_k} places of 16×16 pixels, but "
            f"the size is {height}×{width}."
        )
    warnings.simplefilter("ignore", FutureWarning)  # of its calls of torch; the process is ours
    # Its constructor loads ImageNet's weights from the net.
    with (
        mock.patch.object(resnet.model_zoo, "load_url"),
        mock.patch.object(resnet, "load_weights_add_extra_dim"),
    ):
        torch.manual_seed(0)
        network = CUTIE(config)
    device = resolve_device(case.config.device)
    network = network.to(device).eval()
    core = InferenceCore(network, cfg=config)
    video, labels = _drawn(case, 9)
    shown: Iterator[Any] = itertools.cycle(video)
    if case.part == "network":
        shown = itertools.cycle([_uploaded(frame, device) for frame in video])

    @torch.inference_mode()
    def call() -> None:
        with autocast(device, case.config.dtype):
            for frame in itertools.islice(shown, config.mem_every):
                if case.part == "network":
                    core.step(frame)
                else:
                    core.output_prob_to_mask(core.step(_uploaded(frame, device))).byte().cpu()

    with torch.inference_mode(), autocast(device, case.config.dtype):
        mask, ids = torch.from_numpy(labels[0]).to(device), range(1, case.settings["objects"] + 1)
        core.step(_uploaded(video[0], device), mask, objects=list(ids))
    for _ in range(config.max_mem_frames):
        call()
    version = importlib.metadata.version("rf-cutie")
    flop, details = count_flop(call), {"rf-cutie": version}
    yield from _of_network(case, network, call, config.mem_every, flop=flop, details=details)


PARTS: Mapping[str, Part] = {
    "network": _prepare_frame,
    "frame": _prepare_frame,
    "step": _prepare_step,
    "video": _prepare_video,
    "onnx": _prepare_onnx,
    "training": _prepare_training,
    "loader": _prepare_loader,
    "evaluation": _prepare_evaluation,
    "command": _prepare_commands,
}
"""By name."""
