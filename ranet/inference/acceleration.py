"""Ways to run a frame step faster, with the same results: compiled, or replayed by a GPU.

Both need what :mod:`ranet.inference.frame_step` promises: shapes that follow from sizes alone, and
no question to the device on the way. Where one of them cannot work, the step runs as it is
written, and a warning says so, once.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from ranet.structures import Template


class Step(Protocol):
    """What :class:`~ranet.inference.frame_step.FrameStep` computes."""

    def __call__(
        self, templates: Sequence[Template], image: Tensor, probabilities: Tensor
    ) -> Tensor:
        """Probabilities B×K×H×W of a frame from those of the frame before."""
        ...


def accelerated(step: Step, *, compiled: bool, cuda_graph: bool) -> Step:
    """The step, made faster as asked for.

    Args:
        step: as it is written.
        compiled: through ``torch.compile``, which fuses norms, activations and resampling. New
            sizes or numbers of objects are compiled anew.
        cuda_graph: recorded once for each size and number of objects, and replayed. A graph
            spares the host the launch of hundreds of kernels. Not for other devices than CUDA.
    """
    if compiled:
        step = CompiledStep(step)
    return ReplayedStep(step, record_cuda_graph) if cuda_graph else step


class CompiledStep:
    """A step that ``torch.compile`` has made one piece of code of.

    Args:
        step: as it is written.
        backend: of ``torch.compile``.
    """

    def __init__(self, step: Step, backend: str | Callable = "inductor") -> None:
        self._plain = step
        self._step: Step = torch.compile(step, dynamic=False, fullgraph=True, backend=backend)

    def __call__(
        self, templates: Sequence[Template], image: Tensor, probabilities: Tensor
    ) -> Tensor:
        """As the step; what cannot be compiled here runs as it is written."""
        # The compiler's own classes are loaded by the first compilation, not by importing this.
        from torch._dynamo.exc import TorchDynamoException

        try:
            return self._step(templates, image, probabilities)
        except TorchDynamoException as error:
            warnings.warn(
                f"torch.compile failed ({_gist(error)}), so that the network runs as it is "
                "written, which is slower. It needs a C++ compiler on a CPU, and Triton on a GPU; "
                "compile: false keeps it from being tried.",
                UserWarning,
                stacklevel=2,
            )
            self._step = self._plain
            return self._plain(templates, image, probabilities)


Replay = Callable[[], Tensor]
"""Computes the step anew from what its arguments hold now; the result is overwritten next time."""


class ReplayedStep:
    """A step that is recorded once for arguments of each shape, and replayed afterwards.

    Args:
        step: what to record.
        record: makes a :data:`Replay` of a step and its arguments.
    """

    def __init__(self, step: Step, record: Callable[[Callable[[], Tensor]], Replay]) -> None:
        self._step = step
        self._record = record
        self._recordings: dict[tuple[torch.Size, ...], _Recording | None] = {}

    def __call__(
        self, templates: Sequence[Template], image: Tensor, probabilities: Tensor
    ) -> Tensor:
        """As the step; the result is the caller's own."""
        arguments = (*(part for template in templates for part in template), image, probabilities)
        shapes = tuple(argument.shape for argument in arguments)
        if shapes not in self._recordings:
            self._recordings[shapes] = self._recorded(arguments)
        recording = self._recordings[shapes]
        if recording is None:
            return self._step(templates, image, probabilities)
        return recording(arguments)

    def _recorded(self, arguments: Sequence[Tensor]) -> "_Recording | None":
        held = [argument.clone() for argument in arguments]
        *parts, image, probabilities = held
        templates = [Template(*pair) for pair in zip(parts[::2], parts[1::2], strict=True)]
        try:
            replay = self._record(lambda: self._step(templates, image, probabilities))
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            warnings.warn(
                f"The step cannot be recorded ({_gist(error)}), so that its kernels are "
                "launched one by one, which is slower. cuda_graph: false keeps it from being "
                "tried.",
                UserWarning,
                stacklevel=3,
            )
            return None
        return _Recording(held, replay)


class _Recording:
    """A recorded step and the tensors it reads."""

    def __init__(self, held: Sequence[Tensor], replay: Replay) -> None:
        self._held = held
        self._replay = replay

    def __call__(self, arguments: Sequence[Tensor]) -> Tensor:
        for held, argument in zip(self._held, arguments, strict=True):
            held.copy_(argument)
        return self._replay().clone()


def record_cuda_graph(compute: Callable[[], Tensor]) -> Replay:
    """Record what ``compute`` launches, as a CUDA graph.

    Raises:
        RuntimeError: something in it waits for the device.
    """
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):  # libraries are loaded, plans made and code compiled before recording
            compute()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = compute()

    def replay() -> Tensor:
        graph.replay()
        return result

    return replay


def _gist(error: Exception) -> str:
    """The beginning of a message that may go on for pages."""
    return " ".join(str(error).split("\n")[:2]).strip()
