import numpy as np
import pytest

from ranet.visual.contact_sheet import SheetRow, contact_sheet, similarity_colours


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


def test_titles_and_captions_are_written():
    def dark_pixels(title, captions):
        page = contact_sheet([SheetRow(title, [plain((255, 255, 255))], captions)])
        return (page.max(axis=2) < 128).sum()

    nothing = dark_pixels("", [])
    assert nothing == 0
    assert dark_pixels("a title", []) > 20
    assert dark_pixels("", ["a caption"]) > 20
    assert dark_pixels("–×é", []) > 20


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
