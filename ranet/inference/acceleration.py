"""Ways to run a frame step faster, with the same results: compiled, or replayed by a GPU.

Both need what :mod:`ranet.inference.plain_step` promises: shapes that follow from sizes alone, and
no question to the device on the way. Both are made for arguments of certain shapes, anew for
others. What cannot be had for some of them runs as it is written for these; a warning says so, and
:attr:`AcceleratedStep.shortfalls` remembers it.
"""

import types
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from ranet.inference.cuda_graph import CudaGraphRecorder, Replay
from ranet.structures import Template
from ranet.wording import count, size_text


class Step(Protocol):
    """What :class:`~ranet.inference.plain_step.PlainStep` computes."""

    def __call__(
        self, templates: Sequence[Template], image: Tensor, probabilities: Tensor
    ) -> Tensor:
        """Probabilities B×K×H×W of a frame from those of the frame before."""
        ...


@dataclass(frozen=True)
class Shortfall:
    """Something that was asked for and did not happen.

    Attributes:
        way: ``"compile"`` or ``"cuda_graph"``, as in the configuration.
        message: for which arguments, why, and what to do.
    """

    way: str
    message: str


def ran_without(shortfalls: Sequence[Shortfall]) -> str | None:
    """``ran without compile and cuda_graph``: each way once; None where nothing was missed."""
    missed = dict.fromkeys(shortfall.way for shortfall in shortfalls)
    return f"ran without {' and '.join(missed)}" if missed else None


Tell = Callable[[Shortfall], None]
"""Takes in what did not happen."""


class AcceleratedStep:
    """A step, made faster as asked for, which knows how it ran.

    Args:
        step: as it is written.
        compiled: through ``torch.compile``, which fuses norms, activations and resampling. New
            sizes or numbers of objects are compiled anew.
        cuda_graph: recorded once for each size and number of objects, and replayed. A graph
            spares the host the launch of hundreds of kernels. Only on CUDA.
        device: where its arguments will be.
    """

    def __init__(
        self, step: Step, *, compiled: bool, cuda_graph: bool, device: torch.device
    ) -> None:
        self.shortfalls: list[Shortfall] = []
        """What of it did not happen in the calls so far, and why."""
        self._asked = {"compile": compiled, "cuda_graph": cuda_graph}
        tell = partial(_warn, self.shortfalls)  # no circle: none of the steps refers to this object
        if compiled:
            step = CompiledStep(step, tell)
        if cuda_graph and device.type == "cuda":
            step = ReplayedStep(step, CudaGraphRecorder(), tell)
        elif cuda_graph:
            message = (
                f"cuda_graph: true has no effect on the device {device}, as only a CUDA GPU "
                "replays graphs. Leave it at false elsewhere."
            )
            tell(Shortfall("cuda_graph", message))
        self._step = step

    def __call__(
        self, templates: Sequence[Template], image: Tensor, probabilities: Tensor
    ) -> Tensor:
        """As the step; templates that come again must hold what they held before."""
        return self._step(templates, image, probabilities)

    @property
    def ran(self) -> dict[str, bool]:
        """Of each way, whether all calls so far went it."""
        missed = {shortfall.way for shortfall in self.shortfalls}
        return {way: asked and way not in missed for way, asked in self._asked.items()}


def _warn(told: list[Shortfall], shortfall: Shortfall) -> None:
    told.append(shortfall)
    warnings.warn(shortfall.message, UserWarning, stacklevel=2)


class CompiledStep:
    """A step that ``torch.compile`` has made one piece of code of, for arguments of each shape.

    Args:
        step: as it is written.
        tell: of shapes that cannot be compiled.
        backend: of ``torch.compile``.
    """

    def __init__(
        self, step: Step, tell: Tell, backend: str | Callable[..., Any] = "inductor"
    ) -> None:
        self._plain = step
        self._tell = tell
        self._backend = backend
        self._steps: dict[_Key, Step] = {}

    def __call__(
        self, templates: Sequence[Template], image: Tensor, probabilities: Tensor
    ) -> Tensor:
        """As the step; what cannot be compiled here runs as it is written."""
        # The compiler's own classes are loaded by the first compilation, not by importing this.
        from torch._dynamo.exc import FailOnRecompileLimitHit, TorchDynamoException

        key = _key(_flat(templates, image, probabilities))
        compiling = key not in self._steps
        if compiling:
            self._steps[key] = self._compiled()
        try:
            with _without_advice_on_tf32() if compiling else nullcontext():
                return self._steps[key](templates, image, probabilities)
        except (TorchDynamoException, FailOnRecompileLimitHit) as error:
            message = (
                f"torch.compile failed for {_kind(probabilities)} ({_gist(error)}), so that the "
                "network runs on these as it is written, which is slower. If what is missing is a "
                "compiler, install one (C++ for a CPU, Triton for a GPU); compile: false keeps "
                "it from being tried."
            )
            self._tell(Shortfall("compile", message))
            self._steps[key] = self._plain
            return self._plain(templates, image, probabilities)

    def _compiled(self) -> Step:
        step = with_own_code(self._plain)
        return torch.compile(step, dynamic=False, fullgraph=True, backend=self._backend)


@contextmanager
def _without_advice_on_tf32() -> Iterator[None]:
    """The compiler advises TF32, which is off on purpose: float32 is computed as such."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "TensorFloat32 tensor cores .* not enabled", UserWarning)
        yield


def with_own_code(step: Step) -> Step:
    """The same step in a function whose code no other function shares.

    torch counts how often it has compiled a piece of code, for whatever arguments and in whatever
    object, and refuses at the ninth time.
    """

    def call(templates: Sequence[Template], image: Tensor, probabilities: Tensor) -> Tensor:
        return step(templates, image, probabilities)

    code = call.__code__.replace()  # a copy
    return types.FunctionType(code, call.__globals__, closure=call.__closure__)


Record = Callable[[Callable[[], Tensor], torch.device], Replay]
"""Makes a replay of what a call computes on a device.

Raises RuntimeError where that cannot be recorded.
"""

KEPT_RECORDINGS = 8
"""Each holds its arguments and result, and the GPU's list of what to do."""


class ReplayedStep:
    """A step that is recorded for arguments of each shape, and replayed afterwards.

    The :data:`KEPT_RECORDINGS` used last are kept.

    Args:
        step: what to record.
        record: how.
        tell: of shapes that cannot be recorded.
    """

    def __init__(self, step: Step, record: Record, tell: Tell) -> None:
        self._step = step
        self._record = record
        self._tell = tell
        self._recordings: dict[_Key, _Recording] = {}  # the one used last is the last
        self._refused: set[_Key] = set()

    def __call__(
        self, templates: Sequence[Template], image: Tensor, probabilities: Tensor
    ) -> Tensor:
        """As the step; the result is the caller's own.

        A template that comes again is not read again: it must hold what it held before.
        """
        arguments = _flat(templates, image, probabilities)
        key = _key(arguments)
        recording = None if key in self._refused else self._recording(key, arguments)
        if recording is None:
            return self._step(templates, image, probabilities)
        return recording(arguments)

    def _recording(self, key: "_Key", arguments: Sequence[Tensor]) -> "_Recording | None":
        recording = self._recordings.pop(key, None)
        if recording is None:
            if len(self._recordings) == KEPT_RECORDINGS:  # its memory serves the new one
                del self._recordings[next(iter(self._recordings))]
            recording = self._recorded(key, arguments)
        if recording is not None:
            self._recordings[key] = recording
        return recording

    def _recorded(self, key: "_Key", arguments: Sequence[Tensor]) -> "_Recording | None":
        held = [argument.clone() for argument in arguments]
        *parts, image, probabilities = held
        templates = [Template(*pair) for pair in zip(parts[::2], parts[1::2], strict=True)]
        step = self._step  # a recording need not know of this object, which has the recordings
        try:
            replay = self._record(
                lambda: step(templates, image, probabilities), probabilities.device
            )
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            message = (
                f"The step cannot be recorded for {_kind(probabilities)} ({_gist(error)}), so that "
                "its kernels are launched one by one, which is slower. cuda_graph: false keeps it "
                "from being tried."
            )
            self._tell(Shortfall("cuda_graph", message))
            self._refused.add(key)
            return None
        return _Recording(held, replay)


class _Recording:
    """A recorded step and the tensors it reads: those of the templates, image, probabilities."""

    def __init__(self, held: Sequence[Tensor], replay: Replay) -> None:
        self._held = held
        self._replay = replay
        self._seen: dict[int, _Seen] = {}  # of the templates' tensors: what was copied there last

    def __call__(self, arguments: Sequence[Tensor]) -> Tensor:
        for index, (held, argument) in enumerate(zip(self._held, arguments, strict=True)):
            seen = self._seen.get(index)
            if seen is not None and seen.is_still(argument):
                continue
            held.copy_(argument)
            if index < len(arguments) - 2:  # image and probabilities are others for every frame
                self._seen[index] = _Seen(argument)
        return self._replay().clone()


class _Seen:
    """Knows a tensor again, without keeping it."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = weakref.ref(tensor)
        self._version = _version(tensor)

    def is_still(self, tensor: Tensor) -> bool:
        """Whether this is the tensor, and unchanged as far as torch counts changes."""
        return self._tensor() is tensor and self._version == _version(tensor)


def _version(tensor: Tensor) -> int | None:
    """How often it was changed; None of a tensor of inference mode, where nobody counts."""
    return None if tensor.is_inference() else tensor._version


_Key = tuple[tuple[torch.Size, torch.dtype, torch.device], ...]
"""What a step is compiled and recorded for."""


def _key(arguments: Sequence[Tensor]) -> _Key:
    return tuple((argument.shape, argument.dtype, argument.device) for argument in arguments)


def _flat(templates: Sequence[Template], image: Tensor, probabilities: Tensor) -> list[Tensor]:
    return [*(part for template in templates for part in template), image, probabilities]


def _kind(probabilities: Tensor) -> str:
    """What a step is given: ``2 videos of 480×864 with 5 objects``."""
    videos, objects, *size = probabilities.shape
    return f"{count(videos, 'video')} of {size_text(size)} with {count(objects, 'object')}"


def _gist(error: Exception) -> str:
    """The beginning of a message that may go on for pages."""
    return " ".join(str(error).split("\n")[:2]).strip()
