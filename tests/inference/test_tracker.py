"""Several videos in one batch come out as one by one."""

import gc

import numpy as np
import pytest
import torch
from colour_network import ColourNetwork
from device_questions import (
    NOTICED,
    QUESTIONS,
    SHOWN_BY_OPERATORS_ALONE,
    asked_in_the_step,
    downloads_from_meta,
)
from moving_squares import moving
from tiny_ranet import tiny_ranet

from ranet.config import InferenceConfig
from ranet.errors import DataError
from ranet.inference.segmenter import VideoSegmenter
from ranet.inference.tracker import Tracker

SIZE = (64, 96)


def config(**changes):
    small = {"input_size": SIZE, "frame_size": SIZE, "smallest_crop": 16, "device": "cpu"}
    return InferenceConfig(**{**small, **changes})


def video(number, frames=5, ids=(1, 2), size=SIZE):
    corners = {k: (3 + 7 * number + 5 * i, 4 + 30 * i) for i, k in enumerate(ids)}
    return moving(size, frames, corners, step=(1 + number, 2 - number), side=20)


def followed_alone(videos, network, **changes):
    """Of each video: labels of all frames, and probabilities of the last."""
    segmenter = VideoSegmenter(network, config(**changes))
    results = []
    for (frame, labels), *rest in videos:
        masks = [segmenter.start(frame, labels), *(segmenter.step(frame) for frame, _ in rest)]
        results.append((masks, segmenter.probabilities))
    return results


def followed_together(videos, network, **changes):
    tracker = Tracker(network, config(**changes))
    followed = [tracker.start(*video[0]) for video in videos]
    masks = [[one.labels] for one in followed]
    for frames in zip(*(video[1:] for video in videos), strict=True):
        labels = tracker.step(followed, [frame for frame, _ in frames])
        for of_video, of_frame in zip(masks, labels, strict=True):
            of_video.append(of_frame)
    last = [one.canvas.restore(one.state.probabilities)[0].numpy() for one in followed]
    return list(zip(masks, last, strict=True))


@pytest.mark.parametrize("ids", [(1,), (1, 2), (5, 9)])
@pytest.mark.parametrize("objects", ["single", "multi"])
def test_videos_are_segmented_as_one_by_one(objects, ids):
    """To 1e-4 in probability: a batch of this random network adds up to 2e-5 another way.

    It is undecided on most pixels, so thresholded masks of the frame before would flip at such
    differences.
    """
    videos = [video(number, ids=ids) for number in range(3)]
    network, options = tiny_ranet(objects), {"previous_mask": "probability"}
    alone = followed_alone(videos, network, **options)
    together = followed_together(videos, network, **options)
    for (masks, last), (masks_together, last_together) in zip(alone, together, strict=True):
        np.testing.assert_allclose(last_together, last, rtol=0, atol=1e-4)
        assert np.array_equal(masks_together[0], masks[0])
        assert all(set(np.unique(mask)) <= {0, *ids} for mask in masks_together)


@pytest.mark.parametrize("fusion", ["softmax", "sigmoid"])
def test_frames_of_several_sizes_share_a_canvas(fusion):
    sizes = [SIZE, (96, 144), (96, 144), (50, 90)]
    videos = [video(number, size=size) for number, size in enumerate(sizes)]
    alone = followed_alone(videos, ColourNetwork(), fusion=fusion)
    together = followed_together(videos, ColourNetwork(), fusion=fusion)
    for (masks, _), (masks_together, _), size in zip(alone, together, sizes, strict=True):
        for mask, mask_together in zip(masks, masks_together, strict=True):
            assert mask_together.shape == size
            assert np.array_equal(mask_together, mask)


def test_videos_come_and_go():
    videos = [video(number, frames=8) for number in range(3)]
    expected = [masks for masks, _ in followed_alone(videos, ColourNetwork())]
    tracker = Tracker(ColourNetwork(), config())
    followed = [tracker.start(*video[0]) for video in videos]
    at = [0, 0, 0]
    for members in ([0, 1], [0, 1], [0, 2], [2], [1, 2], [2, 1], [0, 1, 2]):
        for index in members:
            at[index] += 1
        frames = [videos[index][at[index]][0] for index in members]
        labels = tracker.step([followed[index] for index in members], frames)
        for index, mask in zip(members, labels, strict=True):
            assert np.array_equal(mask, expected[index][at[index]])


def test_states_are_stacked_only_when_other_videos_are_given(monkeypatch):
    videos = [video(number) for number in range(3)]
    tracker = Tracker(ColourNetwork(), config())
    followed = [tracker.start(*video[0]) for video in videos]
    given, step = [], tracker.network.step
    monkeypatch.setattr(
        tracker.network, "step", lambda *of: given.append(of[0].templates[0].masks) or step(*of)
    )
    for members in ([0, 1], [0, 1], [1, 2], [1, 2]):
        frames = [videos[index][1][0] for index in members]
        tracker.step([followed[index] for index in members], frames)
    assert given[0] is given[1]
    assert given[1] is not given[2]
    assert given[2] is given[3]
    assert len(given[0]) == 2


def test_a_step_that_is_made_for_one_size_of_batch_gets_one_size():
    videos = [video(number, frames=4) for number in range(3)]
    expected = [masks for masks, _ in followed_alone(videos, ColourNetwork())]
    network = ColourNetwork()
    with pytest.warns(UserWarning, match="cuda_graph: true has no effect on the device cpu"):
        tracker = Tracker(network, config(cuda_graph=True))
    followed = [tracker.start(*video[0]) for video in videos]
    sizes = []
    for step, members in enumerate(([0, 1, 2], [1, 2], [2]), start=1):
        frames = [videos[index][step][0] for index in members]
        labels = tracker.step([followed[index] for index in members], frames)
        sizes.append(len(network.seen["image"]))
        for index, mask in zip(members, labels, strict=True):
            assert np.array_equal(mask, expected[index][step])
    assert sizes == [3, 3, 3]


def require_no_question_but_labels(network):
    """Raise an error if a step asks the device for more than labels, once."""
    videos = [video(number) for number in range(2)]
    segmenter = VideoSegmenter(network, config())
    together = segmenter.tracker
    together.device = torch.device("meta")
    together.network.method.to("meta")
    with downloads_from_meta() as downloads:
        segmenter.start(*videos[0][0])
        followed = [together.start(*video[0]) for video in videos]
        downloads.clear()
        segmenter.step(videos[0][1][0])
        together.step(followed, [video[1][0] for video in videos])
    assert downloads == [(1, *SIZE), (2, *SIZE)], "a step waits for the device more than once"


def test_a_step_asks_the_device_for_nothing_but_the_labels():
    require_no_question_but_labels(tiny_ranet("multi"))


def notices():
    return pytest.raises(
        (AssertionError, RuntimeError, TypeError), match=f"{NOTICED}|more than once"
    )


@pytest.mark.parametrize("name", sorted(QUESTIONS.keys() - SHOWN_BY_OPERATORS_ALONE))
def test_the_check_notices_a_question(name):
    with downloads_from_meta() as downloads, notices():
        QUESTIONS[name](torch.ones(4, device="meta"))
        assert downloads == [], "more than once"


@pytest.mark.parametrize("name", ["cpu", "item"])
def test_the_check_notices_a_question_in_the_step(name):
    with asked_in_the_step(QUESTIONS[name]), notices():
        require_no_question_but_labels(ColourNetwork())


def tensor_bytes():
    gc.collect()
    # What torch.compile left of other tests' tensors has no memory.
    kinds = (torch.Tensor, torch.nn.Parameter)
    tensors = [o for o in gc.get_objects() if type(o) in kinds]
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    return len(tensors), sum(storages.values())


def test_memory_does_not_grow_with_the_videos():
    videos = [video(number, frames=31) for number in range(2)]
    tracker = Tracker(tiny_ranet(), config())
    followed = [tracker.start(*video[0]) for video in videos]
    held = {}
    for index in range(1, 31):
        tracker.step(followed, [video[index][0] for video in videos])
        if index in (3, 30):
            held[index] = tensor_bytes()
    assert held[3] == held[30]
    kept = [torch.zeros(SIZE)]
    assert tensor_bytes() != held[30], kept  # the measure would notice


def test_a_failed_step_leaves_all_videos_where_they_were(monkeypatch):
    videos = [video(number) for number in range(2)]
    tracker = Tracker(ColourNetwork(), config())
    followed = [tracker.start(*video[0]) for video in videos]
    frames = [video[1][0] for video in videos]

    def out_of_memory(*_, **__):
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(ColourNetwork, "segment", out_of_memory)
        with pytest.raises(RuntimeError, match="out of memory"):
            tracker.step(followed, frames)
    again = tracker.step(followed, frames)
    expected = followed_alone([video[:2] for video in videos], ColourNetwork())
    for mask, (masks, _) in zip(again, expected, strict=True):
        assert np.array_equal(mask, masks[1])


# --- errors


def test_videos_of_several_groups_are_refused():
    tracker = Tracker(ColourNetwork(), config(frame_size=None))
    one, two = (tracker.start(*video(0, ids=ids)[0]) for ids in ((1,), (1, 2)))
    larger = tracker.start(*video(0, size=(96, 144))[0])
    frame = video(0)[1][0]
    with pytest.raises(DataError, match="found 64×96 with 1 and 64×96 with 2"):
        tracker.step([one, two], [frame, frame])
    with pytest.raises(DataError, match="found 64×96 with 2 and 96×144 with 2"):
        tracker.step([larger, two], [frame, frame])
    with pytest.raises(DataError, match="found no video"):
        tracker.step([], [])
    assert tracker.group((96, 144), 2) == ((96, 144), 2)
    assert Tracker(ColourNetwork(), config()).group((96, 144), 2) == (SIZE, 2)


def test_videos_of_several_networks_are_refused():
    """As with online learning, which gives each video one of its own."""
    trackers = [Tracker(ColourNetwork(), config()) for _ in range(2)]
    frame, labels = video(0)[0]
    with pytest.raises(DataError, match="one network"):
        trackers[0].step([one.start(frame, labels) for one in trackers], [frame] * 2)


def test_a_frame_of_another_size_is_an_error():
    tracker = Tracker(ColourNetwork(), config())
    followed = tracker.start(*video(0)[0])
    with pytest.raises(DataError, match="This frame is 50×90, but its video began with 64×96"):
        tracker.step([followed], [video(0, size=(50, 90))[0][0]])


def test_a_start_is_checked_as_that_of_one_video():
    tracker = Tracker(ColourNetwork(), config())
    frame, labels = video(0)[0]
    with pytest.raises(DataError, match="mark no object"):
        tracker.start(frame, labels * 0)
    with pytest.raises(DataError, match="found list"):
        tracker.start(frame.tolist(), labels)
