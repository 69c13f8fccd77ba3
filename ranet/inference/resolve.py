"""What a configuration leaves to the network that it is for."""

from ranet.config import InferenceConfig
from ranet.model.ranet import RANet

PAPER_SIZE = (480, 864)
"""(height, width) that the paper's networks see; of any that does not tell."""

CHANGES_NO_MASK = {"device", "objects_at_once", "channels_last", "compile", "cuda_graph"}
"""Fields in which a run may differ from the one that it goes on with: how it is computed."""


def resolved(config: InferenceConfig, model: RANet) -> InferenceConfig:
    """The configuration with input size and fusion chosen as the network's weights are used to."""
    chosen: dict[str, object] = {}
    if config.input_size is None:
        chosen["input_size"] = model.input_size or PAPER_SIZE
    if config.fusion == "auto":
        chosen["fusion"] = "sigmoid" if model.released else "softmax"
    return config.model_copy(update=chosen)
