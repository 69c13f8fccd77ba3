"""The numbers that the paper gives for RANet, to print beside ours."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedResult:
    """A row of a table of the paper; measures as fractions, under the names of the DAVIS tool."""

    source: str
    sequences: int
    """How many sequences it was measured on."""
    measures: dict[str, float]
    step_ms: float | None = None
    step_ms_note: str = ""


PUBLISHED = {
    (2016, "val"): PublishedResult(
        source="paper, Table 1",
        sequences=20,
        measures={
            "J&F-Mean": 0.855,
            "J-Mean": 0.855,
            "J-Recall": 0.972,
            "J-Decay": 0.062,
            "F-Mean": 0.854,
            "F-Recall": 0.949,
            "F-Decay": 0.051,
        },
        step_ms=33.0,
        step_ms_note="Titan Xp, measured without synchronising",
    ),
    (2017, "val"): PublishedResult(
        source="paper, Table 3", sequences=30, measures={"J&F-Mean": 0.657, "J-Mean": 0.632}
    ),
    (2017, "test-dev"): PublishedResult(
        source="paper, Table 3", sequences=30, measures={"J&F-Mean": 0.553, "J-Mean": 0.534}
    ),
}
"""By year and split."""
