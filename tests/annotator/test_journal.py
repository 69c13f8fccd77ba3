"""That no change of the marks is lost."""

import os

import numpy as np
import pytest

from ranet.annotator.journal import Journal, open_journal
from ranet.annotator.marks import FrameMarks, Marks
from ranet.errors import DataError, OutputError

IDENTITY = {"size": [4, 6], "files": "these", "masks": None}


def column(number, label):
    """Marks of a frame in which an object has a column."""
    labels = np.zeros((4, 6), np.uint8)
    labels[:, number] = label
    return FrameMarks(labels, labels > 1, frozenset({label}))


BEGINNING = Marks((1, 2), {7: column(0, 2)})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "surf.journal"


def journal_of(path, **identity):
    return Journal(path, {**IDENTITY, **identity}, BEGINNING)


def draw(journal, number, frame=3):
    marks = Marks(journal.now.objects, {**journal.now.frames, frame: column(number, 1)})
    journal.do(marks, frame)


def same(one, other):
    return one.objects == other.objects and all(
        (a.labels == b.labels).all() and (a.sure == b.sure).all() and a.outlined == b.outlined
        for a, b in ((one.frames[n], other.frames[n]) for n in one.frames.keys() | other.frames)
    )


def test_what_was_done_is_undone_and_done_again(path):
    journal = journal_of(path)
    for frame in (3, 5):
        draw(journal, 1, frame)
    last = journal.now
    assert (journal.step(-1), journal.step(-1)) == (5, 3)
    assert same(journal.now, BEGINNING)
    with pytest.raises(DataError, match="undo"):
        journal.step(-1)
    assert (journal.step(1), journal.step(1)) == (3, 5)
    assert journal.now is last
    journal.step(-1)
    draw(journal, 2)
    with pytest.raises(DataError, match="redo"):
        journal.step(1)


def test_another_process_goes_on_exactly_there(path):
    journal = journal_of(path)
    assert not path.exists()  # nothing was done
    for number in range(40):  # more than can be undone
        draw(journal, number % 6)
    for by in (-1, -1, -1, 1):
        journal.step(by)
    journal.do(journal.now.with_new_object()[0], 0)
    journal.step(-1)
    again = Journal(path, IDENTITY, Marks())
    assert again.resumed
    while True:
        assert same(again.now, journal.now)
        assert again.can_step(1) == journal.can_step(1)
        if not journal.can_step(-1):
            break
        assert again.step(-1) == journal.step(-1)
    assert not again.can_step(-1)


def test_a_change_that_was_cut_short_is_as_if_it_never_was(path):
    draw(journal_of(path), 1)
    whole = path.read_bytes()
    draw(journal_of(path), 2)
    path.write_bytes(path.read_bytes()[:-3])  # of its line
    journal = journal_of(path)
    draw(journal, 4)
    assert same(journal_of(path).now, journal.now)
    assert path.read_bytes().startswith(whole)


def test_a_change_that_cannot_be_written_is_not_made(path, monkeypatch):
    journal = journal_of(path)
    draw(journal, 1)
    before = journal.now

    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match="No space left"):
            draw(journal, 2)
        with pytest.raises(OutputError, match="No space left"):
            journal.step(-1)
    assert journal.now is before
    draw(journal, 3)
    assert same(journal_of(path).now, journal.now)


def damage(line, offset):
    return lambda lines: lines[line - 1].__setitem__(offset, lines[line - 1][offset] ^ 1)


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (damage(1, 20), 1),
        (damage(3, 2), 3),
        (damage(3, -9), 3),
        (lambda lines: lines.clear(), 1),
        (lambda lines: lines.pop(0), 1),  # no line tells of which video
        (lambda lines: lines.insert(1, bytearray(b"no journal")), 2),
    ],
)
def test_a_damaged_file_is_told_and_stays(path, spoil, line):
    journal = journal_of(path)
    for number in range(3):
        draw(journal, number)
    lines = [bytearray(each) for each in path.read_bytes().splitlines()]
    spoil(lines)
    data = b"".join(bytes(each) + b"\n" for each in lines)
    path.write_bytes(data)
    with pytest.raises(DataError, match=rf"surf.journal is damaged in line {line}"):
        journal_of(path)
    assert path.read_bytes() == data


def test_marks_of_something_else_are_refused_and_stay(path):
    draw(journal_of(path, masks="mine"), 1)
    data = path.read_bytes()
    for other in ({"size": [6, 4]}, {"files": "others"}, {"masks": "theirs"}):
        with pytest.raises(DataError, match="--fresh"):
            journal_of(path, **other)
    assert path.read_bytes() == data
    assert journal_of(path).resumed  # masks need not be given again


def test_beginning_anew_keeps_what_was_there(path):
    for content in (b"one", b"two"):
        path.write_bytes(content)
        with open_journal(path, IDENTITY, BEGINNING, fresh=True) as journal:
            assert journal.now is BEGINNING
            assert not journal.resumed
    kept = {each.name: each.read_bytes() for each in path.parent.iterdir()}
    assert kept == {"surf.2.journal": b"one", "surf.3.journal": b"two"}


def test_one_process_at_a_time(path):
    with (
        open_journal(path, IDENTITY, BEGINNING),
        pytest.raises(OutputError, match="Another run"),
        open_journal(path, IDENTITY, BEGINNING),
    ):
        pass
