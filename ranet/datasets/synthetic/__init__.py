"""A procedural miniature DAVIS: textured things that move, deform and hide each other."""

from ranet.datasets.synthetic.writer import write_synthetic_davis

__all__ = ["write_synthetic_davis"]
