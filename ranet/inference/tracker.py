"""Videos on the device, and how any number of them goes on by a frame.

::

    tracker = VideoSegmenter(load_checkpoint("ranet.pt")).together()
    videos = [tracker.start(frame, labels) for frame, labels in first_frames]
    for frames in zip(*rest_of_the_videos):
        labels = tracker.step(videos, frames)

A frame is uploaded once and its labels are downloaded once, as bytes; nothing between waits for the
device. Several videos, a frame of each in one batch, fill a GPU: each is segmented as it would be
alone (a batch adds up in another order, which floats notice). Videos may come and go from step to
step; those of a step have canvases of one size and equally many objects.

B videos, K objects, H×W a video's frames, h×w their canvas.
"""

import itertools
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ranet.config import InferenceConfig
from ranet.datasets.annotations import checked_labels
from ranet.device import DTYPES, exact_float32, resolve_device
from ranet.errors import DataError
from ranet.inference.canvas import Canvas
from ranet.inference.compiled_step import CompiledStep
from ranet.inference.resolve import resolved
from ranet.inference.transfer import Frame, PlacedFrame, page_locked, size_of, to_host
from ranet.methods.base import Options, Prediction, State, VOSMethod
from ranet.methods.objects import FUSIONS, to_labels
from ranet.structures import one_hot_masks
from ranet.wording import count, size_text, some_of

Group = tuple[tuple[int, int], int]
"""Size of the canvas and number of objects: what videos of one step have in common."""


@dataclass(frozen=True)
class Network:
    """A method that is prepared for inference, and its step as fast as asked for."""

    method: VOSMethod
    compiled: CompiledStep | None

    @classmethod
    def prepared(cls, method: VOSMethod, config: InferenceConfig, **options: Any) -> "Network":
        """The method on its device.

        Args:
            method: in float32 and the usual layout, it is moved there and set to evaluation.
            config: resolved.
            options: in the place of the configuration's.
        """
        device = resolve_device(config.device)
        chosen = {name: getattr(config, name) for name in Options._fields}
        chosen |= {"dtype": DTYPES[config.dtype], **options}
        method = method.for_inference(Options(**chosen)).to(device).eval()
        if not (config.compile or config.cuda_graph):
            return cls(method, None)
        compiled = CompiledStep(
            method, compile=config.compile, cuda_graph=config.cuda_graph, device=device
        )
        return cls(method, compiled)

    @property
    def step(self) -> Callable[[Any, Tensor], tuple[Prediction, Any]]:
        """What takes states and images further."""
        return self.compiled or self.method.step


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

    def forget(self, ids: set[int]) -> None:
        """Follow these objects no further, as if they had never been marked; others are ignored."""
        kept = [channel for channel, label in enumerate(self.ids) if label not in ids]
        self.state = self.network.method.keep_objects(self.state, kept)
        self.labels = np.where(np.isin(self.labels, list(ids)), 0, self.labels).astype(np.uint8)
        self.ids = tuple(self.ids[channel] for channel in kept)


class Tracker:
    """The network on its device, and what takes videos from frame to frame with it.

    Args:
        model: the network. In float32 it is moved to the device and set to evaluation; for half
            precision and other layouts of memory, a copy is, and it stays as and where it is.
        config: canvas and crop, fusion of objects, device and precision.

    Raises:
        ConfigError: the machine lacks the device asked for.
    """

    def __init__(self, model: VOSMethod, config: InferenceConfig) -> None:
        self.model = model
        self.config = resolved(config, model)
        """With what was left to the network filled in."""
        self.device = resolve_device(self.config.device)
        self.network = Network.prepared(model, self.config)
        self.step_seconds = 0.0
        """Wall time of the last :meth:`step` for all of its videos together, from the frames that
        are handed over to labels in host memory; reading them waits for the device, so it is a
        synchronised time."""
        self._fusion = FUSIONS[self.config.fusion]
        self._stacked: tuple[list[State], State] | None = None
        self._largest: dict[Group, int] = {}
        # Of the GPU's queues, the one for what is done ahead.
        self._ahead = torch.cuda.Stream(self.device) if self.device.type == "cuda" else None

    def canvas_for(self, size: tuple[int, int]) -> Canvas:
        """The canvas of frames of ``size``."""
        return Canvas.for_frames(size, self.config.frame_size)

    def group(self, size: tuple[int, int], objects: int) -> Group:
        """What a video has to have in common with others to be segmented in one step with them.

        Args:
            size: (H, W) of its frames.
            objects: how many there are.
        """
        return self.canvas_for(size).size, objects

    @torch.inference_mode()
    def begin(self, frame: np.ndarray) -> FollowedVideo:
        """A video at its first frame, H×W×3 uint8, in which no object is marked yet.

        Raises:
            DataError: the frame has another shape or type.
        """
        check_frame(frame)
        canvas = self.canvas_for(frame.shape[:2])
        image = self.place(canvas, [frame])
        state = self.network.method.new_state(image)
        return FollowedVideo(self.network, canvas, image, state, np.zeros(canvas.frame, np.uint8))

    def start(self, frame: np.ndarray, labels: np.ndarray) -> FollowedVideo:
        """A video at its first frame, H×W×3 uint8, whose objects are marked.

        Args:
            frame: H×W×3 uint8.
            labels: H×W integers: 0 background, 1…254 objects (ids may have gaps), 255 void,
                which counts as background.

        Returns:
            The video, for :meth:`step`; its ``labels`` are the result of this frame: those given,
            void as background.

        Raises:
            DataError: frame or labels have another shape or type, or there is no object, or none
                that the network could see.
        """
        video = self.begin(frame)
        self.mark(video, *checked_labels(labels, frame.shape[:2]))
        return video

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
            check_next(frame, video)
        filling = self._filling(group, len(videos))
        batch = [*videos, *[videos[-1]] * filling]
        images = self._images_of(batch, [*frames, *[frames[-1]] * filling])
        self.advance(batch, images)
        self.step_seconds = time.perf_counter() - began
        return [video.labels for video in videos]

    @torch.inference_mode()
    def advance(self, videos: Sequence[FollowedVideo], images: Tensor) -> None:
        """Segment the next frames of B videos, B×3×h×w on their canvases."""
        with exact_float32(self.device):
            _, state = videos[0].network.step(self._stacked_state(videos), images)
        labels = self._labels(videos, state.probabilities)
        states = [state] if len(videos) == 1 else [_of_video(state, n) for n in range(len(videos))]
        self._stacked = (states, state)
        for index, video in enumerate(videos):
            video.image, video.state = images[index, None], states[index]
            video.labels = labels[index]

    def _stacked_state(self, videos: Sequence[FollowedVideo]) -> State:
        """The states of B videos as one; made anew only where other videos are given."""
        states = [video.state for video in videos]
        if len(states) == 1:
            return states[0]
        if self._stacked is not None and len(self._stacked[0]) == len(states):
            before, stacked = self._stacked
            if all(a is b for a, b in zip(before, states, strict=True)):
                return stacked
        return pytree.tree_map(lambda *tensors: torch.cat(tensors), *states)

    def _filling(self, group: Group, videos: int) -> int:
        """How often the last video is repeated to make a batch of so many as large as others were.

        Compiling or recording a step for every size of batch takes longer than it ever saves.
        """
        if self.network.compiled is None:
            return 0
        self._largest[group] = max(videos, self._largest.get(group, 0))
        return self._largest[group] - videos

    def _group_of(self, videos: Sequence[FollowedVideo]) -> Group:
        groups = {self.group(video.canvas.frame, len(video.ids)) for video in videos}
        if len(groups) != 1:
            found = [f"{size_text(size)} with {objects}" for size, objects in sorted(groups)]
            raise DataError(
                "Videos that are segmented in one step should have canvases of one size and "
                f"equally many objects, found {' and '.join(found) or 'no video'}. Give those of "
                "each group in a step of their own."
            )
        return groups.pop()

    @torch.inference_mode()
    def place(self, canvas: Canvas, frames: Sequence[np.ndarray]) -> Tensor:
        """Frames of one size on their canvas, on the device.

        Args:
            canvas: of all of them.
            frames: B of H×W×3 uint8.

        Returns:
            B×3×h×w in [0, 1].
        """
        on_cuda = self.device.type == "cuda"
        pixels = page_locked((len(frames), *canvas.frame, 3), wanted=on_cuda)
        for row, frame in zip(pixels.numpy(), frames, strict=True):
            row[...] = frame
        on_device = pixels.to(self.device, non_blocking=on_cuda)
        return canvas.place(on_device.permute(0, 3, 1, 2).float() / 255)

    def prepare(self, frame: np.ndarray) -> Frame:
        """Do what can be done of a step ahead, in another thread, while the device is at work.

        Args:
            frame: H×W×3 uint8.

        Returns:
            On CUDA, the frame on its way to its canvas there; elsewhere, the frame as it is.

        Raises:
            DataError: the frame has another shape or type.
        """
        check_frame(frame)
        if self._ahead is None:
            return frame
        canvas = self.canvas_for(frame.shape[:2])
        with torch.cuda.stream(self._ahead):
            return PlacedFrame(canvas, self.place(canvas, [frame]), self._ahead.record_event())

    @torch.inference_mode()
    def _images_of(self, videos: Sequence[FollowedVideo], frames: Sequence[Frame]) -> Tensor:
        """The next frames of videos on their canvases; what was not prepared is placed now.

        Args:
            videos: B with canvases of one size.
            frames: B, each of its video's size.

        Returns:
            B×3×h×w in [0, 1].
        """
        pairs = zip((video.canvas for video in videos), frames, strict=True)
        runs = itertools.groupby(pairs, key=lambda pair: (pair[0], type(pair[1])))
        images: list[Tensor] = []
        for (canvas, kind), run in runs:
            members = [frame for _, frame in run]
            if kind is PlacedFrame:
                images += [frame.take() for frame in members]
            else:
                images.append(self.place(canvas, members))
        return images[0] if len(images) == 1 else torch.cat(images)

    @torch.inference_mode()
    def mark(self, video: FollowedVideo, labels: np.ndarray, ids: tuple[int, ...]) -> None:
        """Take the objects of ``labels`` in the last frame as given, and their template from it.

        Args:
            video: gets the objects, its last ones.
            labels: H×W uint8 with these ids, and 0.
            ids: not yet in the video.

        Raises:
            DataError: the network could see none of them.
        """
        channels = np.zeros(256, np.uint8)
        channels[list(ids)] = np.arange(1, len(ids) + 1)
        ordered = torch.from_numpy(channels[labels])[None].to(self.device)
        masks = one_hot_masks(video.canvas.place_labels(ordered), len(ids))
        method = video.network.method
        with exact_float32(self.device):
            state = method.add_objects(video.state, video.image, masks)
        self._check_seen(video, method.sees(state)[-len(ids) :], labels, ids)
        video.state = state
        video.labels = np.where(labels > 0, labels, video.labels)
        video.ids += ids

    def _labels(self, videos: Sequence[FollowedVideo], probabilities: Tensor) -> list[np.ndarray]:
        """H×W uint8 of each video, from B×K×h×w."""
        channels = [
            self._channels(videos[first].canvas, probabilities[first:last])
            for first, last in runs_of_one_canvas(videos)
        ]
        on_host = to_host(channels, self.device)  # the step's only wait for the device
        return [
            np.array((0, *video.ids), np.uint8).take(channel)
            for video, channel in zip(videos, itertools.chain.from_iterable(on_host), strict=True)
        ]

    def _channels(self, canvas: Canvas, probabilities: Tensor) -> Tensor:
        """Which object each pixel of a frame is of: B×H×W uint8, 0 to K, from B×K×h×w."""
        # A few objects at a time: at the frames' own size, which may be 4K, all are many.
        at_once = max(1, self.config.objects_at_once // len(probabilities))
        parts = probabilities.split(at_once, dim=1)
        return to_labels(self._fusion, (canvas.restore(part) for part in parts)).byte()

    def _check_seen(
        self, video: FollowedVideo, sees: Tensor, labels: np.ndarray, ids: Sequence[int]
    ) -> None:
        """Name the objects that are too small for the network, in one go; all is an error."""
        seen = sees.cpu().numpy()
        pixels = np.bincount(labels.ravel(), minlength=256)
        unseen = [
            f"{label} ({count(int(pixels[label]), 'pixel')})"
            for label, is_seen in zip(ids, seen, strict=True)
            if not is_seen
        ]
        if not unseen:
            return
        cause_and_cure = (
            f"{some_of(unseen)}. A frame of {size_text(labels.shape)} (height×width) is "
            f"{self._how_resized(video)}, where nothing is left of them. Raise what it is resized "
            "to, or mark the objects larger; many tiny ones come of smoothed masks: save those "
            "without smoothing."
        )
        if len(unseen) == len(ids):
            raise DataError(
                "The network sees none of the objects that are marked, as they are too small or "
                f"too thin: {cause_and_cure}"
            )
        warnings.warn(
            f"{len(unseen)} of {count(ids, 'object')} are too small or too thin for the network to "
            f"see, which can at best go by their last masks: {cause_and_cure}",
            UserWarning,
            stacklevel=4,
        )

    def _how_resized(self, video: FollowedVideo) -> str:
        canvas = video.canvas.size
        size = video.network.method.size_seen(canvas)
        if self.config.frame_size is None:
            return f"resized around the objects to input_size {size}"
        return (
            f"resized to frame_size {canvas}, and its part around the objects to input_size {size}"
        )


def _of_video(state: State, number: int) -> State:
    """The state of one of the videos of a stack."""
    return pytree.tree_map(lambda tensor: tensor[number, None], state)


def runs_of_one_canvas(videos: Sequence[FollowedVideo]) -> Iterator[tuple[int, int]]:
    """First and last-plus-one of the videos that follow each other and have the same canvas."""
    last = 0
    for _, run in itertools.groupby(videos, key=lambda video: video.canvas):
        first, last = last, last + len(list(run))
        yield first, last


def check_frame(frame: np.ndarray) -> None:
    """Raise DataError unless ``frame`` is an H×W×3 uint8 array."""
    if not isinstance(frame, np.ndarray):
        raise DataError(
            "A frame should be an H×W×3 uint8 RGB numpy array, found "
            f"{type(frame).__name__}. Make it one with numpy.asarray."
        )
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or frame.size == 0:
        raise DataError(
            "A frame should be an H×W×3 uint8 RGB array, found shape "
            f"{frame.shape} of {frame.dtype}."
        )


def check_next(frame: Frame, video: FollowedVideo) -> None:
    """Raise DataError unless ``frame`` is one of the video's size."""
    if not isinstance(frame, PlacedFrame):
        check_frame(frame)
    if size_of(frame) != video.canvas.frame:
        raise DataError(
            f"This frame is {size_text(size_of(frame))}, but its video began with "
            f"{size_text(video.canvas.frame)} (height×width). All frames of a video should be "
            "of one size: resize them, or start a new video here."
        )
