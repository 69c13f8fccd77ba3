import numpy as np

from ranet.palette import PALETTE
from ranet.structures import TrainingSample
from ranet.visual.sample_sheet import sample_sheet

HEIGHT, WIDTH = 40, 60


def square(top, left, label):
    labels = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    labels[top : top + 12, left : left + 12] = label
    return labels


def sample(name="bear: template 1"):
    grey = np.full((HEIGHT, WIDTH, 3), 120, dtype=np.uint8)
    return TrainingSample(
        template_image=grey,
        template_labels=square(5, 5, 1),
        current_image=grey,
        current_labels=square(20, 30, 2),
        previous_labels=square(8, 40, 3),
        objects=3,
        name=name,
    )


def has_colour(panel, label):
    return (panel == PALETTE[label]).all(axis=-1).any()


def test_a_row_a_sample_and_a_panel_each_map():
    one, two = sample_sheet([sample()]), sample_sheet([sample(), sample()])
    assert one.dtype == np.uint8
    assert two.shape == (2 * one.shape[0], one.shape[1], 3)
    panels = np.array_split(one[20:60], 4, axis=1)
    found = [[has_colour(panel, label) for label in (1, 2, 3)] for panel in panels]
    assert found == [
        [True, False, False],
        [False, False, False],
        [False, False, True],
        [False, True, False],
    ]


def test_samples_are_not_drawn_into():
    shown = sample()
    sample_sheet([shown])
    assert (shown.template_image == 120).all()
    assert (shown.current_image == 120).all()


def test_the_name_is_above_the_row():
    assert not np.array_equal(sample_sheet([sample("a")])[:20], sample_sheet([sample("b")])[:20])
