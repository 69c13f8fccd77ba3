"""Which template positions speak for the foreground and which for the background of each object.

A *region* is a weight in [0, 1] per template position. The two networks of the paper differ only
in how they make regions, and in what the ranking network sees:

======================  =================================  ======================================
.                       single-object network              multi-object network
======================  =================================  ======================================
regions                 2K: each object and its complement K + 1: each object and the background
foreground weight       mask                               mask
background weight       1 where at least 90 % background,  what no object covers; every *other*
                        else 0                             object's region is background too
gate of the f_n score   foreground: 1 where mask > 0;      the weight
                        background: the weight
f_n sees                the region's weighted maps         the maps as they are, once
======================  =================================  ======================================
"""

from typing import NamedTuple

import torch
from torch import Tensor

# A template cell is background for the single-object network if at least this much of it is.
_BACKGROUND_SHARE = 0.9


class Regions(NamedTuple):
    """M regions over the N template positions, and which of them each object draws from."""

    weights: Tensor  # B×M×N in [0, 1]
    gates: Tensor  # B×M×N in [0, 1]: factor on the learned part of the ranking score
    foreground: Tensor  # K×1 region numbers
    background: Tensor  # K×(1 or K) region numbers


def single_object_regions(masks: Tensor) -> Regions:
    """Regions of the single-object network; objects do not know of each other.

    Args:
        masks: B×K×N in [0, 1], each object's mask pooled to the template grid.
    """
    objects = masks.shape[1]
    complement = 1 - masks
    background = torch.where(complement >= _BACKGROUND_SHARE, 1.0, 0.0).to(masks.dtype)
    own = torch.arange(objects, device=masks.device)[:, None]
    return Regions(
        weights=torch.cat([masks, background], dim=1),
        gates=torch.cat([(masks > 0).to(masks.dtype), background], dim=1),
        foreground=own,
        background=own + objects,
    )


def multi_object_regions(masks: Tensor) -> Regions:
    """Regions of the multi-object network (§3.3): the objects' own masks, and what is left.

    Args:
        masks: B×K×N in [0, 1], each object's mask pooled to the template grid.
    """
    objects = masks.shape[1]
    rest = (1 - masks.sum(dim=1, keepdim=True)).clamp(min=0)
    weights = torch.cat([masks, rest], dim=1)
    own = torch.arange(objects, device=masks.device)[:, None]
    others = own.T + (own <= own.T)  # row k: every region but k
    return Regions(weights=weights, gates=weights, foreground=own, background=others)


REGIONS = {"single": single_object_regions, "multi": multi_object_regions}
"""By the value of ``objects`` in the architecture."""
