"""A method as it computes in inference: what its configuration leaves open, and its step."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from ranet.config import InferenceConfig
from ranet.device import DTYPES, resolve_device, warn_of_slow_dtype
from ranet.errors import ConfigError
from ranet.methods.base import Options, Prediction, VOSMethod

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
        if self.asked:
            from ranet.inference.compiled import faster_step

            self.step = faster_step(self.method, config, self.fallbacks, backend)

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
