"""Videos on the device, and how any number of them goes on by a frame.

What :class:`~ranet.inference.segmenter.VideoSegmenter` does with one video and
:class:`~ranet.inference.batch_segmenter.BatchSegmenter` with several at once, in one place. A frame
is uploaded once and its labels are downloaded once, as bytes; nothing between waits for the device.

B videos, K objects, H×W a video's frames, h×w their canvas.
"""

import itertools
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ranet.config import InferenceConfig
from ranet.device import resolve_device
from ranet.errors import DataError
from ranet.inference.canvas import Canvas
from ranet.inference.first_mask import checked_labels
from ranet.inference.frame_step import FrameStep
from ranet.inference.objects import to_labels
from ranet.inference.resolve import resolved
from ranet.inference.transfer import Frame, PlacedFrame, page_locked, size_of, to_host
from ranet.methods.ranet.network import RANet
from ranet.structures import Template, one_hot_masks
from ranet.wording import count, size_text, some_of


@dataclass(eq=False)
class FollowedVideo:
    """All that is known of a video being segmented: its last frame, H×W, on its canvas, h×w.

    Its tensors are replaced from frame to frame, never changed.
    """

    frame_step: FrameStep  # with the network that follows this video
    canvas: Canvas
    image: Tensor  # 1×3×h×w in [0, 1]
    probabilities: Tensor  # 1×K×h×w
    labels: np.ndarray  # H×W uint8
    ids: tuple[int, ...] = ()  # of the K objects
    templates: list[Template] = field(default_factory=list)


class Tracker:
    """The network on its device, and what takes videos from frame to frame with it.

    Args:
        model: the network. In float32 it is moved to the device and set to evaluation; for half
            precision and other layouts of memory, a copy is, and it stays as and where it is.
        config: canvas and crop, fusion of objects, device and precision.

    Raises:
        ConfigError: the machine lacks the device asked for.
    """

    def __init__(self, model: RANet, config: InferenceConfig) -> None:
        self.model = model
        self.config = resolved(config, model)
        self.device = resolve_device(self.config.device)
        self.frame_step = FrameStep(model, self.config).to(self.device).eval()
        # Of the GPU's queues, the one for what is done ahead.
        self._ahead = torch.cuda.Stream(self.device) if self.device.type == "cuda" else None

    def canvas_for(self, size: tuple[int, int]) -> Canvas:
        """The canvas of frames of ``size``."""
        return Canvas.for_frames(size, self.config.frame_size)

    @torch.inference_mode()
    def begin(self, frame: np.ndarray) -> FollowedVideo:
        """A video at its first frame, H×W×3 uint8, in which no object is marked yet.

        Raises:
            DataError: the frame has another shape or type.
        """
        check_frame(frame)
        canvas = self.canvas_for(frame.shape[:2])
        image = self.place(canvas, [frame])
        nothing = torch.zeros(1, 0, *canvas.size, device=self.device)
        unlabelled = np.zeros(canvas.frame, np.uint8)
        return FollowedVideo(self.frame_step, canvas, image, nothing, unlabelled)

    def start(self, frame: np.ndarray, labels: np.ndarray) -> FollowedVideo:
        """A video at its first frame, H×W×3 uint8, whose objects are marked.

        Args:
            frame: H×W×3 uint8.
            labels: H×W integers: 0 background, 1…254 objects, 255 void.

        Raises:
            DataError: frame or labels have another shape or type, or there is no object, or none
                that the network could see.
        """
        video = self.begin(frame)
        self.mark(video, *checked_labels(labels, frame.shape[:2]))
        return video

    def step(self, video: FollowedVideo, frame: Frame) -> None:
        """Go on to a video's next frame and segment it.

        Args:
            video: to be taken further.
            frame: H×W×3 uint8, of the first frame's size, or what :meth:`prepare` returned.

        Raises:
            DataError: the frame has another size or type. The video is where it was.
        """
        check_next(frame, video)
        self.advance([video], video.templates, self.images_of([video], [frame]))

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
    def images_of(self, videos: Sequence[FollowedVideo], frames: Sequence[Frame]) -> Tensor:
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
    def advance(
        self, videos: Sequence[FollowedVideo], templates: Sequence[Template], images: Tensor
    ) -> None:
        """Go on to the next frame of each video and segment it.

        A step that fails leaves all videos where they were.

        Args:
            videos: B that one network follows, all with canvases of one size and K objects.
            templates: theirs, each with the B videos stacked.
            images: B×3×h×w, the next frames on their canvases.
        """
        before = torch.cat([video.probabilities for video in videos])
        probabilities = videos[0].frame_step(templates, images, before)
        labels = self._labels(videos, probabilities)
        for index, video in enumerate(videos):
            video.image, video.probabilities = images[index, None], probabilities[index, None]
            video.labels = labels[index]

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
        template = video.frame_step.encode_template(video.image, masks)
        self._check_seen(video, template, labels, ids)
        video.templates.append(template)
        covered = masks.amax(dim=1, keepdim=True)
        video.probabilities = torch.cat([video.probabilities * (1 - covered), masks], dim=1)
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
        return to_labels(self.frame_step.fusion, (canvas.restore(part) for part in parts)).byte()

    def _check_seen(
        self, video: FollowedVideo, template: Template, labels: np.ndarray, ids: Sequence[int]
    ) -> None:
        """Name the objects that are too small for the network, in one go; all is an error."""
        seen = template.masks.amax(dim=(0, 2, 3)).cpu().numpy() > 0
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
        size = video.frame_step.plain.input_size(canvas)
        if self.config.frame_size is None:
            return f"resized around the objects to input_size {size}"
        return (
            f"resized to frame_size {canvas}, and its part around the objects to input_size {size}"
        )


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
