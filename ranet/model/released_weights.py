"""Reading the authors' checkpoints: their names on the left, ours on the right.

Every name must be in the table; ``None`` marks what the released network holds but never uses.
"""

import re
from collections.abc import Mapping

from torch import Tensor

from ranet.errors import CheckpointError

# Prefixes of parameter names: in the authors' file → in ranet.model.ranet.RANet.
NAMES: dict[str, str | None] = {
    # Encoder. Below base_model the names are torchvision's in both.
    "base_model": "encoder.backbone",
    "L3.2": "encoder.reduce8.conv",
    "L4.2": "encoder.reduce16.conv",
    "L5.2": "encoder.reduce32.conv",
    "L_g.2": "encoder.fuse.conv",
    # Ranking network f_n.
    "Ranking.0.2": "ranking.ranking_network.reduce.conv",
    "Ranking.1": "ranking.ranking_network.refine",
    "Ranking.2.2": "ranking.ranking_network.score.conv",
    # Merge module.
    "p_1.2": "merge.expand.conv",
    "res_1": "merge.refine",
    "p_2.2": "merge.reduce.conv",
    # Skips of the pyramid: level, then the stage of the backbone.
    "ls13.2": "decoder.skips8.blocks.0.conv",
    "ls14.2": "decoder.skips8.blocks.1.conv",
    "ls15.2": "decoder.skips8.blocks.2.conv",
    "ls22.2": "decoder.skips4.blocks.0.conv",
    "ls23.2": "decoder.skips4.blocks.1.conv",
    "ls24.2": "decoder.skips4.blocks.2.conv",
    "ls31.2": "decoder.skips2.blocks.0.conv",
    "ls32.2": "decoder.skips2.blocks.1.conv",
    "ls33.2": "decoder.skips2.blocks.2.conv",
    # Level 1, at stride 8.
    "R1.0.2": "decoder.level1.0.conv",
    "R1.1.2": "decoder.level1.1.conv",
    "R1.2.l1": "decoder.level1.2.branches.0",
    "R1.2.l2": "decoder.level1.2.branches.1",
    "R1.2.l3": "decoder.level1.2.branches.2",
    "R1.3": "decoder.refine1",
    # Level 2, at stride 4.
    "R2.0.2": "decoder.level2.0.conv",
    "R2.1.2": "decoder.level2.1.conv",
    "R2.2.l1": "decoder.level2.2.branches.0",
    "R2.2.l2": "decoder.level2.2.branches.1",
    "R2.2.l3": "decoder.level2.2.branches.2",
    "R2.3": "decoder.refine2",
    # Level 3, at stride 2, and the logits.
    "R3.0.2": "decoder.level3.0.conv",
    "R3.1.2": "decoder.level3.1.conv",
    "R3.2.l1": "decoder.level3.2.branches.0",
    "R3.2.l2": "decoder.level3.2.branches.1",
    "R3.2.l3": "decoder.level3.2.branches.2",
    "R3.4": "decoder.refine3",
    "R3.5": "decoder.logits",
    # A second merge stream and an attention over scores, left from earlier versions.
    "p_1b.2": None,
    "res_1b": None,
    "p_2b.2": None,
    "rank_A.0": None,
    "rank_A.1": None,
    "rank_A.2": None,
}


def is_released(state: Mapping[str, object]) -> bool:
    """Whether ``state`` is named as the authors name theirs."""
    return "base_model.conv1.weight" in state


def our_name(released_name: str) -> str | None:
    """Translate one parameter name; None for a parameter that is dropped on purpose.

    Raises:
        CheckpointError: the name is not in the table.
    """
    for prefix, ours in NAMES.items():
        if released_name.startswith(prefix + "."):
            rest = released_name.removeprefix(prefix)
            return None if ours is None else ours + rest
    raise CheckpointError(
        f"A released checkpoint has no parameter {released_name!r}; "
        f"its top-level names are {', '.join(_top_level_names())}."
    )


def released_name(name: str) -> str:
    """Translate one of our parameter names back.

    Raises:
        CheckpointError: the released network has no such parameter.
    """
    for prefix, ours in NAMES.items():
        if ours is not None and name.startswith(ours + "."):
            return prefix + name.removeprefix(ours)
    raise CheckpointError(f"The released network has nothing that corresponds to {name!r}.")


def convert_released_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the parameters of a released checkpoint, dropping the unused ones.

    Raises:
        CheckpointError: a name is not in the table. What is missing shows when the result is held
            against the network.
    """
    converted = {our_name(name): tensor for name, tensor in state.items()}
    return {name: tensor for name, tensor in converted.items() if name is not None}


def _top_level_names() -> list[str]:
    return sorted({re.split(r"\.", prefix)[0] for prefix in NAMES})
