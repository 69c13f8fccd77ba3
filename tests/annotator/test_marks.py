import numpy as np
import pytest
from annotated_squares import SIZE
from moving_squares import draw, iou
from pydantic import ValidationError

from ranet.annotator.marks import FrameMarks, Marks
from ranet.errors import DataError

FRAME, TRUTH = draw(SIZE, [(1, 10, 20, 20)])
EMPTY = FrameMarks.empty(SIZE)
AROUND = (6, 15, 36, 46)  # the square


def box(label=1, of=AROUND):
    return "box", label, of


def stroke(kind, points, radius=2.0, label=1):
    return kind, label, points, radius


def refine(label=1, frame=FRAME):
    return "refine", label, frame


def made(*edits):
    marks = EMPTY
    for kind, *arguments in edits:
        marks = getattr(marks, kind)(*arguments)
    return marks


def test_a_box_is_refined_to_the_object():
    rough, fine = made(box()), made(box(), refine())
    assert (rough.labels == 1).sum() == 30 * 31
    assert iou(fine.labels == 1, TRUTH == 1) > 0.9


def test_a_box_may_reach_beyond_the_frame_but_not_lie_there():
    assert (made(box(of=(-5, -5, 3, 4))).labels == 1).sum() == 12
    with pytest.raises(DataError, match="The box covers no pixel of the frame of 48×80"):
        made(box(of=(0, 90, 10, 100)))


def test_a_box_begins_anew_and_stays_behind_other_objects():
    marks = made(box(1, (0, 0, 10, 10)), box(2, (0, 5, 10, 20)), box(1, (5, 0, 15, 10)))
    assert (marks.labels[:10, 10:20] == 2).all()
    assert (marks.labels[:5, :5] == 0).all()
    assert (marks.labels[10:15, :10] == 1).all()
    with pytest.raises(DataError, match="outside the other objects"):
        made(box(1), box(2, (10, 20, 20, 30)))


def test_polygons_add_and_count_from_the_centre_of_pixels():
    triangle = "polygon", 3, [(2, 2), (6, 2), (2, 6)]
    square = "polygon", 3, [(20, 20), (23, 20), (23, 23), (20, 23)]
    marks = made(triangle, square)
    assert (marks.labels[20:24, 20:24] == 3).all()
    assert marks.labels[2, 2] == marks.labels[2, 6] == marks.labels[6, 2] == 3
    assert marks.labels[6, 6] == 0
    with pytest.raises(DataError, match="polygon covers no pixel"):
        made(("polygon", 1, [(200, 0), (210, 0), (210, 9)]))


def test_a_polygon_over_another_object_takes_its_pixels():
    over = "polygon", 2, [(20, 10), (30, 10), (30, 20), (20, 20)]
    marks = made(box(1), over)
    assert marks.labels[15, 25] == 2


def test_a_stroke_is_round_and_as_wide_as_the_brush():
    dot = made(stroke("brush", [(30, 20)], radius=5)).labels
    assert dot[20, 25] == dot[25, 30] == dot[15, 30] == 1
    assert dot[16, 26] == 0  # a corner of its square
    line = made(stroke("brush", [(10, 20), (40, 20)], radius=3)).labels
    assert (line[18:23, 10:41] == 1).all()
    assert not line[:16].any()


def test_the_eraser_takes_from_its_object_only():
    marks = made(
        box(1, (0, 0, 20, 20)),
        box(2, (0, 20, 20, 40)),
        stroke("eraser", [(10, 10), (30, 10)], radius=3),
    )
    assert marks.labels[10, 10] == 0
    assert marks.labels[10, 30] == 2


def test_what_was_painted_or_erased_stays_when_the_rest_is_refined():
    grey = (5, 60)  # row and column, where nothing is
    red = (20, 30)  # inside the object
    marks = made(
        box(),
        refine(),
        stroke("brush", [grey[::-1]], radius=3),
        stroke("eraser", [red[::-1]], radius=3),
        refine(),
    )
    assert marks.labels[grey] == 1
    assert marks.labels[red] == 0


def test_a_painted_core_grows_to_the_object_but_not_over_others():
    core = stroke("brush", [(26, 20), (34, 20)], radius=6)
    other = stroke("brush", [(21, 12), (21, 28)], radius=1, label=2)
    marks = made(core, other, refine())
    assert iou(marks.labels > 0, TRUTH == 1) > 0.9
    assert marks.labels[20, 21] == 2
    assert (made(core).labels == 1).sum() < 0.6 * (TRUTH == 1).sum()


def test_a_correction_begins_with_what_was_found():
    found = np.where(TRUTH == 1, 1, 2).astype(np.uint8)
    marks = EMPTY.with_found(1, found).eraser(1, [(30, 20)], 2)
    assert marks.ids == {1}
    assert marks.labels[12, 22] == 1
    assert marks.labels[20, 30] == 0
    assert marks.with_found(1, found) is marks  # it is marked now


def test_an_object_is_cleared_alone():
    marks = made(box(1), stroke("brush", [(5, 5)], label=2), ("clear", 1))
    assert marks.ids == {2}
    assert not marks.outlined
    assert (marks.sure == (marks.labels == 2)).all()


def test_objects_come_and_go_in_all_frames():
    marks = Marks((1, 3), {4: made(box(1), box(3, (0, 60, 9, 70))), 2: made(box(3)), 1: EMPTY})
    assert list(marks.labels()) == [2, 4]
    with_another, added = marks.with_new_object()
    assert (with_another.objects, added) == ((1, 2, 3), 2)
    left = marks.without(3)
    assert left.objects == (1,)
    assert list(left.labels()) == [4]
    for label in (1, 2):  # the last one, and none
        with pytest.raises(DataError):
            left.without(label)
    with pytest.raises(DataError, match="254"):
        Marks(tuple(range(1, 255))).with_new_object()


def test_nothing_cannot_be_refined():
    with pytest.raises(DataError, match="not marked in this frame"):
        made(refine())


def test_a_frame_that_is_all_marked_cannot_be_refined():
    with pytest.raises(DataError, match="nothing around the object"):
        made(box(1, (0, 0, *SIZE)), refine())


def test_an_object_like_its_surroundings_is_not_lost():
    plain = np.full((*SIZE, 3), 90, np.uint8)
    with pytest.raises(DataError, match="all of the object for background"):
        made(box(), refine(frame=plain))


def test_refining_is_repeatable():
    noise = np.random.default_rng(0).integers(0, 40, (*SIZE, 3), dtype=np.uint8)
    first, second = (made(box(), refine(frame=FRAME // 2 + noise)).labels for _ in range(2))
    assert (first == second).all()
    assert iou(first == 1, TRUTH == 1) > 0.7


def test_a_large_object_is_refined_at_a_smaller_size():
    frame, truth = draw((700, 900), [(1, 100, 150, 500)])
    marks = FrameMarks.empty((700, 900)).box(1, (60, 100, 640, 700)).refine(1, frame)
    assert iou(marks.labels == 1, truth == 1) > 0.97


@pytest.mark.parametrize(
    "edit",
    [
        ("box", 0, (0, 0, 1, 1)),
        ("box", 255, (0, 0, 1, 1)),
        ("box", 1, (0, 0, 1)),
        ("polygon", 1, [(0, 0), (1, 1)]),
        ("brush", 1, [(0, 1e9)], 1),
        ("brush", 1, [(0, float("nan"))], 1),
        ("brush", 1, [(0, 0)], 0),
        ("clear", 1, 3),
    ],
)
def test_a_wrong_edit_is_refused(edit):
    with pytest.raises(ValidationError):
        made(edit)
