"""How the masks of known data sets are read: saliency and coloured instances."""

import numpy as np
import pytest
from PIL import Image

from ranet.datasets.image_io import read_instances, read_saliency
from ranet.errors import DataError
from ranet.palette import PALETTE

RED, GREEN, BLUE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)


def saved(path, image):
    image.save(path)
    return path


def blocks(*values, side=3):
    """Squares of these colours, or ids, side by side."""
    return np.array([values], np.uint8).repeat(side, axis=0).repeat(side, axis=1)


GREY, SALIENT = blocks(0, 127, 128, 255), blocks(0, 0, 1, 1)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_what_is_at_least_half_white_is_salient(tmp_path, mode):
    labels = read_saliency(saved(tmp_path / "m.png", Image.fromarray(GREY).convert(mode)))
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, SALIENT)


def test_saliency_of_one_bit_and_indexed_masks(tmp_path):
    one_bit = Image.fromarray(SALIENT * 255).convert("1")
    np.testing.assert_array_equal(read_saliency(saved(tmp_path / "1.png", one_bit)), SALIENT)
    indexed = Image.fromarray(SALIENT)
    indexed.putpalette([0, 0, 0, 255, 255, 255])
    np.testing.assert_array_equal(read_saliency(saved(tmp_path / "p.png", indexed)), SALIENT)


def test_colours_are_objects_in_the_order_of_their_codes(tmp_path):
    pixels = blocks(RED, BLACK, BLUE, GREEN)
    for image in (Image.fromarray(pixels), Image.fromarray(pixels).convert("RGBA")):
        labels = read_instances(saved(tmp_path / "m.png", image))
        assert labels.dtype == np.uint8
        np.testing.assert_array_equal(labels, blocks(3, 0, 1, 2))


def test_the_davis_palette_is_no_exception(tmp_path):
    first, second = tuple(PALETTE[1]), tuple(PALETTE[2])  # dark red and green
    labels = read_instances(saved(tmp_path / "m.png", Image.fromarray(blocks(first, second))))
    np.testing.assert_array_equal(labels, blocks(2, 1))


def test_colours_along_smoothed_edges_are_void(tmp_path):
    pixels = blocks(RED, BLACK, GREEN)
    pixels[:, 3] = (100, 0, 0)  # a line one pixel wide
    pixels[0, 0] = (1, 2, 3)
    expected = blocks(2, 0, 1)
    expected[:, 3] = expected[0, 0] = 255
    labels = read_instances(saved(tmp_path / "m.png", Image.fromarray(pixels)))
    np.testing.assert_array_equal(labels, expected)


def test_a_coloured_mask_without_objects(tmp_path):
    labels = read_instances(saved(tmp_path / "m.png", Image.fromarray(blocks(BLACK))))
    assert not labels.any()


def test_indexed_and_grey_instances_are_their_values(tmp_path):
    ids = blocks(0, 2, 7, 255)
    indexed = Image.fromarray(ids)
    indexed.putpalette(PALETTE.tobytes())
    for image in (indexed, Image.fromarray(ids)):
        np.testing.assert_array_equal(read_instances(saved(tmp_path / "m.png", image)), ids)


def test_a_photograph_is_no_mask_of_instances(tmp_path):
    many = np.arange(1, 301, dtype=np.uint32)
    colours = np.stack([many >> 8, many & 255, many * 0 + 9], axis=-1).astype(np.uint8)
    path = saved(tmp_path / "m.png", Image.fromarray(blocks(*colours, side=2)))
    with pytest.raises(DataError, match=r"254.*300"):
        read_instances(path)
