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
import shutil
import statistics
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
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
    build_network,
    count_flop,
    drawn,
    measure,
    time_in_turn,
    timed,
    uploaded,
    write_video,
)
from ranet.datasets.image_io import write_labels
from ranet.device import autocast, resolve_device
from ranet.errors import BenchmarkError
from ranet.files import write_json
from ranet.methods.checkpoints import save_checkpoint
from ranet.metrics import boundary_map, boundary_radius, evaluate_davis, jaccard
from ranet.metrics.protocol import ScoredFrame, find_videos
from ranet.tables.benchmark import Row, new_row, with_ratio
from ranet.wording import count

_FRAMES, _MASK, _OUT = "{frames}", "{mask}", "{out}"  # stand for the paths in a command
_TOLD_LINES = 15  # of what a failed command has printed

_Answer = TypeVar("_Answer")


def time_evaluation(case: Case, effort: Effort) -> list[Row]:
    """The evaluation, and one that does a frame after the other, J, then F.

    Args:
        case: its configuration holds the arguments of :func:`ranet.metrics.evaluate_davis`;
            ``workers`` frames are scored at the same time.
        effort: how often both are run.

    Raises:
        DataError: of the masks.
        AssertionError: a value differs, be it in the last bit.
    """
    arguments, values = case.config, {}
    videos = find_videos(**arguments)
    frames = sum(len(video.frames) for video in videos)

    def ours() -> None:
        workers = case.settings["workers"]
        values["ours"] = evaluate_davis(**arguments, workers=workers).videos

    def plain() -> None:
        values["plain"] = straightforward(**arguments)

    settings = {**case.settings, "sequences": len(videos), "scored frames": frames}
    details = {"objects": sum(video.objects for video in videos)}
    contenders = {"ranet": (ours, details), "straightforward": (plain, details)}
    rows = _in_turn(replace(case, settings=settings), effort, frames, contenders)
    for name, expected in values["plain"].items():
        objects = values["ours"][name].objects.values()
        found = [[scores.per_frame[1:-1] for scores in (each.J, each.F)] for each in objects]
        if not np.array_equal(np.transpose(found, (1, 2, 0)), expected):
            raise AssertionError(f"The two evaluations of {name} differ.")
    return rows


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


def _in_turn(
    case: Case,
    effort: Effort,
    frames: int,
    contenders: Mapping[str, tuple[Callable[[], object], Mapping[str, Any]]],
) -> list[Row]:
    """Rows of two implementations, ours first: by their names a call of ``frames``, and details."""
    calls, details = zip(*contenders.values(), strict=True)
    settings = [{**case.settings, "implementation": name} for name in contenders]
    return with_ratio(
        new_row(case.part, told, seconds, unit="frame", units=frames, details=known)
        for told, seconds, known in zip(settings, time_in_turn(calls, effort), details, strict=True)
    )


# --- Commands


def time_commands(case: Case, effort: Effort, *, other: str) -> list[Row]:
    """``ranet segment``, and a command that does the same.

    Args:
        case: what the video shows, and with what and how it is segmented.
        effort: how often both are run.
        other: the other command. In both, ``{frames}`` is replaced by a folder of JPEG images,
            ``{mask}`` by a PNG with the ids of the objects in the first of them, and ``{out}`` by a
            folder for the masks, which does not exist yet.

    Raises:
        BenchmarkError: a command cannot be started, fails, or leaves masks out.
    """
    frames = case.settings["frames"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _, labels = write_video(folder / "frames", case)
        write_labels(folder / "first.png", labels)
        paths = {_FRAMES: folder / "frames", _MASK: folder / "first.png", _OUT: folder / "masks"}
        commands = {"ours": our_command(case, folder), "other": other}
        contenders = {
            name: (partial(_run, command, paths, frames), {"command": command})
            for name, command in commands.items()
        }
        return _in_turn(replace(case, part="command"), effort, frames, contenders)


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


# --- Other networks


def time_peer(case: Case, effort: Effort, *, peer: str) -> list[Row]:
    """A network and a peer in turn, each time in a process of its own.

    So the memory of a row is that of its network alone. Every turn warms up anew.

    Args:
        case: of the part ``network`` or ``step``, with one video.
        effort: of all turns together, apart from the warm-up.
        peer: ``"cutie-small"`` or ``"cutie-base"``.

    Returns:
        Two rows, whose seconds are the medians of the turns, a frame.

    Raises:
        BenchmarkError: the peer is not installed, or a process was killed.
    """
    try:
        importlib.metadata.version("rf-cutie")
    except importlib.metadata.PackageNotFoundError as error:
        raise BenchmarkError(f"{peer} needs the package rf-cutie: pip install rf-cutie.") from error
    theirs = replace(case, network=peer, settings={**case.settings, "network": peer})
    turns: list[list[Row]] = []
    for part in effort.in_rounds():
        part = replace(part, warm_up=effort.warm_up)
        ours = _in_own_process(measure, case, part)
        turns.append(ours + _in_own_process(measure, theirs, part, time_cutie))
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


def time_cutie(case: Case, effort: Effort) -> list[Row]:
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
    video, labels = drawn(case, 9)
    shown: Iterator[Any] = itertools.cycle(video)
    if case.part == "network":
        shown = itertools.cycle([uploaded(frame, device) for frame in video])

    @torch.inference_mode()
    def call() -> None:
        with autocast(device, case.config.dtype):
            for frame in itertools.islice(shown, config.mem_every):
                if case.part == "network":
                    core.step(frame)
                else:
                    core.output_prob_to_mask(core.step(uploaded(frame, device))).byte().cpu()

    with torch.inference_mode(), autocast(device, case.config.dtype):
        mask, ids = torch.from_numpy(labels[0]).to(device), range(1, case.settings["objects"] + 1)
        core.step(uploaded(video[0], device), mask, objects=list(ids))
    for _ in range(config.max_mem_frames):
        call()
    version = importlib.metadata.version("rf-cutie")
    flop, frames = count_flop(call), config.mem_every
    return timed(case, effort, call, frames, network, flop, **{"rf-cutie": version})
