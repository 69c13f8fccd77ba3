"""A method as it computes in inference: what its configuration leaves open, and its step.

The step may go through ``torch.compile``: compiled, recorded as CUDA graphs, or both. It is made
anew for states and images of other shapes. What cannot be had for some of them runs as it is
written for these; a warning says so, and :attr:`Network.fallbacks` remembers it.
"""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ranet.config import InferenceConfig
from ranet.device import DTYPES, resolve_device, warn_of_slow_dtype
from ranet.errors import ConfigError
from ranet.methods.base import Options, Prediction, VOSMethod
from ranet.wording import count, size_text

PAPER_SIZE = (480, 864)
"""(height, width) that the paper's networks see; of any that does not tell."""

CHANGES_NO_MASK = {
    "plugins",
    "device",
    "objects_at_once",
    "channels_last",
    "compile",
    "cuda_graph",
}
"""Fields in which a run may differ from the one that it goes on with: how it is computed."""

_KEPT_SHAPES = 64
"""Of one step's code, in whatever object; torch's own limit is 8."""


def resolved(config: InferenceConfig, model: VOSMethod) -> InferenceConfig:
    """The configuration with nothing left open; warns if the device is slow with its dtype.

    Input size and fusion are as the network's weights are used to, smoothing is as its method has
    it (None is none). On a CPU, more objects at once are slower (``docs/performance.md``).

    Raises:
        ConfigError: the machine lacks the device asked for, or a field is set that the method has
            no use for.
    """
    for name in sorted({*Options._fields} - model.reads_options):
        value = getattr(config, name)
        if value != InferenceConfig.model_fields[name].default:
            raise ConfigError(
                f"{model.label} has no use for {name}, which is {value!r}: leave it out."
            )
    device = resolve_device(config.device)
    warn_of_slow_dtype(device, config.dtype)
    chosen: dict[str, object] = {}
    if config.input_size is None:
        chosen["input_size"] = model.input_size or PAPER_SIZE
    if config.crop_smoothing is None:
        chosen["crop_smoothing"] = model.crop_smoothing
    if config.fusion == "auto":
        chosen["fusion"] = model.fusion
    if config.objects_at_once is None:
        chosen["objects_at_once"] = 4 if device.type == "cpu" else 16
    return config.model_copy(update=chosen)


class Network:
    """A method on its device, and its step as fast as asked for.

    ``compile`` fuses norms, activations and resampling; ``cuda_graph`` records what a GPU is told
    to do and replays it, which spares the host the launch of hundreds of kernels.

    Args:
        method: in float32 and the usual layout, it is moved to the device and set to evaluation;
            otherwise a copy is.
        config: :func:`resolved`.
        backend: of ``torch.compile``; None: as the configuration asks.
        options: in the place of the configuration's, see :class:`.Options`.
    """

    def __init__(
        self,
        method: VOSMethod,
        config: InferenceConfig,
        *,
        backend: str | Callable[..., Any] | None = None,
        **options: Any,
    ) -> None:
        device = resolve_device(config.device)
        chosen = {name: getattr(config, name) for name in Options._fields}
        chosen |= {"dtype": DTYPES[config.dtype], **options}
        self.method = method.for_inference(Options(**chosen)).to(device).eval()
        self.asked = tuple(name for name in ("compile", "cuda_graph") if getattr(config, name))
        """What of these the configuration asks for."""
        self.fallbacks: dict[str, str] = {}
        """What of it did not happen in the steps so far: for what, why, and what to do."""
        self.step: Callable[[Any, Tensor], tuple[Prediction, Any]] = self.method.step
        """As :meth:`.VOSMethod.step`."""
        self._works: dict[Any, bool] = {}  # by shapes: whether the compiled step runs
        self._replays = config.cuda_graph and device.type == "cuda"
        if config.cuda_graph and not self._replays:
            self._tell(
                "cuda_graph",
                f"cuda_graph: true has no effect on the device {device}, as only a CUDA GPU "
                "replays graphs.",
            )
        if self.asked and self.method.state_grows:
            for name in self.asked:
                self._tell(
                    name,
                    f"{name}: true has no effect, as the state of {method.label} grows from frame "
                    "to frame; memory_limit keeps it from growing.",
                    warn=name == self.asked[0],
                )
        elif config.compile or self._replays:
            self._compiled = torch.compile(
                self.method.step,
                fullgraph=True,
                dynamic=False,
                backend=backend or ("inductor" if config.compile else "cudagraphs"),
                mode="reduce-overhead"
                if self._replays and config.compile and not backend
                else None,
            )
            self.step = self._faster

    @property
    def ran(self) -> dict[str, bool]:
        """Of ``compile`` and ``cuda_graph``, whether they held in all steps so far."""
        return {
            name: name in self.asked and name not in self.fallbacks
            for name in ("compile", "cuda_graph")
        }

    @property
    def problem(self) -> str | None:
        """``ran without compile and cuda_graph``; None where nothing was missed."""
        return f"ran without {' and '.join(self.fallbacks)}" if self.fallbacks else None

    def _faster(self, state: Any, image: Tensor) -> tuple[Prediction, Any]:
        shapes = _shapes(state, image)
        if shapes not in self._works:
            return self._first(shapes, state, image)
        return self._run(state, image) if self._works[shapes] else self.method.step(state, image)

    def _first(self, shapes: Any, state: Any, image: Tensor) -> tuple[Prediction, Any]:
        """Compile for these shapes; what that raises is told, and the step runs as written."""
        from torch._dynamo import config  # loads the compiler, which not everyone needs

        try:
            with warnings.catch_warnings(), config.patch(recompile_limit=_KEPT_SHAPES):
                # TF32 is off on purpose: float32 is computed as such.
                warnings.filterwarnings("ignore", "TensorFloat32 tensor cores", UserWarning)
                result = self._run(state, image)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            result = self.method.step(state, image)  # raises what is the method's own mistake
            self._works[shapes] = False
            missed = [name for name, held in self.ran.items() if held]
            gist = " ".join(str(error).split("\n")[:2]).strip()  # it may go on for pages
            message = (
                f"torch.compile failed for {_kind(state)} ({gist}), so that the step runs on these "
                "as it is written, which is slower; a compiler may be missing (C++ for a CPU, "
                f"Triton for a GPU), and {' and '.join(f'{name}: false' for name in missed)} keeps "
                "it from being tried."
            )
            for name in missed:
                self._tell(name, message, warn=name == missed[0])
            return result
        self._works[shapes] = True
        return result

    def _run(self, state: Any, image: Tensor) -> tuple[Prediction, Any]:
        if not self._replays:
            return self._compiled(state, image)
        torch.compiler.cudagraph_mark_step_begin()
        result = self._compiled(state, image)
        # The next replay writes where this one wrote; what was given is not the graph's.
        given = {id(leaf) for leaf in pytree.tree_leaves((state, image))}
        return pytree.tree_map(lambda leaf: leaf if id(leaf) in given else leaf.clone(), result)

    def _tell(self, option: str, message: str, *, warn: bool = True) -> None:
        self.fallbacks[option] = message
        if warn:
            warnings.warn(message, UserWarning, stacklevel=4)


def _shapes(state: Any, image: Tensor) -> Any:
    leaves, structure = pytree.tree_flatten((state, image))
    return structure, *((leaf.shape, leaf.dtype) for leaf in leaves)


def _kind(state: Any) -> str:
    """What a step is given: ``2 videos of 480×864 with 5 objects``."""
    videos, objects, *size = state.probabilities.shape
    return f"{count(videos, 'video')} of {size_text(size)} with {count(objects, 'object')}"
