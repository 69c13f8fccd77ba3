"""The memory against worked values, and what stays in it."""

import math

import pytest
import torch

from ranet.methods.dmn_aoa.memory import (
    Entry,
    Memory,
    empty_memory,
    read,
    relevance,
    remember,
    with_places,
    with_targets,
)


def entry(*numbers):
    """Of one target in each of B videos, one number for key, value and cover."""
    of_videos = torch.tensor([float(number) for number in numbers])[:, None, None]
    return Entry(of_videos[..., None], 10 * of_videos[..., None], of_videos / 10)


def begun(limit=None):
    empty = empty_memory(torch.zeros(1), limit or 0, (1, 1), 1)
    return with_targets(empty, entry(0))


def remembered(memory, video=0, target=0):
    """What each place holds, None where nothing is stored."""
    keys, stored = memory.keys[video, target, :, 0, 0], memory.stored[video, target]
    return [int(k) if s else None for k, s in zip(keys, stored, strict=True)]


def worked():
    """Three frames of one position, and what is looked for."""
    keys = torch.tensor([[1.0, 0], [0, 1], [2, 0]]).view(1, 1, 3, 2, 1)
    values = torch.tensor([7.0, 14, 21]).view(1, 1, 3, 1, 1)
    cover = torch.tensor([1.0, 0, 1]).view(1, 1, 3, 1)
    stored = torch.ones(1, 1, 3, dtype=torch.bool)
    memory = Memory(keys, values, cover, stored, torch.tensor([[3]]))
    return memory, torch.tensor([math.sqrt(2) * math.log(2), 0]).view(1, 1, 2, 1)


def test_reading():
    memory, query = worked()
    weights = relevance(memory, query).flatten()
    assert torch.allclose(weights, torch.tensor([2.0, 1, 4]) / 7)
    value, cover = read(memory, relevance(memory, query))
    assert value.item() == pytest.approx(16)
    assert cover.item() == pytest.approx(6 / 7)


def test_what_is_not_stored_is_not_read():
    memory, query = worked()
    expected = read(memory, relevance(memory, query))
    memory = with_places(memory, 5)
    junk = memory._replace(keys=memory.keys.index_fill(2, torch.tensor([3, 4]), 9.0))
    for found, one in zip(read(junk, relevance(junk, query)), expected, strict=True):
        assert torch.equal(found, one)


def test_all_frames_are_kept_in_which_a_target_was_found():
    memory = begun()
    for number in range(1, 5):
        memory = remember(memory, entry(number), torch.tensor([[number != 3]]), None)
    assert remembered(memory) == [0, 1, 2, None, 4]
    assert memory.written.tolist() == [[4]]


def test_a_place_is_as_large_as_the_documentation_says():
    memory = empty_memory(torch.zeros(1), 0, (64, 64), 49)
    memory = with_targets(
        memory, Entry(*(torch.zeros(1, 1, *shape) for shape in ((64, 49), (64, 49), (49,))))
    )
    floats = (memory.keys, memory.values, memory.cover)
    assert sum(part.nbytes for part in floats) == (64 + 64 + 1) * 49 * 4 == 25_284


@pytest.mark.parametrize(
    ("limit", "kept"), [(1, [0]), (2, [0, 7]), (4, [0, 7, 5, 6]), (9, [0, *range(1, 8), None])]
)
def test_a_limit_keeps_the_first_and_the_newest(limit, kept):
    memory = begun(limit)
    shapes = [part.shape for part in memory]
    for number in range(1, 8):
        memory = remember(memory, entry(number), torch.tensor([[True]]), limit)
    assert remembered(memory) == kept
    assert [part.shape for part in memory] == shapes


def test_of_several_videos_each_keeps_its_own():
    memory = Memory(*(torch.cat([part, part]) for part in begun(3)))
    for number in range(1, 5):
        found = torch.tensor([[True], [number % 2 == 0]])
        memory = remember(memory, entry(number, 10 * number), found, 3)
    assert remembered(memory, video=0) == [0, 3, 4]
    assert remembered(memory, video=1) == [0, 20, 40]


@pytest.mark.parametrize("limit", [None, 3])
def test_a_later_target_starts_anew_and_leaves_the_others(limit):
    memory = remember(begun(limit), entry(1), torch.tensor([[True]]), limit)
    later = with_targets(memory, entry(5))
    assert remembered(later, target=0) == remembered(memory)
    assert remembered(later, target=1) == [5, *[None] * (memory.stored.shape[2] - 1)]
    later = remember(later, Entry(*(torch.cat([e, e], 1) for e in entry(6))),
                     torch.tensor([[True, True]]), limit)  # fmt: skip
    assert [n for n in remembered(later, target=1) if n is not None] == [5, 6]
