from pathlib import PurePath

import numpy as np
import pytest

from ranet.wording import (
    aligned_cells,
    aligned_table,
    bullets,
    count,
    differences,
    distinct_ends,
    size_text,
    some_of,
)

LETTERS = list("abcdefgh")


def test_long_lists_are_cut_short():
    assert some_of(LETTERS[:6]) == "a, b, c, d, e, f"
    assert some_of(LETTERS) == "a, b, c, d, e, f, … (8 in all)"
    assert bullets(LETTERS[:2]) == "  - a\n  - b"
    assert bullets(LETTERS, at_most=2) == "  - a\n  - b\n  … and 6 more"


def test_counts_have_their_plural():
    assert [count(LETTERS[:n], "frame") for n in (0, 1, 2)] == ["0 frames", "1 frame", "2 frames"]
    assert [count(n, "pixel") for n in (1, 2)] == ["1 pixel", "2 pixels"]


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a/model"], ["model"]),
        (["a/model", "b/other"], ["model", "other"]),
        (["x/a/model", "x/b/model", "y/c"], ["a/model", "b/model", "y/c"]),
        (["model", "a/model"], ["model", "a/model"]),
    ],
)
def test_paths_are_called_by_their_ends_as_far_as_these_differ(paths, names):
    assert distinct_ends(list(map(PurePath, paths))) == names


@pytest.mark.parametrize("size", [(480, 854), [480, 854], np.empty((480, 854, 3)).shape])
def test_sizes_are_height_by_width(size):
    assert size_text(size) == "480×854"


def test_tables_have_names_to_the_left_and_numbers_to_the_right():
    rows = [("", "J", "F-Mean"), ("all", "80.0", "7"), ("one", "9.5", "")]
    assert aligned_table(rows) == [
        "        J  F-Mean",
        "all  80.0       7",
        "one   9.5",  # nothing is left at the end of a line
    ]
    assert [len(cell) for cells in aligned_cells(rows) for cell in cells] == [3, 4, 6] * 3


def test_rows_of_a_table_are_of_one_length():
    with pytest.raises(ValueError, match="shorter"):
        aligned_table([("a", "b"), ("c",)])


def test_equal_settings_do_not_differ():
    assert list(differences({"a": {"b": [1, 2]}}, {"a": {"b": [1, 2]}})) == []


def test_each_difference_is_named_by_its_place():
    before = {"a": {"b": 1, "c": 2}, "d": [1], "gone": 0}
    now = {"a": {"b": 1, "c": 3}, "d": [1, 2], "new": {"e": 5}}
    assert list(differences(before, now)) == [
        ("a.c", 2, 3),
        ("d", [1], [1, 2]),
        ("gone", 0, None),
        ("new", None, {"e": 5}),
    ]
