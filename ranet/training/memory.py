"""Less memory for more time: activations computed again in the backward pass."""

from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import (
    apply_activation_checkpointing,
    checkpoint_wrapper,
)

from ranet.methods.ranet.network import RANet


def recompute_activations(model: RANet) -> None:
    """Let the backbone's stages, the merge module and the decoder's levels forget their insides.

    Names in the state dict stay as they are.
    """
    backbone, decoder = model.encoder.backbone, model.decoder
    forgetful: set[nn.Module] = {
        backbone.layer1,
        backbone.layer2,
        backbone.layer3,
        backbone.layer4,
        model.merge,
        decoder.level1,
        decoder.level2,
        decoder.level3,
    }
    apply_activation_checkpointing(
        model,
        checkpoint_wrapper_fn=lambda part: checkpoint_wrapper(part, preserve_rng_state=False),
        check_fn=lambda part: part in forgetful,
    )
