from dataclasses import replace

import numpy as np
import pytest

from ranet.annotator.annotation import Annotations, FrameAnnotation, History
from ranet.errors import DataError

SIZE = (4, 6)


def marks(*labels):
    """Each label has a column."""
    drawn = np.zeros(SIZE, np.uint8)
    for column, label in enumerate(labels):
        drawn[:, column] = label
    return FrameAnnotation(drawn, drawn > 0)


def test_an_object_is_taken_away_alone():
    left = replace(marks(1, 2, 2), outlined=frozenset({1, 2})).without(2)
    assert left.ids == {1}
    assert left.sure.sum() == 4
    assert left.outlined == {1}


def test_frames_count_as_marked_that_hold_an_object():
    annotations = Annotations((1, 2), {5: marks(1), 3: marks(), 2: marks(0, 2)})
    assert list(annotations.marked()) == [2, 5]


def test_new_objects_take_the_lowest_free_id():
    assert Annotations((1, 3)).with_new_object().objects == (1, 2, 3)
    with pytest.raises(DataError, match="At most 254"):
        Annotations(tuple(range(1, 255))).with_new_object()


def test_a_removed_object_leaves_all_frames():
    left = Annotations((1, 2), {0: marks(1, 2), 4: marks(2)}).without_object(2)
    assert left.objects == (1,)
    assert list(left.marked()) == [0]
    with pytest.raises(DataError, match="The last object cannot be removed"):
        left.without_object(1)
    with pytest.raises(DataError, match=r"no object 2; there are \[1\]"):
        left.without_object(2)


def test_what_was_done_can_be_undone_and_done_again():
    history = History(Annotations())
    first = history.now
    history.do(first.with_frame(3, marks(1)), 3)
    history.do(history.now.with_new_object(), 7)
    done = history.now
    assert (history.undo(), history.undo()) == (7, 3)
    assert history.now is first
    assert (history.redo(), history.redo()) == (3, 7)
    assert history.now is done
    assert not history.can_redo
    with pytest.raises(DataError, match="nothing to redo"):
        history.redo()


def test_after_a_change_nothing_undone_comes_back():
    history = History(Annotations())
    history.do(history.now.with_new_object(), 0)
    history.undo()
    history.do(history.now.with_frame(0, marks(1)), 0)
    assert not history.can_redo
    history.undo()
    with pytest.raises(DataError, match="nothing to undo"):
        history.undo()


def test_the_way_back_is_bounded_and_every_change_has_a_version():
    history = History(Annotations())
    for _ in range(50):
        history.do(history.now.with_new_object(), 0)
    versions = {history.version}
    while history.can_undo:
        history.undo()
        versions.add(history.version)
    assert len(history.now.objects) == 21
    assert len(versions) == 31
