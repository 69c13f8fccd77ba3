import numpy as np
import pytest

from ranet.benchmark.drawn_videos import draw_sample, draw_video


@pytest.mark.parametrize("objects", [1, 2, 5, 10])
def test_all_objects_are_in_sight_and_move(objects):
    frames, labels = draw_video((96, 160), objects=objects, frames=3)
    assert [(frame.shape, frame.dtype) for frame in frames] == [((96, 160, 3), np.uint8)] * 3
    assert np.unique(labels).tolist() == list(range(objects + 1))
    assert not np.array_equal(frames[0], frames[1])


def test_a_sample_follows_its_objects():
    sample = draw_sample((64, 96), objects=2, length=3)
    assert sample.current_image.shape == (3, 64, 96, 3)
    assert sample.current_labels.shape == (3, 64, 96)
    assert not np.array_equal(sample.template_labels, sample.current_labels[0])
    assert np.array_equal(sample.template_labels, sample.previous_labels)
    assert np.unique(sample.current_labels[2]).tolist() == [0, 1, 2]
