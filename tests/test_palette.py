import numpy as np
import pytest
from PIL import Image

from ranet.palette import PALETTE


def test_the_first_colours_are_those_of_every_davis_mask():
    assert PALETTE[:9].tolist() == [
        [0, 0, 0],
        [128, 0, 0],
        [0, 128, 0],
        [128, 128, 0],
        [0, 0, 128],
        [128, 0, 128],
        [0, 128, 128],
        [128, 128, 128],
        [64, 0, 0],
    ]
    assert PALETTE[255].tolist() == [224, 224, 192]


def test_all_colours_differ():
    assert PALETTE.shape == (256, 3)
    assert PALETTE.dtype == np.uint8
    assert len({tuple(colour) for colour in PALETTE.tolist()}) == 256


def test_each_colour_spells_its_label():
    """Bits 0, 3, 6 of the label are the upper bits of red, 1, 4, 7 of green, 2, 5 of blue."""
    for label, colour in enumerate(PALETTE.tolist()):
        bits = [(colour[bit % 3] >> (7 - bit // 3)) & 1 for bit in range(8)]
        assert sum(bit << position for position, bit in enumerate(bits)) == label


def test_nobody_can_change_it():
    with pytest.raises(ValueError, match="read-only"):
        PALETTE[0] = 1


def test_a_real_mask_has_this_palette(shared_data):
    masks = shared_data / "DAVIS2017-240p" / "Annotations" / "240p" / "dogs-jump"
    with Image.open(masks / "00000.png") as mask:
        assert mask.getpalette() == PALETTE.ravel().tolist()
