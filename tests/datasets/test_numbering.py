import pytest

from ranet.datasets.numbering import (
    are_decimals,
    holes,
    masks_among,
    natural_key,
    numbers_of,
    odd_ones,
    skipped_numbers,
)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([], []),
        ([4], []),
        ([0, 7], []),
        ([0, 1, 2], []),
        ([0, 5, 10, 15], []),
        ([0, 1, 3, 4, 7], [range(2, 3), range(5, 7)]),
        ([0, 5, 10, 20], [range(15, 20, 5)]),
        ([3, 8, 90, 1000], []),  # numbers without a step
        ([1, 1, 1], []),
        ([0, 1, 2, 10**9], [range(3, 10**9)]),
    ],
)
def test_holes(numbers, expected):
    assert holes(numbers) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["00000", "00001", "00003", "00004", "00008"], "2, 5…7"),
        (["img_9", "img_10", "img_12"], "11"),
        (["00000", "00005", "00010"], ""),
        (["a1", "a2", "b4"], ""),  # two rows
        (["1", "2", "last"], ""),
        (["0.05", "0.1", "0.15", "0.25"], ""),  # times
        ([], ""),
    ],
)
def test_numbers_in_names(names, expected):
    assert skipped_numbers(names) == expected


def test_natural_order():
    names = ["a10b2", "a2b10", "a2b2", "a", "7", "07", "", "٣", "a2", "b1"]
    expected = ["", "07", "7", "a", "a2", "a2b2", "a2b10", "a10b2", "b1", "٣"]
    assert sorted(names, key=natural_key) == expected


@pytest.mark.parametrize(
    ("names", "decimals"),
    [
        (["0.5", "1.5", "10.25"], True),
        (["t0.5s", "t0.25s"], True),
        (["1", "1.5", "mask"], True),
        (["1.8", "1.9", "1.10", "1.11"], False),  # shot and frame
        (["cam1.0009", "cam1.0010"], False),
        (["0.25", "0.50"], False),  # of one length: either order is right
        (["img_1", "img_10"], False),
        ([], False),
    ],
)
def test_decimals(names, decimals):
    assert are_decimals(names) == decimals


def test_numbers_of_frames():
    assert numbers_of(["img_00001", "img_00005"]) == [1, 5]
    for names in (["a1", "b2"], ["1", "01"], ["1", "x"], ["0.5", "0.25"]):
        assert numbers_of(names) is None


def test_names_that_do_not_belong_together():
    assert masks_among(["0", "1", "0_seg", "FrameMask", "matte"]) == ["0_seg", "FrameMask", "matte"]
    assert masks_among(["mask_0", "mask_1"]) == masks_among(["segway_0", "1"]) == []
    assert odd_ones(["f1", "F2", "f10", "cover"]) == ["cover"]
    assert odd_ones(["a7", "b3"]) == odd_ones(["x"]) == odd_ones([]) == []
