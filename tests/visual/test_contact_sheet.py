import sys
from dataclasses import replace

import numpy as np
import pytest

from ranet.structures import TrainingSample
from ranet.visual.contact_sheet import SheetRow, contact_sheet, sample_sheet, similarity_colours
from ranet.visual.overlay import overlay


def plain(colour, size=(30, 40)):
    return np.full((*size, 3), colour, np.uint8)


def holds(page, colour):
    return (page == colour).all(axis=2)


def test_pictures_lie_side_by_side_and_rows_below_each_other():
    red, green, blue = (200, 0, 0), (0, 200, 0), (0, 0, 200)
    page = contact_sheet(
        [SheetRow("above", [plain(red), plain(green)]), SheetRow("below", [plain(blue)])],
        image_width=80,
    )
    areas = {
        name: np.argwhere(holds(page, c)) for name, c in zip("rgb", (red, green, blue), strict=True)
    }
    for area in areas.values():
        height, width = area.max(axis=0) - area.min(axis=0) + 1
        assert (height, width) == (60, 80)  # the aspect is kept
    assert areas["r"].max(axis=0)[1] < areas["g"].min(axis=0)[1]
    assert areas["r"].min(axis=0)[0] == areas["g"].min(axis=0)[0]
    assert areas["r"].max(axis=0)[0] < areas["b"].min(axis=0)[0]


@pytest.mark.parametrize("with_matplotlib", [True, False])  # whose font is used if it is there
def test_titles_and_captions_are_written(with_matplotlib, monkeypatch):
    if not with_matplotlib:
        monkeypatch.setitem(sys.modules, "matplotlib", None)

    def dark_pixels(title, captions):
        page = contact_sheet([SheetRow(title, [plain((255, 255, 255))], captions)])
        return (page.max(axis=2) < 128).sum()

    assert dark_pixels("", []) == 0
    assert dark_pixels("a title", []) > 20
    assert dark_pixels("–×é", ["a caption"]) > dark_pixels("", ["a caption"]) > 20


def test_sizes_and_grey_pictures_may_be_mixed():
    grey = np.full((10, 500), 90, np.uint8)
    page = contact_sheet([SheetRow("", [plain((1, 2, 3), (500, 20)), grey])], image_width=50)
    assert page.dtype == np.uint8
    assert holds(page, (90, 90, 90)).sum() == 50
    assert holds(page, (1, 2, 3)).sum() == 50 * 1250


def test_small_maps_keep_their_cells():
    cells = np.zeros((2, 2, 3), np.uint8)
    cells[0, 0] = cells[1, 1] = 250
    page = contact_sheet([SheetRow("", [cells])], image_width=100)
    assert holds(page, (250, 250, 250)).sum() == holds(page, (0, 0, 0)).sum() == 5000


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "needs rows"),
        ([SheetRow("empty", [])], "needs rows, and each row images"),
        ([SheetRow("odd", [plain(1)], ["one", "two"])], "'odd' has 1 images and 2 captions"),
    ],
)
def test_a_sheet_without_pictures_is_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        contact_sheet(rows)


def test_similarities_run_from_dark_to_bright():
    colours = similarity_colours(np.array([[0.1, 0.5, 0.9]]))
    assert colours.shape == (1, 3, 3)
    brightness = colours.sum(axis=2)[0].astype(int)
    assert (np.diff(brightness) > 0).all()
    assert colours[0, 0, 2] > colours[0, 0, 0]  # dark blue: RGB, not BGR
    assert colours[0, 2, 0] > colours[0, 2, 2]  # yellow


def test_a_given_scale_makes_maps_comparable_and_clips():
    maps = np.array([[0.2, 0.8]])
    narrow = similarity_colours(maps, low=0.4, high=0.6)
    assert (narrow == similarity_colours(np.array([[0.4, 0.6]]))).all()
    assert (similarity_colours(maps) != similarity_colours(maps, low=0, high=1)).any()


def test_a_flat_map_has_one_colour():
    assert len(np.unique(similarity_colours(np.full((3, 4), 0.7)).reshape(-1, 3), axis=0)) == 1


WIDTH, HEIGHT = 280, 160  # of a picture on a sheet: nothing is resized, so colours stay as they are


def square(top, left, label):
    labels = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    labels[top : top + 50, left : left + 50] = label
    return labels


def sample(frames):
    grey = np.full((HEIGHT, WIDTH, 3), 120, dtype=np.uint8)
    return TrainingSample(
        template_image=grey,
        template_labels=square(5, 5, 1),
        current_image=grey[None].repeat(frames, axis=0),
        current_labels=np.stack([square(20, 30 + 20 * t, 2 + t) for t in range(frames)]),
        previous_labels=square(8, 40, 3),
        crop_jitter=np.zeros((frames, 4), np.float32),
        objects=3,
        name="bear: template 1",
    )


def test_each_picture_of_a_sample_shows_its_own_labels():
    shown = sample(frames=3)
    pictures = np.array_split(sample_sheet([shown]), 6, axis=1)
    grey, labels = np.full((60, 60, 3), 120, np.uint8), square(5, 5, 1)[:60, :60]
    colours = [overlay(grey, labels * n, alpha=0, contour=2)[5, 20] for n in (1, 2, 3, 4)]
    assert [[bool(holds(picture, c).any()) for c in colours] for picture in pictures] == [
        [True, False, False, False],  # template
        [False, False, False, False],  # current frame
        [False, False, True, False],  # previous mask
        [False, True, False, False],  # truth
        [False, False, True, False],
        [False, False, False, True],
    ]
    assert (shown.template_image == 120).all()
    assert (shown.current_image == 120).all()


def test_a_sample_has_a_row_with_its_name():
    one, two = sample_sheet([sample(1)]), sample_sheet([sample(1), sample(1)])
    assert two.shape == (2 * one.shape[0], one.shape[1], 3)
    assert not np.array_equal(one, sample_sheet([replace(sample(1), name="b")]))
