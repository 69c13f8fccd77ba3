"""The paper's numbers, held against the paper."""

import re

import pytest

from ranet.tables.published import published, published_result


@pytest.fixture
def printed(shared_papers):
    """Rows of the tables in the paper's text: {table number: list of lists of cells}."""
    tables, rows = {}, []
    for line in (shared_papers / "ranet.md").read_text().splitlines():
        caption = re.match(r"Table (\d):", line)
        if caption:
            tables[int(caption[1])], rows = rows, []
        elif "\t" in line:
            rows.append([cell.strip() for cell in line.split("\t")])
    return tables


def name(cell):
    """``RGMP [38]`` without the citation."""
    return re.sub(r" \[\d+\]$", "", cell)


def number(cell):
    return None if cell == "-" else float(cell)


def flat(method, table):
    return [score for benchmark in table.benchmarks for score in method.scores[benchmark]]


@pytest.mark.parametrize(("number_of", "methods"), [(1, 19), (2, 7), (3, 11)])
def test_comparisons_are_as_printed(printed, number_of, methods):
    """Table 1 tells online learning and times, Table 3 online learning, Table 2 neither."""
    table = published().tables[number_of]
    rows = [row for row in printed[number_of][1:] if number_of == 2 or row[1] in ("✓", "✗")]
    assert len(rows) == len(table.methods) == methods
    for row, method in zip(rows, table.methods, strict=True):
        online = [] if number_of == 2 else [{"✓": True, "✗": False}[row[1]]]
        assert [method.name, *([method.online] if online else [])] == [name(row[0]), *online]
        times = [method.ms] if table.has_times else []
        assert [*times, *flat(method, table)] == list(map(number, row[1 + len(online) :]))


@pytest.mark.parametrize("table", [4, 5])
def test_ablations_are_as_printed(printed, table):
    header, *rows = printed[table]
    ablation = published().tables[table]
    variants = [variant.strip("*").replace("</i>", "").replace("<i>", "") for variant in header[1:]]
    assert list(ablation.columns) == variants
    assert [list(m.scores["2016 val"]) for m in ablation.methods] == [
        list(map(number, r[1:])) for r in rows
    ]
    if table == 5:
        assert [m.name for m in ablation.methods] == [name(row[0]) for row in rows]


def test_table_6_is_as_printed(printed):
    scores, times = printed[6][-2:]
    methods = published().tables[6].methods
    assert [flat(m, published().tables[6]) for m in methods] == [[number(s)] for s in scores[1:]]
    assert [m.ms / 1000 for m in methods] == list(map(number, times[1:]))


def test_the_printed_tables_agree_with_each_other():
    tables = published().tables
    (ranet,) = [m for m in tables[1].methods if m.name == "RANet"]
    (boosted,) = [m for m in tables[1].methods if m.name == "RANet+"]
    j_mean = ranet.scores["2016 val"][1]
    for point, row in ((tables[6].methods[0], ranet), (tables[6].methods[-1], boosted)):
        assert (point.scores["2016 val"][0], point.ms) == (row.scores["2016 val"][0], row.ms)
    assert all(tables[n].methods[-1].scores["2016 val"][0] == j_mean for n in (4, 5))


def test_every_row_has_a_number_for_every_column():
    for table in published().tables.values():
        for method in table.methods:
            assert tuple(method.scores) == table.benchmarks
            assert all(len(s) == len(table.columns) for s in method.scores.values())
            assert (method.ms is not None) == table.has_times
        assert set(table.benchmarks) <= published().splits.keys()


def test_the_splits_are_those_of_davis(shared_data):
    splits = published().splits
    counts = {"2016 val": 20, "2016 trainval": 50, "2017 val": 30, "2017 test-dev": 30}
    assert {benchmark: len(set(names)) for benchmark, names in splits.items()} == counts
    assert set(splits["2016 val"]) < set(splits["2016 trainval"])
    assert set(splits["2016 val"]) < set(splits["2017 val"])
    assert not set(splits["2017 test-dev"]) & {*splits["2017 val"], *splits["2016 trainval"]}
    listed = (shared_data / "DAVIS/ImageSets/2016/val.txt").read_text().split()
    assert set(listed) <= set(splits["2016 val"])


def test_results_are_compared_with_the_row_of_their_kind():
    offline = published_result(2016, "val", online=False)
    assert (offline.source, offline.sequences, offline.ms) == ("paper, Table 1", 20, 33)
    assert offline.measures["F-Decay"] == 0.051
    online = published_result(2016, "val", online=True)
    assert online.source == "paper, Table 1, online learning"
    assert (online.measures["J&F-Mean"], online.ms) == (0.871, 4000)
    static = published_result(2016, "trainval", online=False)
    assert static.measures == {"J-Mean": 0.832, "J-Recall": 0.942, "J-Decay": 0.093}
    assert published_result(2016, "trainval", online=True).measures["J-Mean"] == 0.862
    assert published_result(2017, "test-dev", online=False).measures["J-Mean"] == 0.534
    assert published_result(2017, "val", online=True) is None
    assert published_result(2017, "train", online=False) is None
