"""The main job from end to end on videos made here: what ``make demo`` runs.

Writes synthetic videos, trains a small network on some, and segments and scores the others: with
that network, with the one that comes with the project, and by copying the first mask. Draws what
the second one did.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from ranet.config import EvalConfig, TrainConfig
from ranet.datasets.image_io import read_image, read_labels, write_image
from ranet.datasets.index import VideoSequence, index_davis
from ranet.datasets.synthetic import write_synthetic_davis
from ranet.datasets.video_writer import VideoWriter
from ranet.inference.run import copying, evaluate_split, network
from ranet.methods.ranet.correlation import correlate
from ranet.methods.ranet.network import RANet
from ranet.methods.registry import load_checkpoint
from ranet.structures import one_hot_masks
from ranet.training.run import train
from ranet.visual.contact_sheet import SheetRow, contact_sheet, similarity_colours
from ranet.visual.overlay import overlay

_logger = logging.getLogger(__name__)

_FRAME_RATE = 8  # of the overlay video
_SHEET_FRAMES = 5  # columns of the contact sheet


@dataclass(frozen=True)
class DemoVideos:
    """The videos that the demo draws: the arguments of ``write_synthetic_davis``.

    They are less crowded than the generator's usual ones: a network that learns for minutes, from
    nothing, is to be seen at work on them.
    """

    train: int = 60
    val: int = 8
    frames: int = 16
    size: tuple[int, int] = (240, 432)
    seed: int = 0
    max_objects: int = 2
    clutter: float = 0.4


def run_demo(
    videos: DemoVideos,
    train_config: TrainConfig,
    eval_config: EvalConfig,
    pretrained: Path,
    out: Path,
    workers: int,
) -> None:
    """Run every step and print what came of it. What is finished already is kept.

    Args:
        videos: what to draw, into the tree ``out/data``.
        train_config: its source of data is that tree.
        eval_config: of the network trained here; the other sees frames at the size it is used to.
        pretrained: the checkpoint that comes with the project.
        out: folder for everything.
        workers: processes that draw videos, and threads that score.

    Raises:
        RANetError: ``out`` cannot be written, or holds the results of another demo.
    """
    data = out / "data"
    with _timed("drawing videos"):
        write_synthetic_davis(data, **asdict(videos), workers=workers)
    with _timed("training"):
        checkpoint = train(train_config, resume=train_config.output.exists())
    with _timed("segmenting and scoring unseen videos"):
        methods = {
            "copying": copying(),
            "trained_here": network(eval_config, checkpoint),
            "pretrained": network(_at_own_size(eval_config), pretrained),
        }
        reports = {
            name: evaluate_split(
                eval_config, method, data, out / name, overwrite=True, workers=workers
            )
            for name, method in methods.items()
        }
    with _timed("drawing the overlay video and the contact sheet"):
        sequence = index_davis(data, year=2017, split="val")[0]
        masks = out / "pretrained" / "masks" / sequence.name
        write_overlay_video(sequence, masks, out / "overlay.mp4")
        size = methods["pretrained"].inference.input_size
        write_sheet(load_checkpoint(pretrained), sequence, masks, size, out / "sheet.png")
    print(f"\n{reports['trained_here']}\n")
    scores = {name: 100 * r.scores.averages["J&F-Mean"] for name, r in reports.items()}
    print(summary(pretrained.stem, **scores))
    print(f"masks: {masks.parent}")
    print(f"overlay video: {out / 'overlay.mp4'}")
    print(f"frames, similarity maps and masks: {out / 'sheet.png'}")


def _at_own_size(config: EvalConfig) -> EvalConfig:
    inference = config.inference.model_copy(update={"input_size": None})
    return config.model_copy(update={"inference": inference})


def summary(pretrained_name: str, copying: float, trained_here: float, pretrained: float) -> str:
    """The scores beside each other; all J&F in percent."""
    rows = {
        "copying the first mask": copying,
        "network trained here": trained_here,
        pretrained_name: pretrained,
    }
    width = max(map(len, rows))
    lines = ["J&F of unseen synthetic videos, and margin over copying"]
    lines += [f"{name:{width}}  {jf:5.1f}  {jf - copying:+5.1f}" for name, jf in rows.items()]
    return "\n".join(lines)


def write_overlay_video(sequence: VideoSequence, masks: Path, path: Path) -> None:
    """An MP4 of the sequence with predicted masks, named as its frames are, drawn over it."""
    with VideoWriter(path, frame_rate=_FRAME_RATE) as video:
        for frame in sequence.frames:
            labels = read_labels(masks / f"{frame.stem}.png")
            video.write(overlay(read_image(frame), labels))


def write_sheet(
    model: RANet, sequence: VideoSequence, masks: Path, size: tuple[int, int], path: Path
) -> None:
    """A contact sheet: frames, the map of one template position per object, truth, prediction.

    Args:
        model: in evaluation mode, on the CPU.
        sequence: annotated in every frame.
        masks: folder of predictions.
        size: (height, width) the network sees of a frame.
        path: of the PNG.
    """
    numbers = np.linspace(0, len(sequence.frames) - 1, _SHEET_FRAMES).round().astype(int)
    frames = [read_image(sequence.frames[n]) for n in numbers]
    truth = [read_labels(sequence.annotations[n]) for n in numbers]
    predicted = [read_labels(masks / f"{sequence.frames[n].stem}.png") for n in numbers]
    captions = [f"frame {n}" for n in numbers]
    rows = [
        SheetRow(f"{sequence.name}: frames", frames, captions),
        *_similarity_rows(model, frames, truth[0], size),
        SheetRow("truth", list(map(overlay, frames, truth))),
        SheetRow("prediction", list(map(overlay, frames, predicted))),
    ]
    write_image(path, contact_sheet(rows))


def _similarity_rows(
    model: RANet, frames: list[np.ndarray], labels: np.ndarray, size: tuple[int, int]
) -> Iterator[SheetRow]:
    """For each object, the similarity map of its most central template position in every frame."""
    images = [_as_input(frame, size) for frame in frames]
    masks = one_hot_masks(torch.from_numpy(labels)[None], int(labels.max()))
    with torch.inference_mode():
        template = model.encode_template(images[0], masks)
        maps = [
            correlate(template.embedding, model.encode_frame(i).embedding)[0].numpy()
            for i in images
        ]
    for k, mask in enumerate(template.masks[0].numpy(), start=1):
        smooth = cv2.GaussianBlur(mask, (3, 3), 0)
        position = int(smooth.argmax())
        row, column = divmod(position, mask.shape[1])
        yield SheetRow(
            f"object {k}: similarity to template position ({row}, {column})",
            [similarity_colours(m[position]) for m in maps],
        )


def _as_input(frame: np.ndarray, size: tuple[int, int]) -> Tensor:
    """H×W×3 uint8 → 1×3×(size) in [0, 1]."""
    resized = cv2.resize(frame, size[::-1], interpolation=cv2.INTER_AREA)
    return torch.from_numpy(resized).permute(2, 0, 1)[None].float() / 255


@contextmanager
def _timed(what: str) -> Iterator[None]:
    _logger.info("%s …", what)
    start = time.perf_counter()
    yield
    _logger.info("%s: %.0f s", what, time.perf_counter() - start)
