"""The seam: what a method is to all that trains, evaluates, shows, and exports one.

A method is a module that follows objects with a state: what it remembers of a video. A state is a
named tuple, of tensors or of further tuples of tensors, whose first dimension is B, the videos that
are followed together. So that whatever stacks videos, keeps them on the disk, exports, or compiles
a step goes by ``torch.utils._pytree`` and knows no method.

B videos, K objects, H×W the frames, T frames of a clip.
"""

import copy
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils.checkpoint import checkpoint

from ranet.errors import RANetError
from ranet.methods.backbones import Backbone, fold_batch_norms
from ranet.methods.crops import network_size
from ranet.methods.layers import InstanceNorm
from ranet.methods.registry import MethodConfig
from ranet.structures import Clip

_FOLDED_AT = (64, 64)
"""Pixels of an image that shows which convolution a norm follows."""


class Prediction(NamedTuple):
    """What a method says of a frame; of a clip, with a dimension T behind B."""

    logits: Tensor
    """B×K×h×w: of the frame, or of the part of it that ``aux["boxes"]`` says."""
    aux: Mapping[str, Tensor] = {}
    """What losses and pictures may read beside; ``boxes`` are B×4 int64, half-open, in pixels."""


class State(Protocol):
    """What every state has, whatever else; states are named tuples."""

    probabilities: Tensor
    """B×K×H×W: where the objects were in the last frame, 0 and 1 where they were marked in it."""

    def _replace(self, **changes: Any) -> Self: ...


class Options(NamedTuple):
    """How a method is used; fields are explained where :class:`ranet.config.InferenceConfig` has
    them. A method names those it reads: :attr:`.VOSMethod.reads_options`.
    """

    crop: str | None = None
    """None: images are the crops already, as a training's loader makes them."""
    input_size: tuple[int, int] | None = None
    frame_size: tuple[int, int] | None = None
    crop_scale: float = 1.5
    smallest_crop: int = 32
    crop_smoothing: float | None = None
    previous_mask: str = "thresholded"
    fusion: str = "softmax"
    objects_at_once: int | None = None
    memory_limit: int | None = None
    source: str | None = None
    matching: str | None = None
    dtype: torch.dtype = torch.float32
    channels_last: bool = False


class Fitted(Protocol):
    """How frames lie on their canvas: sizes (height, width), and padding above and to the left."""

    @property
    def frame(self) -> tuple[int, int]:
        """Of a frame as it came."""

    @property
    def fitted(self) -> tuple[int, int]:
        """Of a frame on the canvas."""

    @property
    def top(self) -> int:
        """Rows above it."""

    @property
    def left(self) -> int:
        """Columns to its left."""


class WatchedStep(NamedTuple):
    """A step of a video that is followed."""

    number: int
    """Of the frame."""
    image: Tensor
    """1×3×H×W in [0, 1]."""
    before: Any
    """The state before it."""
    after: Any
    """That after it."""


class Watched(NamedTuple):
    """A video followed up to a frame that is to be explained, and what was known on the way."""

    number: int
    """Of that frame, from 0."""
    ids: tuple[int, ...]
    """Of the K objects."""
    canvas: Fitted
    """Of the images here, which are 1×3×H×W in [0, 1]."""
    first_image: Tensor
    first_masks: Tensor
    """1×K×H×W of 0 and 1."""
    image: Tensor
    before: Tensor
    """1×K×H×W: probabilities of the frame before."""
    state: Any
    """After that frame."""
    steps: tuple[WatchedStep, ...] = ()
    """To frames on the way that are shown, the last of them to that frame."""


class VOSMethod(nn.Module):
    """A method of video object segmentation, with its weights.

    Args:
        architecture: the arguments it was made with; checkpoints keep them.
    """

    Config: ClassVar[type[MethodConfig]]
    """The arguments of the class, beside ``name``."""
    state_types: ClassVar[tuple[type, ...]] = ()
    """The tuples that states are made of: what may be read from the disk."""
    crop_smoothing: ClassVar[float | None] = None
    """Of crops at inference, as the method's authors have it; None: there is none."""
    reads_options: frozenset[str] = frozenset(Options._fields) - {
        "memory_limit",
        "source",
        "matching",
    }
    """Fields of :class:`.Options` that change what it computes, or how, as it was made; a
    configuration that sets another one is refused."""
    exact_parts: ClassVar[tuple[str, ...]] = ()
    """Names of modules that keep float32 where all else computes in half precision."""
    smallest_side: ClassVar[int] = 33
    """Pixels, of a frame."""
    objects_compete = True
    """False: each is segmented as if it were alone."""
    parts_left_out: ClassVar[tuple[str, ...]] = ()
    """Beginnings of names of weights that a network of a stage before may have, though this one was
    made without them."""
    has_idle_parameters = False
    """Whether some of those that learn may get no gradient in a step."""

    def __init__(self, architecture: Mapping[str, Any]) -> None:
        super().__init__()
        self.architecture = dict(architecture)
        self.options = Options()
        self.stages: list[dict[str, Any]] = []
        """How it was trained, earliest stage first (:func:`.training_stage`), for checkpoints."""
        self.released = False
        """Whether the weights are the authors' of the method."""
        self.input_size: tuple[int, int] | None = None
        """(height, width) that the weights are used to, None where nobody told; checkpoints keep
        it. Any other size is computed just as well, but scores less."""

    @property
    def label(self) -> str:
        """What results and tables call the method."""
        return self.Config.method()

    @classmethod
    def reads(cls, content: Mapping[str, Any]) -> bool:
        """Whether this is what a checkpoint of the method's authors holds."""
        return False

    @classmethod
    def from_authors(
        cls, content: Mapping[str, Any], path: str | Path, variant: str | None
    ) -> Self:
        """The network of such a checkpoint.

        Args:
            content: of the file.
            path: of the file.
            variant: which of the method's networks; None: as the file's name says.

        Raises:
            CheckpointError: it does not fit.
        """
        raise NotImplementedError

    @property
    def fusion(self) -> str:
        """How objects become labels (:data:`ranet.methods.objects.FUSIONS`), as weights learned."""
        return "softmax"

    def new_state(self, image: Tensor) -> Any:
        """The state of videos in which no object was marked yet.

        Args:
            image: B×3×H×W RGB in [0, 1], their first frames.
        """
        raise NotImplementedError

    def add_objects(self, state: Any, image: Tensor, masks: Tensor) -> Any:
        """Take objects as marked in a frame, the first or any later one; they win where they cover
        others.

        Args:
            state: of the frame, with K objects.
            image: B×3×H×W, the frame.
            masks: B×k×H×W of 0 and 1.

        Returns:
            The state with K + k objects, the new ones last.
        """
        raise NotImplementedError

    def keep_objects(self, state: Any, index: Sequence[int]) -> Any:
        """Forget all objects but those at these places, as if they had never been marked."""
        raise NotImplementedError

    def step(self, state: Any, image: Tensor) -> tuple[Prediction, Any]:
        """Go on to the next frame: crop, network, and back, in shapes that follow from sizes alone.

        K is one at least.

        Args:
            state: of the frame before.
            image: B×3×H×W RGB in [0, 1].

        Returns:
            The prediction, and the state of this frame.
        """
        raise NotImplementedError

    @property
    def state_grows(self) -> bool:
        """Whether states are larger from step to step, so that each would be compiled anew."""
        return False

    def stack(self, states: Sequence[Any]) -> Any:
        """The states of videos, each of equally many objects and frames of one size, as one."""
        return pytree.tree_map(lambda *tensors: torch.cat(tensors), *states)

    def sees(self, state: Any) -> Tensor:
        """Of each object, K bool, whether it is large enough for the network to see."""
        return state.probabilities.new_ones(state.probabilities.shape[1], dtype=torch.bool)

    def forward(self, clip: Clip) -> Prediction:
        """Training: :meth:`step` through the frames, whose dimension is stacked behind B."""
        state = self.new_state(clip.template_image)
        state = self.add_objects(state, clip.template_image, clip.template_masks)
        state = state._replace(probabilities=clip.previous_masks)
        predictions = []
        for image in clip.images.unbind(dim=1):
            prediction, state = self.step(state, image)
            predictions.append(prediction)
        return stack_frames(predictions)

    @property
    def _backbones(self) -> list[Backbone]:
        return [part for part in self.modules() if isinstance(part, Backbone)]

    def parameters_of(self, part: str) -> list[nn.Parameter]:
        """Parameters by part: ``"all"``, ``"backbone"``, or ``"decoder"``, here all the others."""
        everything = list(self.parameters())
        if part == "all":
            return everything
        inside = {parameter for backbone in self._backbones for parameter in backbone.parameters()}
        return [p for p in everything if (p in inside) == (part == "backbone")]

    def load_imagenet_weights(self, path: str | Path | None) -> None:
        """Start every backbone as :meth:`.Backbone.load_imagenet_weights` says.

        Raises:
            CheckpointError: there are none.
        """
        if not self._backbones:
            raise self._offers_no("backbone to start from ImageNet weights")
        for backbone in self._backbones:
            backbone.load_imagenet_weights(path)

    def recompute_activations(self) -> None:
        """Need less memory for more time: stages of the backbones, and :attr:`forgetful_parts`,
        compute their activations again in the backward pass. Names of parameters stay.
        """
        parts = self.forgetful_parts
        if not parts:
            raise self._offers_no(
                "way to compute activations again: set recompute_activations=false"
            )
        for backbone in self._backbones:
            parts = [*parts, *(stage[0] for stage in backbone.stages()[1:] if len(stage) == 1)]
        for part in parts:
            part.forward = partial(checkpoint, part.forward, use_reentrant=False)

    @property
    def forgetful_parts(self) -> Sequence[nn.Module]:
        """Outside of backbones, what may forget its activations in training."""
        return ()

    def figures(self, clip: Clip) -> dict[str, Tensor]:
        """Numbers to show as histograms while it learns, by name."""
        return {}

    def check_exports(self) -> None:
        """Raise RANetError if, as it is used, a step cannot become a graph of fixed sizes."""

    def check_explains(self) -> None:
        """Raise RANetError unless :meth:`explain` is offered."""
        raise self._offers_no("explanation")

    def explain(self, watched: Watched, object_id: int, points: Sequence[tuple[int, int]]) -> Any:
        """How it came to a result, see :func:`ranet.inference.explain.explain`; what is returned
        has ``draw(strips, out)``.
        """
        raise self._offers_no("explanation")

    def _offers_no(self, what: str) -> RANetError:
        return RANetError(f"The method {self.Config.method()} offers no {what}.")

    def size_seen(self, size: Sequence[int]) -> tuple[int, int]:
        """(height, width) of what the network is to be given of frames of a size, or crops of them.

        Where ``options.crop`` is None, that is all of them: they are the crops already.
        """
        height, width = size
        if self.options.crop is None:
            return height, width
        return network_size((height, width), self.options.frame_size, self.options.input_size)

    def in_half(self, device: torch.device) -> AbstractContextManager[Any]:
        """Context for the network: matrix products run in ``options.dtype``."""
        dtype = self.options.dtype
        return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)

    def laid_out(self, image: Tensor) -> Tensor:
        """An image in the memory layout of the network."""
        layout = torch.channels_last if self.options.channels_last else torch.contiguous_format
        return image.contiguous(memory_format=layout)

    def for_inference(self, options: Options) -> Self:
        """The method as it will compute with these options.

        It shares weights with this one where that is possible. Otherwise it has copies, of which no
        device holds two: batch norms become part of their convolutions; for half precision, weights
        are converted once, with the results of autocast to the last bit.
        """
        network = self._with_folded_norms()
        if options.dtype != torch.float32:
            network = network._with_half_weights(options.dtype)
        if options.channels_last:
            network = network if network is not self else copy.deepcopy(self).requires_grad_(False)
            network = network.to(memory_format=torch.channels_last)
        used = copy.copy(network)
        used.options = options
        return used

    def _with_folded_norms(self) -> Self:
        if not any(isinstance(part, nn.BatchNorm2d) for part in self.modules()):
            return self
        folded = copy.deepcopy(self).requires_grad_(False).eval()
        example = next(self.parameters()).new_zeros(1, 3, *_FOLDED_AT)
        for backbone in folded._backbones:
            fold_batch_norms(backbone, example)
        return folded

    def _with_half_weights(self, dtype: torch.dtype) -> Self:
        half = copy.deepcopy(self).requires_grad_(False)
        for name, part in half.named_modules():
            if isinstance(part, nn.Conv2d | InstanceNorm) and not name.startswith(self.exact_parts):
                part.to(dtype)
        return half


def stack_frames(predictions: Sequence[Prediction]) -> Prediction:
    """The predictions of T frames as that of a clip."""
    aux = {name: torch.stack([p.aux[name] for p in predictions], 1) for name in predictions[0].aux}
    return Prediction(torch.stack([p.logits for p in predictions], dim=1), aux)
