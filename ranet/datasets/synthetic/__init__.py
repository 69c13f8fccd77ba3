"""A procedural miniature DAVIS: textured things that move, deform and hide each other."""

from ranet.datasets.synthetic.writer import LIMITS, write_synthetic_davis

__all__ = ["LIMITS", "write_synthetic_davis"]
