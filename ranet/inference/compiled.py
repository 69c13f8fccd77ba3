"""A method's step through ``torch.compile``: compiled, recorded as CUDA graphs, or both.

``compile`` fuses norms, activations and resampling; ``cuda_graph`` records what a GPU is told to do
and replays it, which spares the host the launch of hundreds of kernels. The step is made anew for
states and images of other shapes. What cannot be had for some of them runs as it is written for
these, as a warning says.
"""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ranet.config import InferenceConfig
from ranet.device import resolve_device
from ranet.methods.base import Prediction, VOSMethod
from ranet.wording import count, size_text

Step = Callable[[Any, Tensor], tuple[Prediction, Any]]
"""As :meth:`.VOSMethod.step`."""

_KEPT_SHAPES = 64
"""Of one step's code, in whatever object; torch's own limit is 8."""


def faster_step(
    method: VOSMethod,
    config: InferenceConfig,
    fallbacks: dict[str, str],
    backend: str | Callable[..., Any] | None = None,
) -> Step:
    """The step of a method as fast as asked for, with ``compile``, ``cuda_graph``, or both.

    Args:
        method: on its device.
        config: asks for one of them.
        fallbacks: where to note what of it does not happen: for what, why, and what to do.
        backend: of ``torch.compile``; None: as the configuration asks.
    """
    device = resolve_device(config.device)
    replays = config.cuda_graph and device.type == "cuda"
    asked = [name for name in ("compile", "cuda_graph") if getattr(config, name)]
    told = {}
    if config.cuda_graph and not replays:
        told["cuda_graph"] = (
            f"cuda_graph: true has no effect on the device {device}, as only a CUDA GPU replays "
            "graphs."
        )
        warnings.warn(told["cuda_graph"], UserWarning, stacklevel=4)
    if method.state_grows:
        for name in asked:
            told[name] = (
                f"{name}: true has no effect, as the state of {method.label} grows from frame to "
                "frame; memory_limit keeps it from growing."
            )
        warnings.warn(told[asked[0]], UserWarning, stacklevel=4)
    fallbacks.update(told)
    if method.state_grows or not (config.compile or replays):
        return method.step
    compiled = torch.compile(
        method.step,
        fullgraph=True,
        dynamic=False,
        backend=backend or ("inductor" if config.compile else "cudagraphs"),
        mode="reduce-overhead" if replays and config.compile and not backend else None,
    )
    return _CompiledStep(method, _replayed(compiled) if replays else compiled, asked, fallbacks)


def _replayed(compiled: Step) -> Step:
    """A step whose results stay as they are when it is replayed."""

    def step(state: Any, image: Tensor) -> tuple[Prediction, Any]:
        torch.compiler.cudagraph_mark_step_begin()
        result = compiled(state, image)
        # The next replay writes where this one wrote; what was given is not the graph's.
        given = {id(leaf) for leaf in pytree.tree_leaves((state, image))}
        return pytree.tree_map(lambda leaf: leaf if id(leaf) in given else leaf.clone(), result)

    return step


class _CompiledStep:
    """A compiled step, and the method's own for what cannot be compiled."""

    def __init__(
        self, method: VOSMethod, compiled: Step, asked: list[str], fallbacks: dict[str, str]
    ) -> None:
        self._method, self._compiled = method, compiled
        self._asked, self._fallbacks = asked, fallbacks
        self._works: dict[Any, bool] = {}  # by shapes: whether the compiled step runs

    def __call__(self, state: Any, image: Tensor) -> tuple[Prediction, Any]:
        """See :meth:`.VOSMethod.step`."""
        shapes = _shapes(state, image)
        if shapes not in self._works:
            return self._first(shapes, state, image)
        return (self._compiled if self._works[shapes] else self._method.step)(state, image)

    def _first(self, shapes: Any, state: Any, image: Tensor) -> tuple[Prediction, Any]:
        """Compile for these shapes; what that raises is told, and the step runs as written."""
        from torch._dynamo import config  # loads the compiler, which not everyone needs

        try:
            with warnings.catch_warnings(), config.patch(recompile_limit=_KEPT_SHAPES):
                # TF32 is off on purpose: float32 is computed as such.
                warnings.filterwarnings("ignore", "TensorFloat32 tensor cores", UserWarning)
                result = self._compiled(state, image)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            result = self._method.step(state, image)  # raises what is the method's own mistake
            self._works[shapes] = False
            missed = [name for name in self._asked if name not in self._fallbacks]
            gist = " ".join(str(error).split("\n")[:2]).strip()  # it may go on for pages
            message = (
                f"torch.compile failed for {_kind(state)} ({gist}), so that the step runs on these "
                "as it is written, which is slower; a compiler may be missing (C++ for a CPU, "
                f"Triton for a GPU), and {' and '.join(f'{name}: false' for name in missed)} keeps "
                "it from being tried."
            )
            self._fallbacks.update(dict.fromkeys(missed, message))
            if missed:
                warnings.warn(message, UserWarning, stacklevel=3)
            return result
        self._works[shapes] = True
        return result


def _shapes(state: Any, image: Tensor) -> Any:
    leaves, structure = pytree.tree_flatten((state, image))
    return structure, *((leaf.shape, leaf.dtype) for leaf in leaves)


def _kind(state: Any) -> str:
    """What a step is given: ``2 videos of 480×864 with 5 objects``."""
    videos, objects, *size = state.probabilities.shape
    return f"{count(videos, 'video')} of {size_text(size)} with {count(objects, 'object')}"
