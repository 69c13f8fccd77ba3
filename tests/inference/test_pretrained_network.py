"""The networks that come with the project follow objects."""

from pathlib import Path

import numpy as np
import pytest

from ranet import VideoSegmenter, load_pretrained
from ranet.config import InferenceConfig
from ranet.datasets.image_io import read_image, read_labels
from ranet.datasets.index import index_davis
from ranet.datasets.synthetic import write_synthetic_davis
from ranet.metrics import jaccard


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ranet-small", "dmvos-small"])
def test_it_is_better_than_copying_on_drawn_videos(tmp_path: Path, name: str) -> None:
    write_synthetic_davis(
        tmp_path, train=1, val=3, frames=7, size=(120, 216), seed=3, max_objects=1, clutter=0.4
    )
    config = InferenceConfig(input_size=(128, 224), frame_size=None, device="cpu")
    segmenter = VideoSegmenter(load_pretrained(name), config)
    ours, copied = [], []
    for video in index_davis(tmp_path, year=2016, split="val"):
        truth = [read_labels(mask) > 0 for mask in video.annotations]
        segmenter.start(read_image(video.frames[0]), truth[0].astype(np.uint8))
        masks = [segmenter.step(read_image(frame)) > 0 for frame in video.frames[1:]]
        ours.append(jaccard(masks[-1], truth[-1]))
        copied.append(jaccard(truth[0], truth[-1]))
    assert np.mean(ours) > np.mean(copied) + 0.2


@pytest.mark.slow
def test_half_precision_gives_its_masks_of_a_real_video(shared_data: Path) -> None:
    """Intersection over union with the masks of float32, of two frames at 192×352."""
    folder = shared_data / "video_train"
    frames = sorted((folder / "JPEGImages").glob("*/bear/*.jpg"))[:3]
    labels = read_labels(next((folder / "Annotations").glob("*/bear/00000.png"))).clip(0, 1)
    masks = {}
    for dtype in ("float32", "bfloat16"):
        segmenter = VideoSegmenter(
            load_pretrained("ranet-small"),
            InferenceConfig(input_size=(192, 352), dtype=dtype, device="cpu"),
        )
        segmenter.start(read_image(frames[0]), labels)
        masks[dtype] = [segmenter.step(read_image(frame)) > 0 for frame in frames[1:]]
    agreement = [jaccard(*pair) for pair in zip(*masks.values(), strict=True)]
    assert np.mean(agreement) >= 0.98
    assert min(agreement) >= 0.97
