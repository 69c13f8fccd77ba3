import numpy as np
import pytest

from ranet.palette import PALETTE
from ranet.visual.overlay import contour_pixels, cut_out, overlay


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)


def labels_with(label, size=(60, 80)):
    labels = np.zeros(size, np.uint8)
    labels[10:40, 20:60] = label
    return labels


def test_objects_are_tinted_in_their_davis_colour_and_nothing_else(image):
    labels, before = labels_with(2), image.copy()
    drawn = overlay(image, labels, alpha=0.5, contour=1)
    inside = (slice(12, 38), slice(22, 58))
    expected = 0.5 * image[inside] + 0.5 * PALETTE[2]
    np.testing.assert_allclose(drawn[inside], expected, atol=1)
    assert drawn.dtype == np.uint8
    assert (drawn[labels == 0] == image[labels == 0]).all()
    assert (overlay(image, labels, alpha=1, contour=0)[inside] == PALETTE[2]).all()
    assert (overlay(image, labels, alpha=0, contour=0) == image).all()
    assert (image == before).all()


def test_the_contour_is_inside_the_object_and_as_wide_as_asked(image):
    labels = labels_with(1)
    for width in (1, 3):
        changed = (overlay(image, labels, alpha=0, contour=width) != image).any(axis=2)
        ring = labels > 0
        ring[10 + width : 40 - width, 20 + width : 60 - width] = False
        assert (changed == ring).all()


def test_contours_part_touching_objects_but_not_the_border_of_the_image():
    labels = np.ones((20, 30), np.uint8)
    labels[:, 15:] = 2
    edge = contour_pixels(labels, 1)
    assert edge[:, 14:16].all()
    assert edge.sum() == 40


def test_a_contour_grows_with_the_image():
    small = overlay(np.zeros((60, 80, 3), np.uint8), labels_with(1), alpha=0)
    large_labels = labels_with(1).repeat(20, axis=0).repeat(20, axis=1)
    large = overlay(np.zeros((1200, 1600, 3), np.uint8), large_labels, alpha=0)
    assert (small[25, 20:22].any(axis=1) == [True, False]).all()
    assert (large[500, 404:406].any(axis=1) == [True, False]).all()


def test_every_label_can_be_drawn(image):
    labels = np.zeros((60, 80), np.uint8)
    labels.ravel()[:256] = np.arange(256)
    assert overlay(image, labels).shape == image.shape


def test_what_is_cut_out_is_the_objects_and_nothing_else():
    image = np.full((4, 5, 3), (200, 100, 50), np.uint8)
    labels = np.zeros((4, 5), np.uint8)
    labels[1:3, 2] = 1
    labels[3, 4] = 9
    cut = cut_out(image, labels)
    assert (cut.shape, cut.dtype) == ((4, 5, 4), np.uint8)
    assert (cut[labels > 0] == (200, 100, 50, 255)).all()
    assert (cut[labels == 0] == 0).all()  # not only unseen: gone
    assert (image == (200, 100, 50)).all()
