"""Drawn videos that are made for one difficulty: what is promised of them is exact."""

from pathlib import Path

import numpy as np
import pytest

from ranet.commands import make_synthetic
from ranet.datasets.index import index_davis
from ranet.datasets.synthetic import write_synthetic_davis
from ranet.datasets.synthetic.cases import ABSENCES, CASES, GAPS, draw_case
from ranet.datasets.synthetic.scene import Scene, footprint
from ranet.errors import ConfigError

SIZE, FRAMES = (96, 160), 24


def drawn(case: str, number: int, size: tuple[int, int] = SIZE, objects: int = 2) -> Scene:
    return draw_case(
        np.random.default_rng([3, number]),
        case=case,
        number=number,
        frames=FRAMES,
        size=size,
        max_objects=objects,
        clutter=0.5,
    )


def whole(scene: Scene, label: int, frame: int) -> np.ndarray:
    """Where an object is in a frame, as if nothing were before it."""
    (layer,) = (layer for layer in scene.layers if layer.label == label)
    return footprint(layer, frame, scene.size)


def middle_of(mask: np.ndarray) -> np.ndarray:
    return np.mean(np.nonzero(mask), axis=1)


@pytest.mark.parametrize("size", [SIZE, (160, 96), (64, 64), (48, 300)])
@pytest.mark.parametrize("number", range(4))
class TestCrossing:
    def test_both_are_whole_at_first_and_change_sides(self, number, size):
        scene = drawn("look_alikes_crossing", number, size)
        longer = int(size[1] >= size[0])
        labels = [scene.render(frame)[1] for frame in (0, FRAMES - 1)]
        middles = np.array([[middle_of(seen == k) for k in (1, 2)] for seen in labels])
        sides = middles[:, 0, longer] - middles[:, 1, longer]
        assert sides[0] * sides[1] < 0
        for k in (1, 2):
            assert np.array_equal(labels[0] == k, whole(scene, k, 0))

    def test_they_hide_each_other_or_keep_their_distance(self, number, size):
        scene = drawn("look_alikes_crossing", number, size)
        pairs = [(whole(scene, 1, f), whole(scene, 2, f)) for f in range(FRAMES)]
        overlap = max(np.count_nonzero(a & b) / np.count_nonzero(a) for a, b in pairs)
        if GAPS[number] == min(GAPS):
            assert overlap > 0.1
        if GAPS[number] > 0:
            assert overlap == 0


def test_those_that_cross_look_alike():
    scene = drawn("look_alikes_crossing", 3)
    image, labels = scene.render(0)
    colours = [image[labels == k].mean(axis=0) for k in (1, 2)]
    assert np.abs(colours[0] - colours[1]).max() < 12
    assert np.abs(colours[0] - image[labels == 0].mean(axis=0)).max() > 25


@pytest.mark.parametrize("size", [SIZE, (160, 96), (64, 64), (48, 300)])
@pytest.mark.parametrize("number", range(4))
class TestReturn:
    def test_it_vanishes_for_its_share_of_the_frames_and_is_whole_at_both_ends(self, number, size):
        scene = drawn("occlusion_and_return", number, size)
        seen = [np.count_nonzero(scene.render(f)[1] == 1) for f in range(FRAMES)]
        absent = [f for f, pixels in enumerate(seen) if not pixels]
        hidden = ABSENCES[number][1] * FRAMES
        assert hidden <= len(absent) <= hidden + FRAMES / 3
        assert absent == list(range(absent[0], absent[-1] + 1))
        for frame in (0, FRAMES - 1):
            assert seen[frame] == np.count_nonzero(whole(scene, 1, frame)) > 0

    def test_the_other_one_is_there_all_the_time(self, number, size):
        scene = drawn("occlusion_and_return", number, size)
        for frame in range(0, FRAMES, 3):
            other = whole(scene, 2, frame)
            assert np.count_nonzero(scene.render(frame)[1] == 2) > 0.95 * np.count_nonzero(other)


def test_where_it_comes_back():
    """Behind: where it was going, or where it was; outside: on the same side, or on the other."""
    moved = []
    for number in range(4):
        scene = drawn("occlusion_and_return", number)
        first, last = (middle_of(whole(scene, 1, frame)) for frame in (0, FRAMES - 1))
        moved.append(np.abs(last - first) / SIZE)
    assert [(across > 0.3, along > 0.3) for across, along in moved] == [
        (False, True),
        (True, False),
        (False, False),
        (True, True),
    ]


@pytest.mark.parametrize("case", CASES)
def test_with_one_object_the_same_frames_have_fewer_labels(case):
    both, one = drawn(case, 0).render(5), drawn(case, 0, objects=1).render(5)
    assert np.array_equal(both[0], one[0])
    assert np.array_equal(one[1], np.where(both[1] == 1, 1, 0))


class TestTree:
    CASE = ("--case", "occlusion_and_return", "--frames", 12, "--size", 48, 80)

    def test_is_a_davis_tree_the_same_each_time(self, run_script, tmp_path):
        trees = [tmp_path / "a", tmp_path / "b"]
        for tree in trees:
            done = run_script(
                "make_synthetic.py", "--out", tree, "--train", 0, "--val", 2, *self.CASE
            )
            assert done.status == 0, done.error
        (first, second) = index_davis(trees[0], year=2017)
        assert len(first.frames) == len(second.frames) == 12
        assert None not in first.annotations
        files = [path.relative_to(trees[0]) for path in trees[0].rglob("*") if path.is_file()]
        assert all((trees[0] / f).read_bytes() == (trees[1] / f).read_bytes() for f in files)

    def test_another_case_is_not_written_over_it(self, run_script, tmp_path):
        options = ("--out", tmp_path / "a", "--train", 0, "--val", 1, *self.CASE)
        run_script("make_synthetic.py", *options)
        other = run_script("make_synthetic.py", *options, "--case", "look_alikes_crossing")
        assert other.status == 1
        assert "case occlusion_and_return instead of look_alikes_crossing" in other.error

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [({"frames": 8}, "12 frames"), ({"case": "fog"}, "look_alikes_crossing")],
    )
    def test_what_cannot_be_is_refused(self, tmp_path: Path, wrong, message):
        settings = {"frames": 12, "case": "occlusion_and_return"} | wrong
        with pytest.raises(ConfigError, match=message):
            write_synthetic_davis(
                tmp_path / "a", train=0, val=1, size=(48, 80), seed=0, max_objects=2, **settings
            )


def test_the_command_names_all_cases(capsys):
    from ranet.commands.parser import command_parser

    parser = command_parser("ranet make-synthetic", make_synthetic.__doc__)
    make_synthetic.add_options(parser)
    parser.print_help()
    told = capsys.readouterr().out
    assert all(case in told for case in CASES)
