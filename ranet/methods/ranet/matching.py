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

Further ones are registered (:func:`register_matching`).
"""

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

from torch import Tensor, nn

from ranet.methods.ranet.ablations import Concatenation, MaximumMap, UnrankedMaps
from ranet.methods.ranet.config import MATCHINGS
from ranet.methods.ranet.encoder import Template
from ranet.methods.ranet.ranking_attention import RankingAttentionModule


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


class MatchingSizes(NamedTuple):
    """What is known of the network that a matching is made for."""

    objects: str
    """``"single"`` or ``"multi"``: how regions are made (:mod:`.regions`)."""
    template_grid: tuple[int, int]
    """(gh, gw)."""
    ranked: int
    """R."""
    straight_through: bool
    """Whether the scores of the ranking learn."""
    embedding_channels: int
    """C."""

    @property
    def positions(self) -> int:
        """N, template positions."""
        return math.prod(self.template_grid)


_Make = TypeVar("_Make", bound=Callable[[MatchingSizes], nn.Module])


def register_matching(name: str) -> Callable[[_Make], _Make]:
    """Make a matching known by a name, for ``model.matching``; a decorator.

    Args:
        name: not yet taken.

    Returns:
        Takes what makes a :class:`Matching` of :class:`MatchingSizes`: its class, or a function.
    """

    def register(make: _Make) -> _Make:
        MATCHINGS[name] = make
        return make

    return register


register_matching("ranking")(
    lambda sizes: RankingAttentionModule(
        sizes.objects, sizes.template_grid, sizes.ranked, sizes.straight_through
    )
)
register_matching("unranked")(lambda sizes: UnrankedMaps(sizes.objects, sizes.positions))
register_matching("maximum")(lambda sizes: MaximumMap(sizes.objects, sizes.positions))
register_matching("concatenation")(lambda sizes: Concatenation(sizes.embedding_channels))
