"""The page: what is in it, and that nothing outside it is needed."""

import json
import re
from html.parser import HTMLParser

import pytest
from result_folders import FRAMES, ODD, copied_to, write_scored

from ranet.errors import OutputError
from ranet.report.choices import Pictures
from ranet.report.write import write_report


class Page(HTMLParser):
    """Elements, the text between them, and the data of a report."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.texts, self.data = [], [], None
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, text):
        if self.elements[-1:] == [("script", {"type": "application/json", "id": "data"})]:
            self.data = self.data or json.loads(text)
        self.texts.append(text)


@pytest.fixture(scope="module")
def one(copied, tmp_path_factory):
    return write_report([copied], tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="module")
def two(copied, scored, tmp_path_factory):
    return write_report([copied, scored], tmp_path_factory.mktemp("two"))


def test_all_parts_are_there(one, two):
    parts = ["numbers", "sequences", "worst-frames", "over-time", "time", "configuration"]
    for written, expected in ((one, parts), (two, ["numbers", "comparison", *parts[1:]])):
        page = Page(written.page)
        assert [a["id"] for tag, a in page.elements if tag == "section"] == expected
        links = [a["href"] for tag, a in page.elements if tag == "a"]
        assert [f"#{part}" for part in expected] == [
            link for link in links if link[1:] in [*parts, "comparison"]
        ]


def test_nothing_is_loaded_from_elsewhere(two):
    page = Page(two.page)
    addresses = set(re.findall(r"\w+://[^\"'\s<]+", page.source))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, not a place
    assert not [a for _, a in page.elements if "src" in a]
    assert {tag for tag, _ in page.elements}.isdisjoint({"link", "iframe", "object", "embed"})
    policy = next(a["content"] for _, a in page.elements if "content" in a and "http-equiv" in a)
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_names_are_text_wherever_they_stand(copied, scored, tmp_path):
    written = write_report([copied, scored], tmp_path, names=["<i>one", "</script>"])
    page = Page(written.page)
    tags = {tag for tag, _ in page.elements}
    assert tags.isdisjoint({"b", "i"})
    assert page.source.count("<!--") == 0
    assert ODD in page.texts
    assert "<i>one" in page.texts
    assert page.data["runs"] == ["<i>one", "</script>"]
    assert ODD in [sequence["name"] for sequence in page.data["sequences"]]
    assert page.source.count("</script>") == 2


def test_scores_and_pictures_are_inside(two, copied):
    data = Page(two.page).data
    davis = json.loads((copied / "davis.json").read_text())
    sequence = next(one for one in data["sequences"] if one["name"] == "plain")
    values = davis["sequences"]["plain"]["1"]["J"]["per_frame"]
    assert sequence["scores"][0]["J"][0] == pytest.approx(values, abs=1e-4)
    assert [scores["ms"] for scores in sequence["scores"]] == [None, None]  # copying: no step
    assert {0, 5, 6} <= {picture["frame"] for picture in sequence["pictures"]}
    assert all(len(picture["layers"]) == 3 for picture in sequence["pictures"])
    for bad in data["worst"]:
        kept = data["sequences"][bad["sequence"]]["pictures"]
        assert bad["frame"] in {picture["frame"] for picture in kept}
        assert len(bad["contours"]) == 3


def test_each_frame_has_its_time_where_a_network_ran(copied, tmp_path):
    folder = copied_to(copied, tmp_path / "timed")
    timing = json.loads((folder / "timing.json").read_text())
    timing["plain"]["step_ms"] = [2.5] * (FRAMES - 1)
    (folder / "timing.json").write_text(json.dumps(timing))
    data = Page(write_report([folder], tmp_path / "out", pictures=None).page).data
    sequence = next(one for one in data["sequences"] if one["name"] == "plain")
    assert sequence["scores"][0]["ms"] == [None, *timing["plain"]["step_ms"]]


def test_the_sequences_and_their_list_are_among_the_facts(one, tree):
    text = " ".join(Page(one.page).texts)
    assert f"settings.set.file {tree / 'ImageSets/2017/val.txt'}" in " ".join(text.split())
    assert "settings.set.sequences" in text


def test_a_table_and_its_heading_are_not_the_same_words(two):
    page = Page(two.page)
    headings = set(re.findall(r"<h2[^>]*>(.*?)</h2>", page.source))
    captions = set(re.findall(r"<caption>(.*?)</caption>", page.source))
    assert len(headings) > 5
    assert len(captions) > 4
    assert not headings & captions


def test_a_comparison_tells_who_wins(two):
    page = Page(two.page)
    assert any(text.startswith("Of 2 sequences copied wins ") for text in page.texts)
    assert "scored − copied" in page.texts


def test_runs_of_different_sequences_are_not_averaged_alike(copied, tree, tmp_path):
    part = write_scored(tree, tmp_path / "part", sequences=["plain"])
    page = Page(write_report([copied, part], tmp_path / "out").page)
    assert any("were scored on different sequences" in text for text in page.texts)
    odd = next(one for one in page.data["sequences"] if one["name"] == ODD)
    assert odd["scores"][1] is None
    assert "Of 1 sequence copied wins " in " ".join(page.texts)


def test_what_differs_in_the_configurations_is_marked(two):
    page = Page(two.page)
    assert ("tr", {"class": "differs"}) in page.elements
    assert "revision " in page.texts


def test_without_pictures_numbers_and_curves_remain(scored, tmp_path):
    written = write_report([scored], tmp_path, pictures=None)
    page = Page(written.page)
    assert written.shown == 0
    assert "worst-frames" not in {a.get("id") for _, a in page.elements}
    assert all(one["pictures"] == [] for one in page.data["sequences"])
    assert page.data["sequences"][0]["scores"]


def test_fewer_and_smaller_pictures_make_a_smaller_file(copied, one, tmp_path):
    small = write_report([copied], tmp_path, pictures=Pictures(every=6, width=64, worst=0))
    assert small.bytes < one.bytes == one.page.stat().st_size
    assert small.shown == 4
    assert re.search(r"report\.html: 0\.0\d+ MB, pictures of 4 of 14 frames; ", str(small))


def test_the_same_results_make_the_same_page(copied, one, tmp_path):
    assert write_report([copied], tmp_path).page.read_bytes() == one.page.read_bytes()


def test_plots_for_papers(one, two):
    names = {path.name for path in two.plots}
    assert names == {"measures.png", "sequences.png", "differences.png", "plain.png", f"{ODD}.png"}
    assert all(path.is_file() for path in (*one.plots, *two.plots))
    assert "differences.png" not in {path.name for path in one.plots}


def test_nothing_is_written_among_the_annotations(copied, tree):
    with pytest.raises(OutputError, match="is part of the data"):
        write_report([copied], tree / "Annotations/480p/report")
