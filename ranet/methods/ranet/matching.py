"""What the decoder is told of the match between template and current frame.

The paper's network ranks the similarity maps; its ablations (Tables 4 and 5) put something simpler
in that place. Each is a module of its own with one interface, :class:`Matching`:

=================  ===================================================  ===============
name               streams of an object's foreground and background     paper
=================  ===================================================  ===============
``ranking``        the R best similarity maps, ordered by score          RANet, w/ RAM
``unranked``       all N maps in the template's order                    w/o Ranking
``maximum``        one map: the largest similarity at every pixel        Maximum
``concatenation``  no similarity: both embeddings, side by side          -CL
=================  ===================================================  ===============
"""

import math
from collections.abc import Callable, Sequence
from typing import Protocol

from torch import Tensor, nn

from ranet.methods.ranet.ablations import Concatenation, MaximumMap, UnrankedMaps
from ranet.methods.ranet.ranking_attention import RankingAttentionModule
from ranet.structures import Template


class Matching(Protocol):
    """The interface: a module that compares a template with a current frame."""

    channels: int
    """Of each stream."""

    def __call__(self, template: Template, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Streams of every object's foreground and background, each B×K×channels×h×w.

        Args:
            template: of B frames with K objects.
            embedding: B×C×h×w, the current frames'.
        """
        ...


def build_matching(
    name: str,
    *,
    objects: str,
    template_grid: Sequence[int],
    ranked: int,
    straight_through: bool,
    embedding_channels: int,
) -> nn.Module:
    """The :class:`Matching` of a name in the table above.

    Args:
        name: as in the table.
        objects: ``"single"`` or ``"multi"``: how regions are made (:mod:`.regions`).
        template_grid: (gh, gw).
        ranked: R, for ``ranking``.
        straight_through: whether scores learn, for ``ranking``.
        embedding_channels: C, for ``concatenation``.

    Raises:
        ValueError: there is no such name.
    """
    positions = math.prod(template_grid)
    modules: dict[str, Callable[[], nn.Module]] = {
        "ranking": lambda: RankingAttentionModule(objects, template_grid, ranked, straight_through),
        "unranked": lambda: UnrankedMaps(objects, positions),
        "maximum": lambda: MaximumMap(objects, positions),
        "concatenation": lambda: Concatenation(embedding_channels),
    }
    if name not in modules:
        raise ValueError(
            f"matching should be one of {', '.join(map(repr, modules))}, found {name!r}"
        )
    return modules[name]()
