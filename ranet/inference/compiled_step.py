"""A method's step through ``torch.compile``: compiled, recorded as CUDA graphs, or both.

The step is made anew for states and images of other shapes. What cannot be had for some of them
runs as it is written for these; a warning says so, and :attr:`CompiledStep.fallbacks` remembers it.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ranet.methods.base import Prediction, VOSMethod
from ranet.wording import count, size_text

_KEPT_SHAPES = 64
"""Of one step's code, in whatever object; torch's own limit is 8."""


class Fallback(NamedTuple):
    """Something that was asked for and did not happen."""

    option: str
    """``"compile"`` or ``"cuda_graph"``, as in the configuration."""
    message: str
    """For what, why, and what to do."""


def ran_without(fallbacks: Sequence[Fallback]) -> str | None:
    """``ran without compile and cuda_graph``: each once; None where nothing was missed."""
    missed = dict.fromkeys(fallback.option for fallback in fallbacks)
    return f"ran without {' and '.join(missed)}" if missed else None


class CompiledStep:
    """The step of a method, made faster as asked for, which knows how it ran.

    Args:
        method: prepared for inference, on its device.
        compile: fuse norms, activations and resampling.
        cuda_graph: record what the GPU is told to do, and replay it, which spares the host the
            launch of hundreds of kernels. Only on CUDA.
        device: of the method.
        backend: of ``torch.compile``; None: as asked for.
    """

    def __init__(
        self,
        method: VOSMethod,
        *,
        compile: bool,
        cuda_graph: bool,
        device: torch.device,
        backend: str | Callable[..., Any] | None = None,
    ) -> None:
        self.method = method
        self.fallbacks: list[Fallback] = []
        """What did not happen in the calls so far, and why."""
        self._asked = {"compile": compile, "cuda_graph": cuda_graph}
        self._replays = cuda_graph and device.type == "cuda"
        if cuda_graph and not self._replays:
            self._tell(
                "cuda_graph",
                f"cuda_graph: true has no effect on the device {device}, as only a CUDA GPU "
                "replays graphs. Leave it at false elsewhere.",
            )
        self._compiled: Callable[..., tuple[Prediction, Any]] | None = None
        if compile or self._replays:
            self._compiled = torch.compile(
                method.step,
                fullgraph=True,
                dynamic=False,
                backend=backend or ("inductor" if compile else "cudagraphs"),
                mode="reduce-overhead" if compile and self._replays and not backend else None,
            )
        self._works: dict[Any, bool] = {}  # by shapes: whether the compiled step runs

    @property
    def ran(self) -> dict[str, bool]:
        """Of each option, whether it held in all calls so far."""
        missed = {fallback.option for fallback in self.fallbacks}
        return {name: asked and name not in missed for name, asked in self._asked.items()}

    def __call__(self, state: Any, image: Tensor) -> tuple[Prediction, Any]:
        """As :meth:`.VOSMethod.step`."""
        key = _shapes(state, image)
        if self._compiled is None or not self._works.get(key, True):
            return self.method.step(state, image)
        if key not in self._works:
            return self._first(key, state, image)
        return self._run(state, image)

    def _first(self, key: Any, state: Any, image: Tensor) -> tuple[Prediction, Any]:
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
            self._works[key] = False
            asked = [name for name, wanted in self.ran.items() if wanted]
            message = (
                f"torch.compile failed for {_kind(state)} ({_gist(error)}), so that the step runs "
                "on these as it is written, which is slower. If what is missing is a compiler, "
                "install one (C++ for a CPU, Triton for a GPU); "
                f"{' and '.join(f'{name}: false' for name in asked)} keeps it from being tried."
            )
            for name in asked:
                self._tell(name, message, warn=name == asked[0])
            return result
        self._works[key] = True
        return result

    def _run(self, state: Any, image: Tensor) -> tuple[Prediction, Any]:
        if self._compiled is None or not self._replays:
            return (self._compiled or self.method.step)(state, image)
        torch.compiler.cudagraph_mark_step_begin()
        result = self._compiled(state, image)
        # The next replay writes where this one wrote; what was given is not the graph's.
        given = {id(leaf) for leaf in pytree.tree_leaves((state, image))}
        return pytree.tree_map(lambda leaf: leaf if id(leaf) in given else leaf.clone(), result)

    def _tell(self, option: str, message: str, *, warn: bool = True) -> None:
        self.fallbacks.append(Fallback(option, message))
        if warn:
            warnings.warn(message, UserWarning, stacklevel=4)


def _shapes(state: Any, image: Tensor) -> Any:
    leaves, structure = pytree.tree_flatten((state, image))
    return structure, *((leaf.shape, leaf.dtype) for leaf in leaves)


def _kind(state: Any) -> str:
    """What a step is given: ``2 videos of 480×864 with 5 objects``."""
    videos, objects, *size = state.probabilities.shape
    return f"{count(videos, 'video')} of {size_text(size)} with {count(objects, 'object')}"


def _gist(error: Exception) -> str:
    """The beginning of a message that may go on for pages."""
    return " ".join(str(error).split("\n")[:2]).strip()
