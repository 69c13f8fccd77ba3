"""What an evaluation yields, and its forms: the official tables, a JSON with everything, a text."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ranet.files import make_folder, stored_path, write_csv, write_json
from ranet.metrics.measures import decay, mean, recall
from ranet.wording import aligned_table, count


@dataclass(frozen=True)
class Measure:
    """J or F of one object over a video; None where nothing is scored."""

    mean: float | None
    """Mean over the scored frames."""
    recall: float | None
    """Share of the scored frames above 0.5."""
    decay: float | None
    """How much smaller it is in the last quarter of the scored frames than in the first."""
    per_frame: tuple[float | None, ...]
    """One entry per annotated frame."""

    @classmethod
    def over_video(cls, scored: Sequence[float], frames: int) -> "Measure":
        """Summarise the values of the scored frames: all ``frames`` but the first and the last."""
        if not scored:
            return cls(mean=None, recall=None, decay=None, per_frame=(None,) * frames)
        return cls(
            mean=mean(scored),
            recall=recall(scored),
            decay=decay(scored),
            per_frame=(None, *scored, None),
        )


@dataclass(frozen=True)
class ObjectResult:
    """Both measures of one object."""

    J: Measure
    """Region: the Jaccard index."""
    F: Measure
    """Contour: the F-measure."""

    @property
    def is_scored(self) -> bool:
        """Whether the video has a frame that counts."""
        return self.J.mean is not None


@dataclass(frozen=True)
class VideoResult:
    """All objects of one sequence."""

    frames: tuple[str, ...]
    """Names of the annotated frames, in order."""
    objects: Mapping[int, ObjectResult]
    """By id, 1…K."""


@dataclass(frozen=True)
class DavisResult:
    """The scores of a set of sequences by the rules of one DAVIS year."""

    year: int
    """Whose rules hold."""
    annotations: Path
    """The folder of the truth."""
    predictions: Path
    """The folder of the masks that were scored."""
    videos: Mapping[str, VideoResult]
    """By name; at least one has scored frames."""

    @property
    def objects(self) -> dict[str, ObjectResult]:
        """All objects, by ``<sequence>_<id>``."""
        return {
            f"{name}_{label}": result
            for name, video in self.videos.items()
            for label, result in video.objects.items()
        }

    @property
    def scored_frames(self) -> int:
        """The number of frames that count."""
        return sum(max(len(video.frames) - 2, 0) for video in self.videos.values())

    @property
    def averages(self) -> dict[str, float]:
        """The seven numbers of DAVIS over all scored objects; see :func:`average`."""
        return average([result for result in self.objects.values() if result.is_scored])

    def write(self, out: str | Path, set_name: str) -> None:
        """Write ``davis.json`` and the two tables of the official tool into a folder.

        The tables hold fractions with three decimals; ``davis.json`` holds every value in full
        precision, and null where nothing is scored. Older results in the folder are replaced.

        Args:
            out: the folder; made if missing.
            set_name: what the set of sequences is called, in the tables' file names.

        Raises:
            OutputError: the folder or a file cannot be written.
        """
        out = make_folder(out)
        averages = self.averages
        write_csv(
            out / f"global_results-{set_name}.csv",
            list(averages),
            [_three_decimals(averages.values())],
        )
        write_csv(
            out / f"per-sequence_results-{set_name}.csv",
            ["Sequence", "J-Mean", "F-Mean"],
            [
                [name, *_three_decimals((result.J.mean, result.F.mean))]
                for name, result in self.objects.items()
            ],
        )
        write_json(out / "davis.json", self._as_json(set_name, out))

    def _as_json(self, set_name: str, out: Path) -> dict[str, Any]:
        return {
            "settings": {
                "year": self.year,
                "set": set_name,
                "annotations": stored_path(self.annotations, out),
                "predictions": stored_path(self.predictions, out),
                "sequences": len(self.videos),
                "objects": len(self.objects),
                "scored_frames": self.scored_frames,
            },
            "global": self.averages,
            "sequences": {
                name: {str(label): asdict(result) for label, result in video.objects.items()}
                for name, video in self.videos.items()
            },
            "frames": {name: list(video.frames) for name, video in self.videos.items()},
        }


def score_files(folder: Path) -> list[Path]:
    """What :meth:`DavisResult.write` writes into a folder, for whichever set; there or not."""
    tables = ("global_results-*.csv", "per-sequence_results-*.csv")
    return [folder / "davis.json", *(path for name in tables for path in folder.glob(name))]


def average(results: Sequence[ObjectResult]) -> dict[str, float]:
    """The seven numbers of DAVIS, each the mean over scored objects, in the official order.

    Means and recalls are in [0, 1], decays in [-1, 1].
    """
    averages = {
        f"{measure}-{statistic.capitalize()}": float(
            np.mean([getattr(getattr(result, measure), statistic) for result in results])
        )
        for measure in ("J", "F")
        for statistic in ("mean", "recall", "decay")
    }
    return {"J&F-Mean": (averages["J-Mean"] + averages["F-Mean"]) / 2, **averages}


def format_table(result: DavisResult) -> str:
    """The result as text for a terminal: a line of settings, the averages, a row per object."""
    averages, objects = result.averages, result.objects
    rows = [
        ("", *averages),
        ("all objects", *_three_decimals(averages.values())),
        *((name, *_cells(scores, len(averages))) for name, scores in objects.items()),
    ]
    title = (
        f"DAVIS {result.year}: {count(result.videos, 'sequence')}, {count(objects, 'object')}, "
        f"{count(result.scored_frames, 'scored frame')}"
    )
    return "\n".join([title, "", *aligned_table(rows)])


def _cells(result: ObjectResult, columns: int) -> tuple[str, ...]:
    if not result.is_scored:
        return ("not scored", *[""] * (columns - 1))
    return _three_decimals(average([result]).values())


def _three_decimals(values: Iterable[float | None]) -> tuple[str, ...]:
    """As in the official tables; empty where nothing is scored."""
    return tuple("" if value is None else f"{value:.3f}" for value in values)
