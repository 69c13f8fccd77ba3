import pytest

from ranet.datasets.numbering import holes, skipped_numbers


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
        ([], ""),
    ],
)
def test_numbers_in_names(names, expected):
    assert skipped_numbers(names) == expected
