"""What commands fall back on."""

from ranet.shipped import SHIPPED

CONFIGS = SHIPPED / "configs"
"""The configurations that come with the project."""
