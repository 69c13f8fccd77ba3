"""Others' work against ours, in turn: a straightforward evaluation, a command, another network.

Where a command is timed, all that it does counts, the start of Python and the loading of weights
included, so that nothing has to be believed of how another program measures itself. The longer the
video, the less the beginning counts.
"""

import importlib.metadata
import itertools
import math
import multiprocessing
import shlex
import statistics
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import cv2
import numpy as np
import torch

from ranet.benchmark import (
    Case,
    Effort,
    Work,
    build_network,
    count_flop,
    draw_video,
    measure,
    time_in_turn,
    uploaded,
    work_of,
    write_video,
)
from ranet.datasets.image_io import write_labels
from ranet.device import autocast, resolve_device
from ranet.errors import BenchmarkError
from ranet.files import write_json
from ranet.methods.checkpoints import save_checkpoint
from ranet.metrics import boundary_map, boundary_radius, evaluate_davis, jaccard
from ranet.metrics.protocol import ScoredFrame, find_videos
from ranet.tables.benchmark import Row, new_row
from ranet.wording import count

PEERS = {"cutie-small": "small", "cutie-base": "base"}
"""Networks of the package rf-cutie that can be timed, by their configurations' names there."""

RATIO = "seconds_of_other_over_ours"
"""A detail of the rows of two contenders: the median of the turns."""

_FRAMES, _MASK, _OUT = "{frames}", "{mask}", "{out}"
"""What stands for the paths in a command."""

_TOLD_LINES = 15  # of what a failed command has printed

_Answer = TypeVar("_Answer")


def measure_evaluation(arguments: Mapping[str, Any], *, workers: int, effort: Effort) -> list[Row]:
    """Time the evaluation in turn with one that does a frame after the other, J, then F.

    Args:
        arguments: those of :func:`ranet.metrics.evaluate_davis`.
        workers: frames that ours scores at the same time.
        effort: how often both are run.

    Returns:
        A row of ours and one of the straightforward evaluation.

    Raises:
        DataError: of the masks.
        AssertionError: a value differs, be it in the last bit.
    """
    values: dict[str, dict[str, np.ndarray]] = {}

    def ours() -> None:
        values["ranet"] = _values_of_ranet(arguments, workers)

    def plain() -> None:
        values["straightforward"] = straightforward(**arguments)

    seconds = time_in_turn([ours, plain], effort)
    for video, expected in values["straightforward"].items():
        if not np.array_equal(expected, values["ranet"][video]):
            raise AssertionError(f"The two evaluations of {video} differ.")
    scored = values["ranet"].values()
    settings = {
        "year": arguments["year"],
        "sequences": len(scored),
        "scored frames": sum(map(len, scored)),
        "workers": workers,
    }
    details = {"objects": sum(scores.shape[1] for scores in scored)}
    times = dict(zip(values, seconds, strict=True))
    return _rows(
        "evaluation", settings, times, settings["scored frames"], dict.fromkeys(times, details)
    )


def _values_of_ranet(arguments: Mapping[str, Any], workers: int) -> dict[str, np.ndarray]:
    """By sequence: scored frames × objects × (J, F)."""
    videos = evaluate_davis(**arguments, workers=workers).videos
    return {
        name: np.stack(
            [(each.J.per_frame[1:-1], each.F.per_frame[1:-1]) for each in video.objects.values()]
        ).transpose(2, 0, 1)
        for name, video in videos.items()
    }


def straightforward(
    annotations: Path, predictions: Path, year: int, sequences: Sequence[str] | None
) -> dict[str, np.ndarray]:
    """The same, as the definitions say: masks are read for J and again for F, in whole frames."""

    def measured(frame: ScoredFrame, measure: Callable[[np.ndarray, np.ndarray], float]) -> list:
        found, truth = frame.read(frame.prediction), frame.read(frame.annotation)
        return [measure(found == k, truth == k) for k in range(1, frame.objects + 1)]

    return {
        video.name: np.stack(
            [[measured(frame, m) for frame in video.frames] for m in (jaccard, _plain_f_measure)],
            axis=-1,
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


# --- Commands


def measure_commands(ours: str, other: str, case: Case, effort: Effort) -> list[Row]:
    """Run two commands in turn that do the same; a row of each.

    Args:
        ours: command of this project.
        other: the other command. In both, ``{frames}`` is replaced by a folder of JPEG images,
            ``{mask}`` by a PNG with the ids of the objects in the first of them, and ``{out}`` by a
            folder for the masks, which does not exist yet.
        case: what the video shows.
        effort: how often they are run.

    Raises:
        BenchmarkError: a command cannot be started, fails, or leaves masks out.
    """
    frames = case.settings["frames"]
    with tempfile.TemporaryDirectory() as folder:
        _, labels = write_video(Path(folder, "frames"), case)
        mask = Path(folder, "first.png")
        write_labels(mask, labels)
        paths = {_FRAMES: str(mask.with_name("frames")), _MASK: str(mask)}
        commands = {"ours": ours, "other": other}
        calls = [partial(_run, command, paths, frames) for command in commands.values()]
        seconds = dict(zip(commands, time_in_turn(calls, effort), strict=True))
    details = {name: {"command": command} for name, command in commands.items()}
    return _rows("command", case.settings, seconds, frames, details)


@contextmanager
def our_command(case: Case) -> Iterator[str]:
    """The command that segments as the case says, with all that it reads."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint, config = Path(folder, "network.pt"), Path(folder, "segment.yaml")
        save_checkpoint(checkpoint, build_network(case.network))
        write_json(config, case.config.model_dump(mode="json"))  # JSON is YAML
        words = [
            *(sys.executable, "-m", "ranet", "segment", "--checkpoint", str(checkpoint)),
            *("--config", str(config), "--video", _FRAMES, "--mask", _MASK, "--out", _OUT),
        ]
        yield shlex.join(words)


def _run(command: str, paths: Mapping[str, str], frames: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "masks")
        words = shlex.split(command)
        for mark, path in {**paths, _OUT: str(out)}.items():
            words = [word.replace(mark, path) for word in words]
        try:
            done = subprocess.run(words, capture_output=True, text=True, errors="replace")
        except OSError as error:
            raise BenchmarkError(
                f"The command {command!r} cannot be started: {error.strerror}. Commands are run "
                "without a shell; write sh -c '…' around one that needs it."
            ) from error
        if done.returncode != 0:
            told = (done.stderr or done.stdout).strip().splitlines()[-_TOLD_LINES:]
            raise BenchmarkError(
                f"The command {command!r} ended with status {done.returncode}, not 0. The end of "
                "what it printed:\n" + "\n".join(told)
            )
        # A command that does less than the other is no contender; the first mask was given.
        written = len(list(out.rglob("*.png")))
        if _OUT in command and written < frames - 1:
            raise BenchmarkError(
                f"The command {command!r} should write a PNG for each of {count(frames, 'frame')} "
                f"to {_OUT}, the first one perhaps apart, but wrote {written}."
            )


# --- Other networks


def measure_peer(case: Case, peer: str, effort: Effort) -> list[Row]:
    """Time a network and a peer in turn, each time in a process of its own.

    So the memory of a row is that of its network alone. Every turn warms up anew.

    Args:
        case: of the part ``network`` or ``step``, with one video.
        peer: one of :data:`PEERS`.
        effort: of all turns together, apart from the warm-up.

    Returns:
        Two rows, whose seconds are the medians of the turns.

    Raises:
        BenchmarkError: the peer is not installed, or a process was killed.
    """
    try:
        importlib.metadata.version("rf-cutie")
    except importlib.metadata.PackageNotFoundError as error:
        raise BenchmarkError(f"{peer} needs the package rf-cutie: pip install rf-cutie.") from error
    theirs = replace(case, network=peer, settings={**case.settings, "network": peer})
    turns: list[tuple[Row, Row]] = []
    for part in effort.in_rounds():
        part = replace(part, warm_up=effort.warm_up)
        ours = _in_own_process(measure, case, part)
        turns.append((ours, _in_own_process(measure, theirs, part, prepare_cutie)))
    rows = [_joined(rows) for rows in zip(*turns, strict=True)]
    if any(row["seconds"] is None for row in rows):
        return rows
    rates = [[row["units_per_second"] for row in turn] for turn in turns]
    return _with_ratio(rows, [ours / other for ours, other in rates])


def _joined(turns: Sequence[Row]) -> Row:
    """One row of several of a case, or the first of them that could not be timed."""
    for row in turns:
        if row["seconds"] is None:
            return row
    seconds = [row["seconds"]["median"] for row in turns]
    middle = {
        name: statistics.median(row[name] for row in turns)
        for name in ("peak_flop_rate", "share_of_peak")
    }
    most = max(row["peak_bytes"] or 0 for row in turns) or None
    return new_row(**{**turns[0], **middle, "seconds": seconds, "peak_bytes": most})


def _in_own_process(function: Callable[..., _Answer], *arguments: Any) -> _Answer:
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


def prepare_cutie(case: Case) -> Iterator[Work]:
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
    models = [
        OmegaConf.load(folder / f"model/{name}.yaml") for name in ("base", PEERS[case.network])
    ]
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
    objects = case.settings["objects"]
    video, labels = draw_video(case.config.input_size, objects=objects, frames=9)
    frames: Iterator[Any] = itertools.cycle(video)
    if case.part == "network":
        frames = itertools.cycle([uploaded(frame, device) for frame in video])

    @torch.inference_mode()
    def call() -> None:
        with autocast(device, case.config.dtype):
            for frame in itertools.islice(frames, config.mem_every):
                if case.part == "network":
                    core.step(frame)
                else:
                    core.output_prob_to_mask(core.step(uploaded(frame, device))).byte().cpu()

    with torch.inference_mode(), autocast(device, case.config.dtype):
        mask = torch.from_numpy(labels[0]).to(device)
        core.step(uploaded(video[0], device), mask, objects=list(range(1, objects + 1)))
    for _ in range(config.max_mem_frames):
        call()
    work = work_of(case, network, call, count_flop(call), config.mem_every)
    version = importlib.metadata.version("rf-cutie")
    yield replace(work, facts={**work.facts, "details": {"rf-cutie": version}})


# --- What two rows say


def _rows(
    part: str,
    settings: Mapping[str, Any],
    seconds: Mapping[str, Sequence[float]],
    frames: int,
    details: Mapping[str, Mapping[str, Any]],
) -> list[Row]:
    """A row of each of two implementations, ours being the first, that were timed in turn."""
    rows = [
        new_row(
            part,
            {**settings, "implementation": name},
            times,
            unit="frame",
            units=frames,
            details=details[name],
        )
        for name, times in seconds.items()
    ]
    ours, other = seconds.values()
    return _with_ratio(rows, np.divide(other, ours))


def _with_ratio(rows: Sequence[Row], ratios: Sequence[float]) -> list[Row]:
    ratio = statistics.median(ratios)
    return [{**row, "details": {**row["details"], RATIO: ratio}} for row in rows]


def tell_ratios(rows: Sequence[Row]) -> list[str]:
    """How the second of each two rows of a contest compares with the first."""
    contests = [row for row in rows if RATIO in (row["details"] or {})]
    lines = []
    for pair in zip(contests[::2], contests[1::2], strict=True):
        ours, other = (
            row["settings"].get("implementation") or row["settings"]["network"] for row in pair
        )
        ratio = pair[1]["details"][RATIO]
        lines.append(f"{other} takes {ratio:.2f} times as long as {ours} (median of the turns)")
    return lines
