"""What stands in a plot."""

from types import SimpleNamespace

from ranet.report.plots import measures_bars
from ranet.tables.published import published_result


def run(name, sequences, *, online=False):
    videos = dict.fromkeys(range(sequences))
    return SimpleNamespace(
        name=name,
        set_name="val",
        online=online,
        published=published_result(2016, "val", online=online),
        scores=SimpleNamespace(year=2016, videos=videos, averages={"J-Mean": 0.5}),
    )


def told(*runs):
    title, bars = measures_bars(runs, ["J-Mean"])
    return title, [bar.label for bar in bars]


def test_the_papers_bars_and_ours_say_how_many_sequences_they_are_of():
    assert told(run("a", 10), run("b", 10)) == (
        "DAVIS-2016 val: 10 sequences",
        ["paper, Table 1 (20 sequences)", "a", "b"],
    )


def test_runs_of_different_sequences_say_so_each():
    title, labels = told(run("a", 10), run("b", 1))
    assert title == "DAVIS-2016 val"
    assert labels[1:] == ["a (10 sequences)", "b (1 sequence)"]


def test_online_learning_has_the_papers_bars_of_its_own():
    _, labels = told(run("a", 20), run("b", 20, online=True))
    assert labels == [
        "paper, Table 1 (20 sequences)",
        "paper, Table 1, online learning (20 sequences)",
        "a",
        "b",
    ]
