"""Videos on the device, and how any number of them goes on by a frame.

::

    tracker = Tracker(load_checkpoint("ranet.pt"))
    videos = [tracker.start(frame, labels) for frame, labels in first_frames]
    for frames in zip(*rest_of_the_videos):
        labels = tracker.step(videos, frames)

A frame is uploaded once and its labels are downloaded once, as bytes; nothing between waits for the
device. Several videos, a frame of each in one batch, fill a GPU: each is segmented as it would be
alone (a batch adds up in another order, which floats notice). Videos may come and go from step to
step; those of a step have canvases of one size and equally many objects.

All that is kept of the past is the method's state: RANet's does not grow with the video. With
online learning, a copy of the network is fine-tuned on the first frame before a video is followed
with it; the next video starts from the network as it was given.

B videos, K objects, H×W a video's frames, h×w their canvas.
"""

import itertools
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ranet.config import InferenceConfig
from ranet.datasets.labels import checked_labels
from ranet.device import exact_float32, resolve_device, synchronise
from ranet.errors import DataError
from ranet.inference.canvas import Canvas, Frame, PlacedFrame, page_locked, to_host
from ranet.inference.network import Network, resolved
from ranet.methods.base import State, VOSMethod
from ranet.methods.objects import FUSIONS, to_labels
from ranet.structures import one_hot_masks
from ranet.wording import count, size_text, some_of

Group = tuple[tuple[int, int], int]
"""Size of the canvas and number of objects: what videos of one step have in common."""


@dataclass(eq=False)
class FollowedVideo:
    """All that is known of a video being segmented: its last frame, H×W, on its canvas, h×w.

    Its tensors are replaced from frame to frame, never changed.
    """

    network: Network  # which follows this video
    canvas: Canvas
    image: Tensor  # 1×3×h×w in [0, 1]
    state: State  # of the method, of this one video
    labels: np.ndarray  # H×W uint8
    ids: tuple[int, ...] = ()  # of the K objects


class Tracker:
    """The network on its device, and what takes videos from frame to frame with it.

    Args:
        model: the network. In float32 it is moved to the device and set to evaluation; for half
            precision and other layouts of memory, a copy is, and it stays as and where it is.
        config: canvas and crop, fusion of objects, device and precision; None: the defaults.

    Raises:
        ConfigError: the machine lacks the device asked for.
        TypeError: ``model`` is no network.
    """

    def __init__(self, model: VOSMethod, config: InferenceConfig | None = None) -> None:
        if not isinstance(model, VOSMethod):
            raise TypeError(
                "Expected a network, as load_checkpoint(path) returns it, found "
                f"{model!r}, a {type(model).__name__}."
            )
        self.model = model
        self.config = resolved(config or InferenceConfig(), model)
        """With what was left to the network filled in."""
        self.device = resolve_device(self.config.device)
        self.network = Network(model, self.config)
        """With online learning, the one that follows the video that was started last."""
        self.step_seconds = 0.0
        """Wall time of the last :meth:`step` for all of its videos together, from the frames that
        are handed over to labels in host memory; reading them waits for the device, so it is a
        synchronised time."""
        self.online_seconds = 0.0
        """Wall time, synchronised, that the last :meth:`start` spent on online learning."""
        self._fusion = FUSIONS[self.config.fusion]
        self._stacked: tuple[list[State], State] | None = None
        self._largest: dict[Group, int] = {}
        # Of the GPU's queues, the one for what is done ahead.
        self._ahead = torch.cuda.Stream(self.device) if self.device.type == "cuda" else None

    @property
    def ways(self) -> tuple[str, ...]:
        """How all steps so far were computed, of ``compile``, ``cuda_graph``, ``channels_last``."""
        ran = {**self.network.ran, "channels_last": self.config.channels_last}
        return tuple(way for way, so in ran.items() if so)

    def group(self, size: tuple[int, int], objects: int) -> Group:
        """What a video has to have in common with others to be segmented in one step with them.

        Args:
            size: (H, W) of its frames.
            objects: how many there are.
        """
        return self._canvas(size).size, objects

    def start(self, frame: np.ndarray, labels: np.ndarray) -> FollowedVideo:
        """A video at its first frame, for :meth:`step`; as :meth:`.VideoSegmenter.start`."""
        check_frame(frame)
        size = frame.shape[:2]
        labels, ids = checked_labels(labels, size)
        canvas = self._canvas(size)
        image = self._place(canvas, [frame])
        if self.config.online is not None:
            self.network = self._fine_tuned(canvas, image, labels)
        with torch.inference_mode():
            state = self.network.method.new_state(image)
        video = FollowedVideo(self.network, canvas, image, state, np.zeros(size, np.uint8))
        self._mark(video, labels, ids)
        return video

    @torch.inference_mode()
    def step(self, videos: Sequence[FollowedVideo], frames: Sequence[Frame]) -> list[np.ndarray]:
        """Segment the next frame of each video.

        Those that have frames of one size are best given one after the other: they are uploaded
        and downloaded together. A step that fails leaves all videos where they were.

        Args:
            videos: B that one network follows, of one :meth:`group`.
            frames: B of H×W×3 uint8 RGB, each of the size of its video's first frame, or what
                :meth:`prepare` returned for it.

        Returns:
            B of H×W uint8: 0 background and the ids of the objects.

        Raises:
            DataError: a frame has another size or type, or the videos are not of one group.
        """
        began = time.perf_counter()
        group = self._group_of(videos)
        for video, frame in zip(videos, frames, strict=True):
            _check_next(frame, video)
        # The last is repeated where this makes a batch as large as an earlier one.
        filling = self._filling(group, len(videos))
        batch = [*videos, *[videos[-1]] * filling]
        images = self._images(batch, [*frames, *[frames[-1]] * filling])
        with exact_float32(self.device):
            _, state = videos[0].network.step(self._stacked_state(batch), images)
        labels = self._labels(batch, state.probabilities)
        states = [state] if len(batch) == 1 else [_of_video(state, n) for n in range(len(batch))]
        self._stacked = (states, state)
        for index, video in enumerate(batch):
            video.image, video.state = images[index, None], states[index]
            video.labels = labels[index]
        self.step_seconds = time.perf_counter() - began
        return labels[: len(videos)]

    def prepare(self, frame: np.ndarray) -> Frame:
        """As :meth:`.VideoSegmenter.prepare`."""
        check_frame(frame)
        if self._ahead is None:
            return frame
        canvas = self._canvas(frame.shape[:2])
        with torch.cuda.stream(self._ahead):
            return PlacedFrame(canvas, self._place(canvas, [frame]), self._ahead.record_event())

    def add_objects(
        self, video: FollowedVideo, frame: np.ndarray, labels: np.ndarray
    ) -> np.ndarray:
        """Labels of a frame with further objects; as :meth:`.VideoSegmenter.add_objects`."""
        _check_next(frame, video)
        labels, ids = checked_labels(labels, frame.shape[:2])
        if known := sorted(set(ids) & set(video.ids)):
            raise DataError(
                f"Objects {known} are followed already: expected new ids, with known objects set "
                "to 0."
            )
        self._reach(video, frame)
        self._mark(video, labels, ids)
        return video.labels

    def correct(self, video: FollowedVideo, frame: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """As :meth:`.VideoSegmenter.correct`."""
        _check_next(frame, video)
        labels, ids = checked_labels(labels, frame.shape[:2])
        self._reach(video, frame)
        kept = [channel for channel, label in enumerate(video.ids) if label not in ids]
        corrected = replace(  # the video stays as it is where nothing can be seen of the new marks
            video,
            state=video.network.method.keep_objects(video.state, kept),
            labels=np.where(np.isin(video.labels, ids), 0, video.labels).astype(np.uint8),
            ids=tuple(video.ids[channel] for channel in kept),
        )
        self._mark(corrected, labels, ids)
        video.state, video.labels, video.ids = corrected.state, corrected.labels, corrected.ids
        return video.labels

    def _reach(self, video: FollowedVideo, frame: np.ndarray) -> None:
        """Segment a frame, unless it is the one that was segmented last."""
        image = self._place(video.canvas, [frame])
        if not torch.equal(image, video.image):
            self.step([video], [PlacedFrame(video.canvas, image)])

    def _canvas(self, size: tuple[int, int]) -> Canvas:
        return Canvas.for_frames(size, self.config.frame_size)

    @torch.inference_mode()
    def _place(self, canvas: Canvas, frames: Sequence[np.ndarray]) -> Tensor:
        """Frames of one size, B of H×W×3 uint8, on the device: B×3×h×w in [0, 1]."""
        on_cuda = self.device.type == "cuda"
        pixels = page_locked((len(frames), *canvas.frame, 3), wanted=on_cuda)
        for row, frame in zip(pixels.numpy(), frames, strict=True):
            row[...] = frame
        on_device = pixels.to(self.device, non_blocking=on_cuda)
        return canvas.place(on_device.permute(0, 3, 1, 2).float() / 255)

    def _images(self, videos: Sequence[FollowedVideo], frames: Sequence[Frame]) -> Tensor:
        """Frames on canvases of one size, B×3×h×w; what was not prepared is placed now."""
        pairs = zip((video.canvas for video in videos), frames, strict=True)
        images: list[Tensor] = []
        for (canvas, kind), run in itertools.groupby(pairs, lambda pair: (pair[0], type(pair[1]))):
            members = [frame for _, frame in run]
            if kind is PlacedFrame:
                images += [frame.take() for frame in members]
            else:
                images.append(self._place(canvas, members))
        return images[0] if len(images) == 1 else torch.cat(images)

    def _stacked_state(self, videos: Sequence[FollowedVideo]) -> State:
        """The states of B videos as one; made anew only where other videos are given."""
        states = [video.state for video in videos]
        if len(states) == 1:
            return states[0]
        if self._stacked is not None and len(self._stacked[0]) == len(states):
            before, stacked = self._stacked
            if all(a is b for a, b in zip(before, states, strict=True)):
                return stacked
        return videos[0].network.method.stack(states)

    def _filling(self, group: Group, videos: int) -> int:
        """How many a batch lacks to be as large as others were.

        Compiling or recording a step for every size of batch takes longer than it ever saves.
        """
        if not self.network.asked:
            return 0
        self._largest[group] = max(videos, self._largest.get(group, 0))
        return self._largest[group] - videos

    def _group_of(self, videos: Sequence[FollowedVideo]) -> Group:
        if len({video.network for video in videos}) > 1:
            raise DataError(
                "Videos that are segmented in one step should be followed by one network, but "
                "online learning gives each its own."
            )
        groups = {self.group(video.canvas.frame, len(video.ids)) for video in videos}
        if len(groups) != 1:
            found = [f"{size_text(size)} with {objects}" for size, objects in sorted(groups)]
            raise DataError(
                "Videos that are segmented in one step should have canvases of one size and "
                f"equally many objects, found {' and '.join(found) or 'no video'}."
            )
        return groups.pop()

    def _labels(self, videos: Sequence[FollowedVideo], probabilities: Tensor) -> list[np.ndarray]:
        """H×W uint8 of each video, from B×K×h×w."""
        channels, last = [], 0
        for canvas, run in itertools.groupby(video.canvas for video in videos):
            first, last = last, last + len(list(run))
            # A few objects at a time: at the frames' own size, which may be 4K, all are many.
            at_once = max(1, self.config.objects_at_once // (last - first))
            parts = probabilities[first:last].split(at_once, dim=1)
            objects = to_labels(self._fusion, (canvas.restore(part) for part in parts))
            channels.append(objects.byte())  # B×H×W, 0 to K
        on_host = to_host(channels, self.device)  # the step's only wait for the device
        return [
            np.array((0, *video.ids), np.uint8).take(channel)
            for video, channel in zip(videos, itertools.chain.from_iterable(on_host), strict=True)
        ]

    @torch.inference_mode()
    def _mark(self, video: FollowedVideo, labels: np.ndarray, ids: tuple[int, ...]) -> None:
        """Take new objects, H×W uint8 of these ids, as given in the last frame of a video."""
        channels = np.zeros(256, np.uint8)
        channels[list(ids)] = np.arange(1, len(ids) + 1)
        ordered = torch.from_numpy(channels[labels])[None].to(self.device)
        masks = one_hot_masks(video.canvas.place_labels(ordered), len(ids))
        method = video.network.method
        with exact_float32(self.device):
            state = method.add_objects(video.state, video.image, masks)
        _check_seen(method, state, video.canvas, labels, ids)
        video.state = state
        video.labels = np.where(labels > 0, labels, video.labels)
        video.ids += ids

    def _fine_tuned(self, canvas: Canvas, image: Tensor, labels: np.ndarray) -> Network:
        """What follows a video with a network that has learned from its first frame."""
        # Only here, so that whoever does not learn loads nothing of training.
        from ranet.training.online import fine_tune

        began = time.perf_counter()
        on_canvas = canvas.place_labels(torch.from_numpy(labels)[None])
        model = fine_tune(
            self.model,
            (image[0] * 255).round().byte().permute(1, 2, 0).cpu().numpy(),
            on_canvas[0].numpy(),
            self.config.model_copy(
                update={"input_size": self.network.method.size_seen(canvas.size)}
            ),
        )
        synchronise(self.device)
        self.online_seconds = time.perf_counter() - began
        return Network(model, self.config)


def _of_video(state: State, number: int) -> State:
    """The state of one of the videos of a stack."""
    return pytree.tree_map(lambda tensor: tensor[number, None], state)


def _check_seen(
    method: VOSMethod, state: State, canvas: Canvas, labels: np.ndarray, ids: Sequence[int]
) -> None:
    """Warn of new objects that are too small for the network; all of them are an error."""
    seen = method.sees(state)[-len(ids) :].cpu().tolist()
    unseen = [label for label, is_seen in zip(ids, seen, strict=True) if not is_seen]
    if not unseen:
        return
    pixels = np.bincount(labels.ravel(), minlength=256)
    which = some_of([f"{label} ({count(int(pixels[label]), 'pixel')})" for label in unseen])
    cure = (
        f"{which}; a frame of {size_text(labels.shape)} is resized to frame_size {canvas.size}, "
        f"its part around the objects to input_size {method.size_seen(canvas.size)}: raise these, "
        "mark the objects larger, or save the mask without smoothing."
    )
    if len(unseen) == len(ids):
        raise DataError(f"All marked objects are too small or thin for the network: {cure}")
    warnings.warn(
        f"{len(unseen)} of {count(ids, 'object')} are too small or thin for the network, which can "
        f"at best go by their last masks: {cure}",
        UserWarning,
        stacklevel=6,  # whoever calls a VideoSegmenter
    )


def check_frame(frame: np.ndarray) -> None:
    """Raise DataError unless ``frame`` is an H×W×3 uint8 array."""
    if isinstance(frame, np.ndarray):
        if frame.ndim == 3 and frame.shape[2] == 3 and frame.dtype == np.uint8 and frame.size:
            return
        found = f"shape {frame.shape} of {frame.dtype}"
    else:
        found = f"{type(frame).__name__}"
    raise DataError(f"A frame should be an H×W×3 uint8 RGB numpy array, found {found}.")


def _check_next(frame: Frame, video: FollowedVideo) -> None:
    """Raise DataError unless ``frame`` is one of the video's size."""
    if isinstance(frame, PlacedFrame):
        size = frame.canvas.frame
    else:
        check_frame(frame)
        size = frame.shape[:2]
    if size != video.canvas.frame:
        raise DataError(
            f"This frame is {size_text(size)}, but its video began with "
            f"{size_text(video.canvas.frame)} (height×width): expected frames of one size."
        )
