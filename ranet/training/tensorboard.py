"""What TensorBoard shows of a run: figures, pictures of a batch, what its method would show.

TensorBoard is the optional extra ``ranet[tensorboard]``.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ranet.files import make_folder
from ranet.methods.base import Prediction, VOSMethod
from ranet.methods.crops import crop_resize
from ranet.structures import TrainingBatch, add_background
from ranet.training.losses import labels_seen
from ranet.visual.contact_sheet import SheetRow, contact_sheet
from ranet.visual.overlay import overlay

_logger = logging.getLogger(__name__)

_SAMPLES = 4  # of a batch that are drawn


class TensorBoard:
    """Writes event files; ``tensorboard --logdir`` on the run's folder shows them.

    Where TensorBoard is not installed, that is said once in the log, and nothing is written.

    Args:
        folder: of the event files.
        first_step: steps done before; what an earlier attempt wrote of later ones is hidden.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            _logger.info(
                "curves are in log.jsonl alone: for TensorBoard, `pip install -e '.[tensorboard]'`"
            )
            self._writer = None
            return
        self._writer = SummaryWriter(str(make_folder(folder)), purge_step=first_step + 1)

    def figures(self, step: int, figures: Mapping[str, float], group: str) -> None:
        """Curves, one a name, side by side with those of the same group."""
        if self._writer is None:
            return
        for name, value in figures.items():
            self._writer.add_scalar(f"{group}/{name}", value, step)
        self._writer.flush()

    @torch.no_grad()
    def pictures(self, step: int, model: VOSMethod, batch: TrainingBatch) -> None:
        """Samples with what the network makes of them, and the figures of its method.

        Args:
            step: steps done.
            model: on any device; nothing is learned.
            batch: on any device.
        """
        if self._writer is None:
            return
        part = batch.split(len(batch.names))[:_SAMPLES]
        device = next(model.parameters()).device
        rows = [self._row(model, sample.to(device)) for sample in part]
        self._writer.add_image("samples", contact_sheet(rows), step, dataformats="HWC")
        shown = part[0].to(device)
        for name, values in model.figures(shown.clip(shown.object_count)).items():
            self._writer.add_histogram(name, values, step)
        self._writer.flush()

    def close(self) -> None:
        """Write what is left and close the files."""
        if self._writer is not None:
            self._writer.close()

    @staticmethod
    def _row(model: VOSMethod, sample: TrainingBatch) -> SheetRow:
        """Template, current frame, previous mask, prediction and truth of the first frame."""
        objects = sample.object_count
        clip = sample.clip(objects).first_frame()
        prediction = model.forward(clip)  # not as compiled
        predicted = add_background(prediction.logits[:, 0], sample.objects).argmax(dim=1).byte()
        current, previous = sample.current_image[:, :1], sample.previous_labels
        truth = labels_seen(prediction, sample.current_labels[:, :1])[0, 0]
        previous = labels_seen(prediction, previous[:, None])[0, 0]
        current = _seen(prediction, current)[0]
        template = _pixels(sample.template_image[0])
        pictures = [
            overlay(template, sample.template_labels[0].cpu().numpy()),
            current,
            overlay(current // 3, previous.cpu().numpy()),
            overlay(current, predicted[0].cpu().numpy()),
            overlay(current, truth.cpu().numpy()),
        ]
        captions = ("template", "current frame", "previous mask", "prediction", "truth")
        return SheetRow(sample.names[0], pictures, captions)


def _seen(prediction: Prediction, images: Tensor) -> list[np.ndarray]:
    """The part of the first of images B×T×3×H×W uint8 that the network saw: B of h×w×3."""
    boxes, first = prediction.aux.get("boxes"), images[:, 0]
    if boxes is not None:
        size = (prediction.logits.shape[-2], prediction.logits.shape[-1])
        first = crop_resize(first.float(), boxes[:, 0], size).round().byte()
    return [_pixels(image) for image in first]


def _pixels(image: Tensor) -> np.ndarray:
    """3×H×W uint8 → H×W×3."""
    return image.permute(1, 2, 0).cpu().numpy()
