"""The page: what is in it, and that nothing outside it is needed."""

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from result_folders import FRAMES, ODD, copied_to, write_scored

from ranet.errors import OutputError
from ranet.metrics import DavisResult, Measure, ObjectResult, VideoResult
from ranet.report import Pictures
from ranet.report.page import _page, write_report
from ranet.report.plots import measure_bars
from ranet.report.runs import Run
from ranet.tables.published import PublishedResult


class Page(HTMLParser):
    """Elements, the text between them, tables by their caption, and the data of a report."""

    def __init__(self, source):
        super().__init__()
        self.elements, self.texts, self.data = [], [], None
        self.source = source
        self.feed(self.source)
        self.tables = {}
        for table in re.findall(r"<table.*?</table>", source, re.DOTALL):
            rows = re.findall(r"<tr.*?</tr>", table, re.DOTALL)
            cells = [re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL) for row in rows]
            caption = re.search("<caption>(.*?)</caption>", table)[1].replace("&amp;", "&")
            self.tables[caption] = [[re.sub("<.*?>", "", c).strip() for c in row] for row in cells]

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, text):
        if self.elements[-1:] == [("script", {"type": "application/json", "id": "data"})]:
            self.data = self.data or json.loads(text)
        self.texts.append(text.strip())


@pytest.fixture(scope="module")
def one(copied, tmp_path_factory):
    return write_report([copied], tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="module")
def two(copied, scored, tmp_path_factory):
    return write_report([copied, scored], tmp_path_factory.mktemp("two"))


def page_of(written):
    return Page(written.page.read_text("utf-8"))


# --- whole reports


def test_all_parts_are_there_and_linked(one, two):
    parts = ["numbers", "sequences", "worst-frames", "over-time", "time", "configuration"]
    for written, expected in ((one, parts), (two, ["numbers", "comparison", *parts[1:]])):
        elements = page_of(written).elements
        assert [a["id"] for tag, a in elements if tag == "section"] == expected
        links = [a["href"][1:] for tag, a in elements if tag == "a" and "href" in a]
        assert [link for link in links if link in expected] == expected


def test_nothing_is_loaded_from_elsewhere(two):
    page = page_of(two)
    addresses = set(re.findall(r"\w+://[^\"'\s<]+", page.source))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, not a place
    assert not [a for _, a in page.elements if "src" in a]
    assert {tag for tag, _ in page.elements}.isdisjoint({"link", "iframe", "object", "embed"})
    policy = next(a["content"] for _, a in page.elements if "content" in a and "http-equiv" in a)
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_names_are_text_wherever_they_stand(copied, scored, tmp_path):
    page = page_of(write_report([copied, scored], tmp_path, names=["<i>one", "</script>"]))
    assert {tag for tag, _ in page.elements}.isdisjoint({"b", "i"})
    assert page.source.count("<!--") == 0
    assert page.source.count("</script>") == 2
    assert {ODD, "<i>one", "</script> − <i>one"} <= set(page.texts)
    assert page.data["runs"] == ["<i>one", "</script>"]
    assert ODD in [sequence["name"] for sequence in page.data["sequences"]]


def test_scores_and_pictures_are_inside(two, copied):
    data = page_of(two).data
    davis = json.loads((copied / "davis.json").read_text())
    sequence = next(one for one in data["sequences"] if one["name"] == "plain")
    values = davis["sequences"]["plain"]["1"]["J"]["per_frame"]
    assert sequence["scores"][0]["J"][0] == pytest.approx(values, abs=1e-4)
    assert [scores["ms"] for scores in sequence["scores"]] == [None, None]  # copying: no step
    assert {0, 5, 6} <= {picture["frame"] for picture in sequence["pictures"]}
    assert all(len(picture["layers"]) == 3 for picture in sequence["pictures"])
    assert data["worst"]
    for bad in data["worst"]:
        kept = data["sequences"][bad["sequence"]]["pictures"]
        assert bad["frame"] in {picture["frame"] for picture in kept}
        assert len(bad["contours"]) == 3


def test_each_frame_has_its_time_where_a_network_ran(copied, tmp_path):
    folder = copied_to(copied, tmp_path / "timed")
    timing = json.loads((folder / "timing.json").read_text())
    timing["plain"]["step_ms"] = [2.5] * (FRAMES - 1)
    (folder / "timing.json").write_text(json.dumps(timing))
    data = page_of(write_report([folder], tmp_path / "out", pictures=None)).data
    sequence = next(one for one in data["sequences"] if one["name"] == "plain")
    assert sequence["scores"][0]["ms"] == [None, *timing["plain"]["step_ms"]]


def test_the_facts_are_those_of_the_results_and_differences_are_marked(two, tree):
    facts = {
        key: values
        for key, *values in page_of(two).tables["As the results tell; ≠ where they differ"]
    }
    assert facts["settings.set.file ≠"] == [str(tree / "ImageSets/2017/val.txt"), "–"]
    assert ("tr", {"class": "differs"}) in page_of(two).elements


def test_runs_of_different_sequences_are_not_averaged_alike(copied, tree, tmp_path):
    part = write_scored(tree, tmp_path / "part", sequences=["plain"])
    page = page_of(write_report([copied, part], tmp_path / "out"))
    assert any("were scored on different sequences" in text for text in page.texts)
    odd = next(one for one in page.data["sequences"] if one["name"] == ODD)
    assert odd["scores"][1] is None
    assert "Of 1 sequence copied wins " in " ".join(page.texts)


def test_without_pictures_numbers_and_curves_remain(scored, tmp_path):
    written = write_report([scored], tmp_path, pictures=None)
    page = page_of(written)
    assert written.shown == 0
    assert "worst-frames" not in {a.get("id") for _, a in page.elements}
    assert all(one["pictures"] == [] for one in page.data["sequences"])
    assert page.data["sequences"][0]["scores"]


def test_fewer_and_smaller_pictures_make_a_smaller_file(copied, one, tmp_path):
    small = write_report([copied], tmp_path, pictures=Pictures(every=6, width=64, worst=0))
    assert small.bytes < one.bytes == one.page.stat().st_size
    assert small.shown == 4
    assert re.search(r"report\.html: 0\.0\d+ MB, pictures of 4 of 14 frames; ", str(small))


def test_plots_for_papers(one, two):
    names = {path.name for path in two.plots}
    assert names == {"measures.png", "sequences.png", "differences.png", "plain.png", f"{ODD}.png"}
    assert all(path.is_file() for path in (*one.plots, *two.plots))
    assert "differences.png" not in {path.name for path in one.plots}


def test_without_matplotlib_there_are_no_plots_and_that_is_said(
    plots, scored, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    written = write_report([scored], tmp_path, pictures=None)
    assert written.page.is_file()
    assert not (tmp_path / "plots").exists()
    assert "no plots. " in str(written)
    assert "[plots]" in str(written)


def test_nothing_is_written_among_the_annotations(copied, tree):
    with pytest.raises(OutputError, match="is part of the data"):
        write_report([copied], tree / "Annotations/480p/report")


# --- tables

PAPER = PublishedResult("paper, Table 1", 20, {"J&F-Mean": 0.855, "J-Mean": 0.862}, 33.0)


def run(name, *, published=None, times=None, **scores):
    """A run of which each sequence has one value in all frames; None: it has none that counts."""
    videos = {}
    for sequence, score in scores.items():
        measure = Measure.over_video([] if score is None else [score] * 3, frames=5)
        frames = tuple(map(str, range(5)))
        videos[sequence] = VideoResult(frames, {1: ObjectResult(J=measure, F=measure)})
    return Run(
        name=name,
        folder=Path(name),
        set_name="val",
        scores=DavisResult(2016, Path("annotations"), Path("masks"), videos),
        published=published,
        times=times or {},
        sequence_times={},
        step_ms={},
        frames=None,
        facts={},
    )


def tables(*runs, names="xyz"):
    return Page(_page(runs, [n for n in names if any(r.overall(n) for r in runs)], [], None))


A = run("a", x=0.5, y=0.6, z=0.7)
B = run("b", x=0.8, y=0.5, z=0.7001)


def test_differences_are_sorted_by_what_the_second_gains():
    page = tables(A, B)
    assert page.tables["J&F of each sequence, and differences"] == [
        ["Sequence", "a", "b", "", "b − a", "Best"],
        ["x", "50.0", "80.0", "", "+30.0", "b"],
        ["z", "70.0", "70.0", "", "+0.0", "tie"],  # alike in a table with one decimal
        ["y", "60.0", "50.0", "", "-10.0", "a"],
    ]
    assert "Of 3 sequences a wins 1, b wins 1; ties: 1." in page.texts
    bars = re.findall(r"left:([\d.]+)%;width:([\d.]+)%;background:var\(--run-(\d)\)", page.source)
    assert ("50.00", "50.00", "1") in bars  # a gain points to the right, a loss to the left
    assert ("33.33", "16.67", "0") in bars


def test_a_sequence_that_one_run_lacks_is_won_by_none_and_comes_last():
    page = tables(run("c", x=0.9), A)
    last = page.tables["J&F of each sequence, and differences"][-1]
    assert last == ["z", "–", "70.0", "–", "–", "a"]
    assert "Of 1 sequence c wins 1, a wins 0; ties: 0." in page.texts


def test_the_papers_numbers_stand_beside_ours_each_row_once():
    online = PublishedResult("paper, Table 1, online learning", 20, {"J&F-Mean": 0.871}, 4000.0)
    ms = {"frame_ms": 41.26}
    runs = run("a", published=PAPER, times=ms, x=0.5), run("b", published=PAPER, x=0.6)
    page = tables(*runs, run("c", published=online, x=0.7))
    rows = page.tables["Measures in per cent"]
    assert rows[0] == ["", "paper, Table 1", "paper, Table 1, online learning", "a", "b", "c"]
    assert rows[1] == ["J&amp;F-Mean", "85.5", "87.1", "50.0", "60.0", "70.0"]
    assert rows[-1] == ["ms a frame", "33.0", "4000.0", "41.3", "–", "–"]
    assert any("20 sequences, ours of 1" in text for text in page.texts)


def test_bars_say_how_many_sequences_they_are_of():
    def told(*runs):
        title, bars = measure_bars(runs)
        return [title, *(bar.label for bar in bars)]

    paper = "paper, Table 1 (20 sequences)"
    assert told(run("a", published=PAPER, x=0.5, y=0.5)) == [
        "DAVIS-2016 val: 2 sequences",
        paper,
        "a",
    ]
    assert told(A, run("b", x=0.5)) == ["DAVIS-2016 val", "a (3 sequences)", "b (1 sequence)"]


def test_times_have_the_rows_that_there_is_something_to_say_in():
    caption = "Milliseconds a frame, and memory"
    plain = {"step_ms": 0.0, "frame_ms": 0.0, "online_ms": 0.0, "videos_at_once": 1.0}
    rows = {row[0]: row[1:] for row in tables(run("a", times=plain, x=0.5)).tables[caption]}
    assert rows["ms a frame, network step"] == ["–"]  # copying takes no time of a network
    assert not {"ms a frame, online learning", "videos at once"} & rows.keys()
    learned = run("b", times={**plain, "online_ms": 900.0, "videos_at_once": 7.53}, x=0.5)
    rows = {first: others for first, *others in tables(run("a", x=0.5), learned).tables[caption]}
    assert rows["ms a frame, online learning"] == ["–", "900.0"]
    assert rows["videos at once"] == ["–", "7.53"]


def test_a_sequence_without_a_frame_that_counts_is_told():
    page = tables(run("a", x=0.5, short=None), names=["x", "short"])
    assert any("short has no frame that counts" in text for text in page.texts)
    assert [row[0] for row in page.tables["By J&F, in per cent"][1:]] == ["x"]
