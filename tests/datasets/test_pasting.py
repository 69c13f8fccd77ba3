import numpy as np
import pytest
from training_data import HEIGHT, WIDTH, textured, two_objects

from ranet.datasets.pasting import cover, paste_beside, paste_over, place_anywhere, scaled
from ranet.datasets.views import Frame

RED, BLUE = (np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8) for _ in range(2))
RED[..., 0] = 255
BLUE[..., 2] = 255


def test_objects_over_another_background():
    frame = paste_over(Frame(RED, two_objects()), BLUE, feather=0)
    inside = two_objects() > 0
    assert (frame.image[inside] == RED[0, 0]).all()
    assert (frame.image[~inside] == BLUE[0, 0]).all()
    np.testing.assert_array_equal(frame.labels, two_objects())


def test_a_feathered_edge_is_soft_and_the_rest_is_not():
    image = paste_over(Frame(RED, two_objects()), BLUE, feather=1.0).image
    row = image[16, :, 0]  # through the square of columns 10…21
    assert row[16] == 255
    assert row[2] == 0
    assert 20 < row[9] < 128 < row[10] < 235


@pytest.mark.parametrize("shape", [(20, 100), (100, 20), (300, 500), (5, 7)])
def test_covering_keeps_proportions_and_the_middle(shape):
    image = np.zeros((*shape, 3), dtype=np.uint8)
    image[shape[0] // 2 :, :, 0] = 255
    image[:, shape[1] // 2 :, 1] = 255
    covered = cover(image, (40, 60))
    assert covered.shape == (40, 60, 3)
    assert covered[2, 2, 0] == covered[2, 2, 1] == 0
    assert (covered[-3, -3, :2] == 255).all()


@pytest.mark.parametrize("seed", range(8))
def test_a_distractor_is_background(seed):
    other_labels = np.zeros((60, 60), dtype=np.uint8)
    other_labels[20:40, 20:40] = 4
    other_labels[0:3, 0:3] = 5  # smaller: not this one
    other_image = np.zeros((60, 60, 3), dtype=np.uint8)
    other_image[other_labels == 4] = (0, 255, 0)
    before = Frame(RED, two_objects())
    after = paste_beside(
        before, Frame(other_image, other_labels), np.random.default_rng(seed), feather=0
    )
    green = after.image[..., 1] > 127
    hidden = (before.labels > 0) & (after.labels == 0)
    assert set(np.unique(after.labels)) <= {0, 3, 7}
    assert not (after.labels[green] > 0).any()
    np.testing.assert_array_equal(after.labels[~hidden], before.labels[~hidden])
    assert (green[hidden]).mean() > 0.9 if hidden.any() else True
    assert green.any()
    assert after.distractors[green].all()
    assert np.count_nonzero(after.distractors) <= np.count_nonzero(green) + 4  # softened corners
    assert set(np.unique(after.instances)) <= {0, 1, 3, 7}


def pasted_squares(count):
    everything = np.ones((60, 60), dtype=np.uint8)
    rng = np.random.default_rng(0)
    other = Frame(textured(1)[:40, :40], everything[:40, :40])
    return [paste_beside(Frame(RED, two_objects()), other, rng, feather=0) for _ in range(count)]


def test_distractors_are_before_and_behind_and_as_large_as_the_largest_object():
    after = pasted_squares(60)
    hides = [np.count_nonzero(two_objects()) - np.count_nonzero(f.labels) for f in after]
    assert 5 < sum(count > 0 for count in hides) < 40
    added = max(np.count_nonzero((f.image != RED).any(axis=-1)) for f in after)
    assert added == pytest.approx(8 * 20, rel=0.1)


def test_a_distractor_leaves_at_least_half_of_each_object():
    before = np.bincount(two_objects().ravel(), minlength=8)
    least = np.full(8, np.inf)
    for frame in pasted_squares(200):
        left = np.bincount(frame.labels.ravel(), minlength=8)
        least = np.minimum(least, left / np.maximum(before, 1))
    assert 0.5 <= least[3] < 0.8
    assert 0.5 <= least[7] < 0.8


def test_a_look_alike_of_several_objects_has_the_size_of_the_one():
    labels = two_objects()
    painted = Frame(np.where(labels[..., None] == 7, np.uint8(255), RED), labels)
    rng = np.random.default_rng(3)
    for _ in range(10):
        after = paste_beside(Frame(RED, labels), painted, rng, feather=0)
        assert np.count_nonzero(after.image[..., 1] > 127) <= 8 * 20 + 8


def test_an_added_object_has_its_label_and_size():
    everything = np.ones((60, 60), dtype=np.uint8)
    green = np.zeros((60, 60, 3), dtype=np.uint8)
    green[..., 1] = 255
    rng = np.random.default_rng(0)
    areas = []
    for _ in range(40):
        before = Frame(RED, two_objects())
        after = paste_beside(before, Frame(green, everything), rng, feather=0, label=9, size=0.5)
        np.testing.assert_array_equal(after.labels == 9, after.image[..., 1] == 255)
        others = after.labels != 9
        np.testing.assert_array_equal(after.labels[others], before.labels[others])
        areas.append(np.count_nonzero(after.labels == 9))
    assert max(areas) == pytest.approx(8 * 20 / 4, rel=0.25)


def test_smaller_objects_lie_anywhere_in_the_frame():
    labels = np.zeros((40, 60), dtype=np.uint8)
    labels[:, 4:50] = 3
    labels[10:20, 10:20] = 7
    frame = Frame(np.where(labels[..., None] == 7, np.uint8(255), RED[:1, :1]), labels)
    half = scaled(frame, 0.5)
    assert half.labels.shape == (20, 30)
    assert np.count_nonzero(half.labels == 7) == 25
    rng = np.random.default_rng(0)
    tops = set()
    for _ in range(30):
        placed = place_anywhere(half, (40, 60), rng)
        assert np.count_nonzero(placed.labels == 3) == 20 * 23 - 25  # nothing is cut off
        assert (placed.image[placed.labels == 7] > 200).all()
        tops.add(int(np.flatnonzero(placed.labels.any(axis=1))[0]))
    assert min(tops) < 3
    assert max(tops) > 17
    whole = place_anywhere(frame, (40, 60), rng)
    assert np.count_nonzero(whole.labels == 3) == np.count_nonzero(labels == 3)
