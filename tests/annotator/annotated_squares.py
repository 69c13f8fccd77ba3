"""The video that is annotated here."""

SIZE = (48, 80)
FRAMES = 6
