"""How fast everything is, measured so that it can be compared: ``ranet benchmark``.

A *case* is a part of the project and its settings. The part prepares a call, which is timed in
*rounds*; what these took is a *row* of the file of results and of the table. FLOP are counted as
torch counts them: of convolutions, matrix products and their gradients, a multiplication with an
addition being two; all else counts nothing.
"""

import gc
import importlib.metadata
import importlib.util
import itertools
import math
import multiprocessing
import os
import platform
import re
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import collect_env
from torch.utils.flop_counter import FlopCounterMode

from ranet.cli import usable_cores
from ranet.datasets.frames import ImageFrames
from ranet.datasets.image_io import write_image
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
from ranet.errors import BenchmarkError
from ranet.inference.network import Network, resolved
from ranet.inference.sequences import Job, segment
from ranet.inference.tracker import Tracker
from ranet.methods.base import VOSMethod
from ranet.metrics import evaluate_davis
from ranet.metrics.protocol import find_videos
from ranet.provenance import versions
from ranet.structures import TrainingBatch, TrainingSample, one_hot_masks
from ranet.tables.grid import Grid
from ranet.training.processes import alone
from ranet.training.run import new_training_step

_CPU = torch.device("cpu")
_ROUNDS = 5  # of each row, as the speed of a machine changes
_SIDE = {"cuda": 8192, "mps": 4096, "cpu": 2048}  # of the matrices: larger ones are no faster
_SIDE_OF_SLOW = 512  # of float16 on a CPU: larger ones would take seconds
_LIBRARIES = ("numpy", "opencv-python-headless", "pillow", "triton")
_DECISIVE_VARIABLE = r"MALLOC_\w+|PYTORCH_(\w+_)?ALLOC_CONF|LD_PRELOAD|(OMP|GOMP|KMP)_\w+"

Call = Callable[[], object]
"""What is timed; when it returns, the device may still be busy."""


@dataclass(frozen=True)
class Case:
    """What to measure."""

    part: str  # of PARTS
    settings: Mapping[str, Any]  # what decides how long it takes, ready to be shown
    config: Any  # InferenceConfig or TrainConfig; of an evaluation, evaluate_davis's arguments
    network: Callable[[], VOSMethod] | None = None  # makes it
    against: str = ""  # cutie-small or cutie-base: timed in turn with it


Row = dict[str, Any]
"""What was measured of a case, see :func:`_new_row`."""

Part = Callable[[Case, Row, ExitStack], Call]
"""Prepares the call of a case, completes what is known of it in the row, and puts on the stack what
is to be done after the last call."""


class Round(NamedTuple):
    """Some calls in a row: seconds of each, the matrix products' rate just before, peak memory."""

    seconds: list[float]
    product_rate: float | None
    memory: tuple[int, str] | None


class Effort(NamedTuple):
    """Calls that are not timed, then those that are: so many, and for so many seconds, at least."""

    warm_up: int = 3
    repeats: int = 10
    seconds: float = 1.0

    def in_rounds(self) -> list["Effort"]:
        """The same in some rounds, each with a call to time at least."""
        rounds = min(_ROUNDS, self.repeats)
        part = Effort(0, math.ceil(self.repeats / rounds), self.seconds / rounds)
        return [part._replace(warm_up=self.warm_up), *[part] * (rounds - 1)]


# --- Timing


def measure(case: Case, effort: Effort) -> list[Row]:
    """The row of a case; if it is timed in turn with another network, that one's, too.

    Raises:
        RANetError: the work cannot be done.
    """
    if case.against:
        return _measure_in_turn(case, effort)
    return [_summary(*_measure_rounds(PARTS[case.part], case, effort.in_rounds()))]


def _new_row(case: Case) -> Row:
    """What is told of every case, by name; None where it is not known."""
    evaluates = isinstance(case.config, dict)
    return {
        "part": case.part,
        "settings": dict(case.settings),  # what decides how long it takes
        "unit": "frame",  # what a call works through
        "units": 1,  # how many of them
        "timed_as_one": 1,  # calls, of which the mean is told as one
        "parameters": None,  # numbers that the network has learned
        "flop": None,  # of a call; None: none that count
        "seconds": None,  # of a call: calls, fastest, lower, median, upper (quartiles), slowest
        "units_per_second": None,  # at the median
        "flop_rate": None,  # at the median
        "peak_flop_rate": None,  # of matrix products: same device, threads and numbers
        "share_of_peak": None,  # 0…1, the median of rounds of both in turn
        "peak_bytes": None,  # during the calls
        "memory_counted": None,  # what they are of, see ranet.device.peak_memory
        "problem": None,  # why it could not be measured, or which settings were without effect
        "details": {} if evaluates else {"config": case.config.model_dump(mode="json")},  # and more
    }


def _measure_rounds(part: Part, case: Case, efforts: Sequence[Effort]) -> tuple[Row, list[Round]]:
    """A row without times, and the rounds; none if a GPU has no room, which is a result, too.

    The call of a part that tells parameters, but no FLOP, is made once to count them.
    """
    row, rounds = _new_row(case), []
    faster = [name for name in ("compile", "cuda_graph") if getattr(case.config, name, False)]
    if faster:  # FLOP of such a call cannot be seen
        plain = replace(case, config=case.config.model_copy(update=dict.fromkeys(faster, False)))
        counted, _ = _measure_rounds(part, plain, [])
        row |= {name: counted[name] for name in ("flop", "problem")}
        if row["problem"]:
            return row, []
    if "torch._dynamo" in sys.modules:  # after a few networks, others would run as they are
        torch.compiler.reset()
    _free_memory()
    try:
        with ExitStack() as stack:
            call = part(case, row, stack)
            if row["parameters"] and row["flop"] is None:
                row["flop"] = count_flop(call)
            _free_memory()  # that of the preparation, not what the calls come to hold
            device = _CPU if row["flop"] is None else resolve_device(case.config.device)
            for effort in efforts:
                rate = matrix_product_rate(device, case.config.dtype) if row["flop"] else None
                _count_memory_from_now_on(device)  # not that of the matrices and the preparation
                seconds = [each / row["timed_as_one"] for each in time_calls(call, effort, device)]
                rounds.append(Round(seconds, rate, peak_memory(device)))
    except torch.OutOfMemoryError:
        row["problem"], rounds = "out of memory", []
    return row, rounds


def _summary(row: Row, rounds: Sequence[Round]) -> Row:
    """The row with what the rounds took, if there are any."""
    if not rounds:
        return row
    seconds = [each for one in rounds for each in one.seconds]
    ends = np.quantile(seconds, [0, 0.25, 0.5, 0.75, 1]).tolist()
    spread = zip(("fastest", "lower", "median", "upper", "slowest"), ends, strict=True)
    row["seconds"] = {"calls": len(seconds), **dict(spread)}
    row["units_per_second"] = row["units"] / ends[2]
    counted = max((each.memory for each in rounds if each.memory), default=(None, None))
    row["peak_bytes"], row["memory_counted"] = counted
    if flop := row["flop"]:
        row["flop_rate"] = flop / ends[2]
        row["peak_flop_rate"] = statistics.median(each.product_rate for each in rounds)
        row["share_of_peak"] = statistics.median(
            flop / statistics.median(each.seconds) / each.product_rate for each in rounds
        )
    return row


def time_calls(call: Call, effort: Effort, device: torch.device = _CPU) -> list[float]:
    """Seconds of each call, from an idle device to an idle device."""
    seconds: list[float] = []
    with exact_float32(device):
        for _ in range(effort.warm_up):
            call()
        while len(seconds) < effort.repeats or sum(seconds) < effort.seconds:
            synchronise(device)
            began = time.perf_counter()
            call()
            synchronise(device)
            seconds.append(time.perf_counter() - began)
    return seconds


def count_flop(call: Call) -> int:
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
    calls: list[Call] = [lambda: torch.mm(left, right, out=product)]
    if on_cpu and dtype == "float32" and torch.backends.mkldnn.is_available():
        theirs = left.to_mkldnn(), right.to_mkldnn()
        calls.append(lambda: nn.functional.linear(*theirs))
    effort = Effort(warm_up=1, repeats=3, seconds=0)
    return 2 * side**3 / min(statistics.median(time_calls(call, effort, device)) for call in calls)


def _free_memory() -> None:
    gc.collect()
    torch.cuda.empty_cache()


def _count_memory_from_now_on(device: torch.device) -> None:
    """The process's own, too, where the system can (Linux)."""
    reset_peak_memory(device)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # see proc_pid_clear_refs(5)


# --- The machine, the software, and the table


def describe() -> dict[str, Any]:
    """``machine``, and ``software`` with what the environment tells allocators and threads."""
    told = Path("/proc/cpuinfo")
    named = told.is_file() and re.search(r"^model name\s*:\s*(.+)", told.read_text(), re.MULTILINE)
    gpus = [torch.cuda.get_device_properties(n) for n in range(torch.cuda.device_count())]
    installed = {each.name: each.version for each in importlib.metadata.distributions()}
    machine = {
        "cpu": named[1] if named else platform.processor() or platform.machine(),
        "cores": usable_cores(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "gpus": [gpu.name for gpu in gpus],
        "gpu_memory": [gpu.total_memory for gpu in gpus],
    }
    software = {
        **versions(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),  # a number: 91002 for 9.10.2
        "driver": collect_env.get_nvidia_driver_version(collect_env.run),
        **{name: installed[name] for name in _LIBRARIES if name in installed},
        **{k: v for k, v in sorted(os.environ.items()) if re.fullmatch(_DECISIVE_VARIABLE, k)},
    }
    return {"machine": machine, "software": software}


_COUNTED = {
    "M parameters": ("parameters", 1e6),
    "GFLOP": ("flop", 1e9),
    "GFLOP/s": ("flop_rate", 1e9),
    "matrix product, GFLOP/s": ("peak_flop_rate", 1e9),
    "share, %": ("share_of_peak", 0.01),
    "peak MB": ("peak_bytes", 1e6),
}
"""Columns of the table, each with an entry of its row, and how much of it is 1."""


def figures(row: Row) -> dict[str, str]:
    """By column; ms and GFLOP are of a call: of all videos, of a whole video, of a batch."""
    told = {}
    if seconds := row["seconds"]:
        lower, told["ms"], upper = (
            f"{1000 * seconds[n]:.2f}" for n in ("lower", "median", "upper")
        )
        told["quartiles"] = f"{lower} … {upper}"
        told["a second"] = f"{row['units_per_second']:.4g} {row['unit']}s"
    for column, (name, one) in _COUNTED.items():
        if row[name] is not None:
            told[column] = f"{row[name] / one:.3g}"
    if row["part"] == "loader" and seconds:
        cores = min(max(row["settings"]["workers"], 1), usable_cores())  # which more workers share
        told["a second and core"] = f"{row['units_per_second'] / cores:.1f}"
    if ratio := row["details"].get("seconds_of_other_over_ours"):
        told["times ours"] = f"{ratio:.2f}"
    if row["problem"]:
        told["problem"] = row["problem"]
    return told


def table(results: Mapping[str, Any]) -> str:
    """All rows, at least one, as Markdown; settings that all of them share are told below."""
    machine, software, rows = (results[name] for name in ("machine", "software", "rows"))
    title = (
        f"{', '.join([machine['cpu'], *machine['gpus']])}; {machine['cores']} usable cores; "
        f"torch {software['torch']}; revision {software['revision']}"
    )
    columns = {"part": [row["part"] for row in rows]}
    for every in ([row["settings"] for row in rows], [figures(row) for row in rows]):
        for name in dict.fromkeys(itertools.chain(*every)):
            columns[name] = [str(each.get(name, "–")) for each in every]
    shared = [
        name for name in rows[0]["settings"] if len(rows) > 1 and len(set(columns[name])) == 1
    ]
    notes = [f"{name} {columns.pop(name)[0]}" for name in shared]
    cells = list(zip(*columns.values(), strict=True))
    return Grid("benchmark", title, list(columns), cells, notes).markdown()


# --- Inference: parts that hold each other, with frames of the network's own input size


def draw_video(
    size: tuple[int, int], *, objects: int, frames: int
) -> tuple[list[np.ndarray], np.ndarray]:
    """Frames H×W×3 uint8 with the grain of photographs, and their labels T×H×W uint8.

    Unlike in synthetic videos, all K objects are in sight in every frame, each in a cell of a grid,
    where it has room to move unless the frame is tiny; the background moves with them.
    """
    rng = np.random.default_rng(0)
    clouds = cv2.resize(rng.uniform(0, 255, (8, 14, 3)).astype(np.float32), size[::-1])
    frame = np.clip(clouds + rng.normal(0, 8, clouds.shape), 0, 255).astype(np.uint8)
    rows = math.isqrt(objects)
    columns = math.ceil(objects / rows)
    height, width = size[0] // rows, size[1] // columns  # of a cell
    labels = np.zeros(size, np.uint8)
    for k in range(objects):
        top, left = k // columns * height, k % columns * width
        labels[top : top + max(1, height // 2), left : left + max(1, width // 2)] = k + 1
    frame[labels > 0] ^= 255
    shifts = [(height * (n % 8) // 16, width * (n % 8) // 16) for n in range(frames)]
    moved = np.stack([np.roll(labels, shift, axis=(0, 1)) for shift in shifts])
    return [np.roll(frame, shift, axis=(0, 1)) for shift in shifts], moved


def _drawn(case: Case, frames: int = 9) -> tuple[list[np.ndarray], np.ndarray]:
    """:func:`draw_video` of the case's size and objects: the frames, and the first labels."""
    size, objects = case.config.input_size, case.settings["objects"]
    video, labels = draw_video(size, objects=objects, frames=frames)
    return video, labels[0]


def _uploaded(frame: np.ndarray, device: torch.device) -> Tensor:
    """3×H×W in [0, 1]."""
    return torch.from_numpy(frame).to(device).permute(2, 0, 1) / 255


def _parameters(model: nn.Module) -> int:
    return sum(each.numel() for each in model.parameters())


def _note_how_it_ran(row: Row, network: Network) -> None:
    """Compiled and recorded, where this was asked for; known after the calls."""
    if network.asked:
        row["problem"] = network.problem
        row["details"] |= {"ran": network.ran, "fallbacks": list(network.fallbacks.values())}


def _prepare_frame(case: Case, row: Row, stack: ExitStack) -> Call:
    """``network``: segment a frame of each video that is the crop already; ``frame``: crop it."""
    objects, videos, model = case.settings["objects"], case.settings["videos"], case.network()
    row |= {"units": videos, "parameters": _parameters(model)}
    device, config = resolve_device(case.config.device), resolved(case.config, model)
    network = Network(model, config, crop=None if case.part == "network" else config.crop)
    stack.callback(_note_how_it_ran, row, network)
    method = network.method
    frames, labels = _drawn(case, 2)
    with torch.inference_mode():
        first, second = (
            method.laid_out(_uploaded(frame, device).expand(videos, -1, -1, -1)) for frame in frames
        )
        masks = one_hot_masks(torch.from_numpy(labels).to(device), objects)
        masks = masks.expand(videos, -1, -1, -1).contiguous()
        state = method.add_objects(method.new_state(first), first, masks)
    return torch.inference_mode()(partial(network.step, state, second))


def _prepare_step(case: Case, row: Row, stack: ExitStack) -> Call:
    """Frames in the host's memory to labels there: upload, crop, network, paste, labels."""
    videos, model = case.settings.get("videos", 1), case.network()
    row |= {"units": videos, "parameters": _parameters(model)}
    (first, *others), labels = _drawn(case)
    frames = itertools.cycle(others)
    tracker = Tracker(model, case.config)
    followed = [tracker.start(first, labels) for _ in range(videos)]
    stack.callback(lambda: _note_how_it_ran(row, tracker.network))
    return lambda: tracker.step(followed, [next(frames)] * videos)


def _prepare_video(case: Case, row: Row, stack: ExitStack) -> Call:
    """A folder of JPEG images to a folder of masks: decode, template, steps, write."""
    length, model = case.settings["frames"], case.network()
    row |= {"units": length, "parameters": _parameters(model)}
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    frames, labels = _drawn(case, length)
    paths = [folder / "frames" / f"{number:05d}.jpg" for number in range(length)]
    for path, frame in zip(paths, frames, strict=True):
        write_image(path, frame)
    tracker = Tracker(model, case.config)
    stack.callback(lambda: _note_how_it_ran(row, tracker.network))
    job = Job("drawn", ImageFrames(paths), {paths[0].stem: labels}, folder / "masks")
    return lambda: list(segment(tracker, [job]))


def _prepare_onnx(case: Case, row: Row, stack: ExitStack) -> Call:
    """A step as ``ranet export-onnx`` writes it, frames in memory to labels, by onnxruntime."""
    from ranet.export.files import write_onnx
    from ranet.export.programs import export_programs

    try:
        import onnxruntime
    except ImportError as error:
        raise BenchmarkError("onnx needs the extra: pip install -e '.[export]'.") from error
    row["details"]["onnxruntime"] = onnxruntime.__version__
    with ExitStack() as ours:  # of which this is a translation
        row["flop"] = count_flop(_prepare_step(case, row, ours))
    _free_memory()
    objects, model = case.settings["objects"], case.network()
    (first, *others), labels = _drawn(case)
    frames, size = itertools.cycle(others), case.config.input_size
    graphs = export_programs(model, frame_size=size, objects=objects, config=case.config)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    sessions = {
        path.stem: onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
        for path in write_onnx(graphs, folder, {})
    }

    def run(graph: str, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        inputs = {name: given[name] for name in graphs[graph].inputs}
        return dict(zip(graphs[graph].outputs, sessions[graph].run(None, inputs), strict=True))

    masks = one_hot_masks(torch.from_numpy(labels), objects)[None].numpy()
    state = run("template", {"image": _uploaded(first, _CPU)[None].numpy(), "masks": masks})
    before = {f"previous_{name}": value for name, value in state.items()}
    given = {**state, **before, "previous": state["probabilities"]}
    return lambda: run("step", {**given, "image": _uploaded(next(frames), _CPU)[None].numpy()})


# --- Training, its samples, and the evaluation


def _prepare_training(case: Case, row: Row, stack: ExitStack) -> Call:
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
    row |= {"unit": "pair" if length == 1 else "clip", "units": config.batch_size}
    row["parameters"] = _parameters(step.model)
    return partial(step, batch, 0)


def _prepare_loader(case: Case, row: Row, stack: ExitStack) -> Call:
    """Batches of samples that worker processes make, decoding included."""
    config, batches = case.config, case.settings["batches"]
    loader = BatchLoader(
        config.data,
        seed=config.seed,
        batch_size=config.batch_size,
        steps=range(sys.maxsize // config.batch_size),  # the workers are busy until the end
    )
    stack.callback(cv2.setNumThreads, cv2.getNumThreads())
    cv2.setNumThreads(0)  # OpenCV would use all cores where the main process makes the samples
    samples = stack.enter_context(closing(iter(loader)))
    row |= {"unit": "sample", "units": batches * config.batch_size}
    return lambda: list(islice(samples, batches))


def _prepare_evaluation(case: Case, row: Row, stack: ExitStack) -> Call:
    """What ``ranet evaluate`` does before it writes files."""
    videos = find_videos(**case.config)
    row["units"] = sum(len(video.frames) for video in videos)
    row["details"]["objects"] = sum(video.objects for video in videos)
    return partial(evaluate_davis, **case.config, workers=max(case.settings["workers"], 1))


# --- Other networks, each in a process of its own, so that a row's memory is that of its network


def _measure_in_turn(case: Case, effort: Effort) -> list[Row]:
    """The rows of a network and of Cutie, which take turns; every turn warms up anew.

    Raises:
        BenchmarkError: Cutie is not installed, or a process was killed.
    """
    if importlib.util.find_spec("cutie") is None:
        raise BenchmarkError(f"{case.against} needs a package: pip install rf-cutie.")
    theirs = replace(case, settings={**case.settings, "network": case.against})
    works = ((PARTS[case.part], case), (_prepare_cutie, theirs))
    turns = [effort.in_rounds()[0]] * len(effort.in_rounds())
    measured = [
        [_in_own_process(_measure_rounds, *work, [turn]) for work in works] for turn in turns
    ]
    rows = [_of_turns(each) for each in zip(*measured, strict=True)]
    if all(row["seconds"] for row in rows):
        ours, other = (row["seconds"]["median"] for row in rows)
        rows[1]["details"]["seconds_of_other_over_ours"] = other / ours
    return rows


def _of_turns(turns: Sequence[tuple[Row, list[Round]]]) -> Row:
    """The row of all turns; of the first that had no room, if there was one."""
    for row, rounds in turns:
        if not rounds:
            return row
    return _summary(turns[0][0], [one for _, rounds in turns for one in rounds])


def _in_own_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns in a new process with as many threads, without anything of this."""
    spawn, threads = multiprocessing.get_context("spawn"), torch.get_num_threads()
    with ProcessPoolExecutor(1, spawn, torch.set_num_threads, (threads,)) as process:
        try:
            return process.submit(function, *arguments).result()
        except BrokenProcessPool as error:
            raise BenchmarkError("A process was killed, perhaps for want of memory.") from error


def _prepare_cutie(case: Case, row: Row, stack: ExitStack) -> Call:
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
    kinds = ("base", case.against.removeprefix("cutie-"))
    config = OmegaConf.load(folder / "eval_config.yaml")
    config.model = OmegaConf.merge(*(OmegaConf.load(folder / f"model/{k}.yaml") for k in kinds))
    config.merge_with(config.datasets["d17-val"])
    if math.prod(math.ceil(side / 16) for side in case.config.input_size) < config.top_k:
        raise BenchmarkError(
            f"{case.against} needs frames of at least {config.top_k} places of 16×16 pixels."
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
    core = InferenceCore(network.to(device).eval(), cfg=config)
    video, labels = _drawn(case)
    frames: itertools.cycle[Any] = itertools.cycle(video)
    if case.part == "network":
        frames = itertools.cycle([_uploaded(frame, device) for frame in video])

    @torch.inference_mode()
    @autocast(device, case.config.dtype)
    def call() -> None:
        for frame in islice(frames, config.mem_every):
            if case.part == "network":
                core.step(frame)
            else:
                core.output_prob_to_mask(core.step(_uploaded(frame, device))).byte().cpu()

    with torch.inference_mode(), autocast(device, case.config.dtype):
        objects = range(1, case.settings["objects"] + 1)
        core.step(_uploaded(video[0], device), torch.from_numpy(labels).to(device), list(objects))
    for _ in range(config.max_mem_frames):
        call()
    row |= {"timed_as_one": config.mem_every, "parameters": _parameters(network)}
    row["flop"] = count_flop(call) // config.mem_every
    row["details"] |= {"rf-cutie": importlib.metadata.version("rf-cutie")}
    return call


PARTS: Mapping[str, Part] = {
    "network": _prepare_frame,
    "frame": _prepare_frame,
    "step": _prepare_step,
    "video": _prepare_video,
    "onnx": _prepare_onnx,
    "training": _prepare_training,
    "loader": _prepare_loader,
    "evaluation": _prepare_evaluation,
}
"""By name."""
