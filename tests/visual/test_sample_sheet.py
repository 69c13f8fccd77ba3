from dataclasses import replace

import numpy as np

from ranet.structures import TrainingSample
from ranet.visual.overlay import overlay
from ranet.visual.sample_sheet import sample_sheet

WIDTH = 280  # of a picture on a sheet: nothing is resized, so colours stay as they are
HEIGHT = 160


def square(top, left, label):
    labels = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    labels[top : top + 50, left : left + 50] = label
    return labels


def sample(frames=1):
    grey = np.full((HEIGHT, WIDTH, 3), 120, dtype=np.uint8)
    return TrainingSample(
        template_image=grey,
        template_labels=square(5, 5, 1),
        current_image=grey[None].repeat(frames, axis=0),
        current_labels=np.stack([square(20, 30 + 20 * t, 2 + t) for t in range(frames)]),
        previous_labels=square(8, 40, 3),
        objects=3,
        name="bear: template 1",
    )


def contour_colour(label):
    image = np.full((60, 60, 3), 120, np.uint8)
    return overlay(image, square(5, 5, label)[:60, :60], alpha=0, contour=2)[5, 20]


def holds(panel, label):
    return (panel == contour_colour(label)).all(axis=-1).any()


def test_each_panel_shows_its_own_labels():
    page = sample_sheet([sample()])
    panels = np.array_split(page, 4, axis=1)
    assert [[holds(panel, label) for label in (1, 2, 3)] for panel in panels] == [
        [True, False, False],
        [False, False, False],
        [False, False, True],
        [False, True, False],
    ]


def test_a_clip_shows_the_truth_of_its_further_frames():
    panels = np.array_split(sample_sheet([sample(frames=3)]), 6, axis=1)
    assert [[holds(panel, label) for label in (2, 3, 4)] for panel in panels[3:]] == [
        [True, False, False],
        [False, True, False],
        [False, False, True],
    ]


def test_a_row_a_sample():
    one, two = sample_sheet([sample()]), sample_sheet([sample(), sample()])
    assert two.shape == (2 * one.shape[0], one.shape[1], 3)


def test_samples_are_not_drawn_into():
    shown = sample()
    sample_sheet([shown])
    assert (shown.template_image == 120).all()
    assert (shown.current_image == 120).all()


def test_the_name_is_written():
    assert not np.array_equal(sample_sheet([sample()]), sample_sheet([replace(sample(), name="b")]))
