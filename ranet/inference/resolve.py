"""What a configuration leaves to the network that it is for, and to the device."""

from ranet.config import InferenceConfig
from ranet.device import resolve_device, warn_of_slow_dtype
from ranet.methods.base import VOSMethod

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

    Input size and fusion are as the network's weights are used to. On a CPU, more objects at once
    are slower (``docs/performance.md``).

    Raises:
        ConfigError: the machine lacks the device asked for.
    """
    device = resolve_device(config.device)
    warn_of_slow_dtype(device, config.dtype)
    chosen: dict[str, object] = {}
    if config.input_size is None:
        chosen["input_size"] = model.input_size or PAPER_SIZE
    if config.fusion == "auto":
        chosen["fusion"] = model.fusion
    if config.objects_at_once is None:
        chosen["objects_at_once"] = 4 if device.type == "cpu" else 16
    return config.model_copy(update=chosen)
