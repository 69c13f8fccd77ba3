import numpy as np
import pytest

from ranet.config import ColourConfig
from ranet.datasets.colour import change_colours, colour_map, random_colour_map

IMAGE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def test_no_change_changes_no_bit():
    np.testing.assert_array_equal(change_colours(IMAGE, colour_map()), IMAGE)


def test_no_jitter_changes_no_bit():
    still = ColourConfig(brightness=0, contrast=0, saturation=0, hue=0)
    drawn = random_colour_map(np.random.default_rng(0), still)
    np.testing.assert_array_equal(change_colours(IMAGE, drawn), IMAGE)


def test_brightness_is_added_and_clipped():
    brighter = change_colours(IMAGE, colour_map(brightness=0.2))
    np.testing.assert_array_equal(brighter, np.minimum(IMAGE.astype(int) + 51, 255))


def test_contrast_is_about_middle_grey():
    expected = np.rint(127.5 + 0.5 * (IMAGE - 127.5))
    seen = change_colours(IMAGE, colour_map(contrast=0.5)).astype(int)
    assert np.abs(seen - expected).max() <= 1  # halves may be rounded either way


def test_without_saturation_all_is_grey_of_the_same_luma():
    grey = change_colours(IMAGE, colour_map(saturation=0)).astype(int)
    assert np.ptp(grey, axis=-1).max() == 0
    assert np.abs(grey[..., 0] - IMAGE @ [0.299, 0.587, 0.114]).max() < 0.6


def test_a_third_of_a_turn_permutes_the_colours():
    permuted = change_colours(IMAGE, colour_map(hue=120))
    np.testing.assert_array_equal(permuted, np.roll(IMAGE, 1, axis=-1))


def test_greys_have_no_hue():
    grey = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, axis=2)
    np.testing.assert_array_equal(change_colours(grey, colour_map(hue=50, saturation=1.5)), grey)


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue"])
def test_each_property_is_jittered_by_its_own_field(name):
    none = {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0}
    drawn = random_colour_map(np.random.default_rng(0), ColourConfig(**{**none, name: 0.5}))
    assert np.abs(drawn - colour_map()).max() > 1e-3
