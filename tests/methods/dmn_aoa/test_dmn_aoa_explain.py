"""The explanation is of the step that was taken, and of what is remembered of the frames before."""

import numpy as np
import pytest
from moving_squares import draw, iou, moving
from tiny_dmn_aoa import SIZE, Detector, tiny_dmn_aoa

from ranet.config import InferenceConfig
from ranet.datasets.image_io import write_image
from ranet.errors import DataError, RANetError
from ranet.inference.explain import explain
from ranet.inference.segmenter import VideoSegmenter

CONFIG = InferenceConfig(device="cpu", input_size=SIZE, frame_size=(128, 192))
VIDEO = moving(SIZE, 7, {1: (4, 4), 2: (36, 50)}, step=(0, 3))
LABELS = VIDEO[0][1]


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frames")
    for number, (frame, _) in enumerate(VIDEO):
        write_image(folder / f"{number:05d}.png", frame)
    return folder


def method_of(**changes):
    method = tiny_dmn_aoa(iou_weight=0.6, refine=False, **changes)
    method.source = Detector()
    return method


def test_it_is_of_the_step_that_was_taken(frames, tmp_path):
    method = method_of()
    e = explain(frames, LABELS, 6, tmp_path, model=method, object_id=2, config=CONFIG)
    assert sorted(path.stem for path in tmp_path.glob("*.png")) == [
        "1_frames",
        "2_proposals",
        "3_memory",
        "4_alignment",
        "5_result",
        "6_video",
        "summary",
    ]
    segmenter = VideoSegmenter(method, CONFIG)
    segmenter.start(*VIDEO[0])
    for frame, _ in VIDEO[1:]:
        result = segmenter.step(frame)
    on_canvas = np.repeat(np.repeat(result, 2, axis=0), 2, axis=1)  # 64×96 on 128×192
    assert (e.labels == on_canvas).mean() > 0.97
    assert (e.object_id, e.frame_number, e.taken, e.kept_last) == (2, 6, 0, False)
    best, other = e.proposals
    assert best.box == (36 * 2, (50 + 18) * 2, 60 * 2, 92 * 2)  # of the canvas
    assert best.cost == pytest.approx(-(0.4 * best.similarity + 0.6 * best.overlap), abs=1e-5)
    assert best.cost < other.cost
    assert other.overlap == 0
    assert e.nobody == pytest.approx(-0.3)
    assert iou(best.mask > 0.5, e.coarse > 0.5) == 1
    assert iou(e.coarse > 0.5, (VIDEO[6][1] == 2)[2::4, 2::4]) > 0.9
    assert len(e.aligned) == 4
    for point in e.aligned:
        assert [weights.sum() for weights in point.weights] == pytest.approx([1, 1])


def test_what_is_remembered_sums_to_one(frames):
    e = explain(frames, LABELS, 4, model=method_of(), config=CONFIG)
    assert [frame.number for frame in e.remembered] == [0, 1, 2, 3]
    assert sum(frame.relevance.sum() for frame in e.remembered) == pytest.approx(1, abs=1e-5)
    lefts = [frame.box[1] for frame in e.remembered]
    assert lefts[0] == 2 * 4
    assert np.diff(lefts).min() > 2  # the square moves by six pixels of the canvas


def test_what_made_room_is_not_remembered(frames):
    limited = CONFIG.model_copy(update={"memory_limit": 3})
    e = explain(frames, LABELS, 4, model=method_of(), config=limited)
    known = [frame for frame in e.remembered if frame.relevance is not None]
    assert [frame.number for frame in known] == [0, 2, 3]
    assert sum(frame.relevance.sum() for frame in known) == pytest.approx(1, abs=1e-5)


def test_frames_without_the_object_are_not_remembered(frames, tmp_path):
    for number in range(5):
        shown = [] if number in (1, 2) else [(1, 4, 4, 24)]
        write_image(tmp_path / f"{number}.png", draw(SIZE, shown)[0])
    method = method_of(self_proposals=False)
    labels = draw(SIZE, [(1, 4, 4, 24)])[1]
    e = explain(tmp_path, labels, 4, model=method, config=CONFIG)
    remembered = [frame.number for frame in e.remembered if frame.relevance is not None]
    assert remembered == [0, 3]
    e = explain(tmp_path, labels, 2, tmp_path / "out", model=method, config=CONFIG)
    assert (e.proposals, e.taken, e.aligned) == ((), None, ())
    assert not (tmp_path / "out" / "4_alignment.png").exists()


def test_without_a_memory_the_annotated_region_is_all_there_is(frames):
    e = explain(frames, LABELS, 4, model=method_of(memory="first"), config=CONFIG)
    first, *rest = e.remembered
    assert first.relevance.sum() == pytest.approx(1, abs=1e-5)
    assert all(frame.relevance is None for frame in rest)


def test_points_are_places_of_the_template(frames):
    e = explain(frames, LABELS, 2, model=method_of(), points=[(5, 5), (27, 16)], config=CONFIG)
    assert [(point.row, point.column) for point in e.aligned] == [(0, 0), (6, 3)]
    with pytest.raises(DataError, match=r"\(2, 5\).*rows 4 to 27, columns 4 to 27"):
        explain(frames, LABELS, 2, model=method_of(), points=[(2, 5)], config=CONFIG)
    plain = method_of(alignment="none")
    with pytest.raises(RANetError, match="leave points out"):
        explain(frames, LABELS, 2, model=plain, points=[(5, 5)], config=CONFIG)
