"""The numbers on the page."""

import re
from types import SimpleNamespace

import pytest

from ranet.report.tables import (
    caveats,
    differences_table,
    measures_table,
    times_table,
    winners,
    wins,
)
from ranet.tables.published import published_result


def run(name, **overall):
    """A run of which only each sequence's J&F is known."""
    scores = SimpleNamespace(videos=dict.fromkeys(overall))
    return SimpleNamespace(
        name=name,
        scores=scores,
        overall=overall.get,
        sequence_scores=overall.get,
        published=None,
        facts={},
        times={},
    )


def cells(table):
    """Rows of the text of a table's cells."""
    rows = re.findall(r"<tr.*?</tr>", table)
    return [[re.sub("<.*?>", "", c) for c in re.findall(r"<t[hd].*?</t[hd]>", r)] for r in rows]


A = run("a", x=0.5, y=0.6, z=0.7)
B = run("b", x=0.8, y=0.5, z=0.7001)


def test_who_wins_and_what_is_a_tie():
    assert winners([A, B], "x") == [B]
    assert winners([A, B], "y") == [A]
    assert winners([A, B], "z") == [A, B]  # alike in a table with one decimal
    assert wins([A, B], "xyz") == "Of 3 sequences a wins 1, b wins 1; ties: 1."


def test_only_sequences_that_all_have_are_won():
    assert wins([A, run("c", x=0.9)], "xyz") == "Of 1 sequence a wins 0, c wins 1; ties: 0."


def test_differences_are_sorted_by_what_the_second_gains():
    assert cells(differences_table([A, B], list("xyz"))) == [
        ["Sequence", "a", "b", "", "b − a", "Best"],
        ["x", "50.0", "80.0", "", "+30.0", "b"],
        ["z", "70.0", "70.0", "", "+0.0", "tie"],
        ["y", "60.0", "50.0", "", "-10.0", "a"],
    ]


def test_a_gain_points_to_the_right_and_a_loss_to_the_left():
    table = differences_table([A, B], list("xyz"))
    spans = re.findall(r"left:([\d.]+)%;width:([\d.]+)%;background:var\(--run-(\d)\)", table)
    assert spans[0] == ("50.00", "50.00", "1")
    assert spans[-1] == ("33.33", "16.67", "0")


def test_a_sequence_that_one_run_lacks_comes_last():
    rows = cells(differences_table([run("c", x=0.9), A], list("xy")))
    assert rows[-1] == ["y", "–", "60.0", "–", "–", "a"]


def measured(name, ms, **more):
    averages = {"J&F-Mean": 0.5, "J-Mean": 0.6}
    scores = SimpleNamespace(averages=averages, videos={"x": None})
    return SimpleNamespace(
        name=name,
        scores=scores,
        times={"frame_ms": ms, "online_ms": 0.0},
        sequence_scores=averages.get,
        **{"published": None, "online": False, "facts": {}, **more},
    )


def test_the_papers_numbers_stand_beside_ours():
    paper = published_result(2016, "val", online=False)
    rows = cells(measures_table([measured("a", 41.26, published=paper), measured("b", None)]))
    assert rows == [
        ["", "paper, Table 1", "a", "b"],
        ["J&amp;F-Mean", "85.5", "50.0", "50.0"],
        ["J-Mean", "85.5", "60.0", "60.0"],
        ["ms a frame", "33.0", "41.3", "–"],
    ]


def test_online_learning_is_compared_with_online_learning():
    runs = [
        measured("a", 1.0, published=published_result(2016, "val", online=False)),
        measured("b", 1.0, published=published_result(2016, "val", online=True), online=True),
    ]
    header, first, *_ = cells(measures_table(runs))
    assert header[1:3] == ["paper, Table 1", "paper, Table 1, online learning"]
    assert first[1:3] == ["85.5", "87.1"]


def test_online_learning_has_rows_of_its_own_only_where_there_is_some():
    assert "online learning" not in times_table([measured("a", 1.0)])
    learned = measured("b", 1.0)
    learned.times["online_ms"] = 900.0
    assert "online learning" in times_table([measured("a", 1.0), learned])


def times(*at_once):
    """Rows of the table of times of runs with so many videos at once, by their first cell."""
    runs = [measured(f"run {number}", 1.0) for number in range(len(at_once))]
    for run, number in zip(runs, at_once, strict=True):
        run.times["videos_at_once"] = number
    return {first: others for first, *others in cells(times_table(runs))}


def test_how_many_videos_at_once_is_told_where_they_were_several():
    assert "videos at once" not in times(1.0, None)
    assert times(1.0, 8.0, 7.53)["videos at once"] == ["1", "8", "7.5"]


def test_copying_takes_no_time_of_a_network():
    copying = measured("copying", 0.0)
    copying.times["step_ms"] = 0.0
    rows = cells(times_table([copying]))
    assert ["ms a frame, network step", "–"] in rows
    assert cells(measures_table([copying]))[-1] == ["ms a frame", "–"]


@pytest.mark.parametrize(
    ("runs", "told"),
    [
        (
            [measured("a", 1.0, published=published_result(2016, "val", online=False))],
            "of 20 sequences, ours of 1",
        ),
        ([A, run("c", x=0.9)], "a and c were scored on different sequences"),
        ([run("a", x=0.5, short=None)], "short has no frame that counts"),
    ],
)
def test_what_to_know_before_comparing(runs, told):
    assert any(told in note for note in caveats(runs))


def test_there_is_nothing_to_know_otherwise():
    assert caveats([A, B]) == []
