"""What TensorBoard shows of a run: figures, pictures of a batch, the scores of the ranking.

TensorBoard is the optional extra ``ranet[tensorboard]``.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ranet.files import make_folder
from ranet.methods.ranet.correlation import correlate
from ranet.methods.ranet.network import RANet
from ranet.methods.ranet.ranking_attention import RankingAttentionModule
from ranet.structures import TrainingBatch, one_hot_masks
from ranet.training.losses import with_background
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
    def pictures(self, step: int, model: RANet, batch: TrainingBatch) -> None:
        """Samples with what the network makes of them, and its ranking scores.

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
        scores = ranking_scores(model, part[0].to(device))
        if scores is not None:
            self._writer.add_histogram("ranking scores", scores, step)
        self._writer.flush()

    def close(self) -> None:
        """Write what is left and close the files."""
        if self._writer is not None:
            self._writer.close()

    @staticmethod
    def _row(model: RANet, sample: TrainingBatch) -> SheetRow:
        """Template, current frame, previous mask, prediction and truth of the first frame."""
        objects = sample.object_count
        logits = model(
            sample.template_image.float() / 255,
            one_hot_masks(sample.template_labels, objects),
            sample.current_image[:, 0].float() / 255,
            one_hot_masks(sample.previous_labels, objects),
        )
        predicted = with_background(logits, sample.objects).argmax(dim=1).byte()
        template, current = _pixels(sample.template_image[0]), _pixels(sample.current_image[0, 0])
        pictures = [
            overlay(template, sample.template_labels[0].cpu().numpy()),
            current,
            overlay(current // 3, sample.previous_labels[0].cpu().numpy()),
            overlay(current, predicted[0].cpu().numpy()),
            overlay(current, sample.current_labels[0, 0].cpu().numpy()),
        ]
        captions = ("template", "current frame", "previous mask", "prediction", "truth")
        return SheetRow(sample.names[0], pictures, captions)


def ranking_scores(model: RANet, sample: TrainingBatch) -> Tensor | None:
    """Scores r_j of all maps that have a weight in some region; None for a model without them.

    Args:
        model: on the sample's device.
        sample: a batch of one.
    """
    if not isinstance(model.ranking, RankingAttentionModule):
        return None
    masks = one_hot_masks(sample.template_labels, sample.object_count)
    template = model.encode_template(sample.template_image.float() / 255, masks)
    frame = model.encode_frame(sample.current_image[:, 0].float() / 255)
    regions = model.ranking.make_regions(template.masks.flatten(2))
    scores = model.ranking.score(correlate(template.embedding, frame.embedding), regions)
    return scores[regions.weights > 0]


def _pixels(image: Tensor) -> np.ndarray:
    """3×H×W uint8 → H×W×3."""
    return image.permute(1, 2, 0).cpu().numpy()
