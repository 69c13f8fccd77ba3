"""A split of YouTube-VOS whose masks are not public: segmented, and packed for its server."""

from pathlib import Path

from ranet.config import InferenceConfig
from ranet.datasets.youtube_vos import index_youtube_vos_test
from ranet.files import stored_path
from ranet.inference.davis import Method, Split, check_apart, reported_split, segmented_split
from ranet.inference.results import Report


def segment_youtube_vos(
    config: InferenceConfig,
    method: Method,
    root: Path,
    out: Path,
    *,
    split: str = "valid",
    overwrite: bool = False,
) -> Report:
    """Segment a split of YouTube-VOS whose masks are not public, for the benchmark's server.

    Objects begin where they are first marked. Where all frames of the videos are there, in
    ``<split>_all_frames``, all are followed; masks are written of those that are to be submitted.

    Args:
        config: how to segment.
        method: :func:`.network` or :func:`.copying`.
        root: the folder of the unpacked archives, ``valid`` and perhaps ``valid_all_frames``.
        out: the folder of results, see :mod:`ranet.inference.results`.
        split: name of the folder in ``root``.
        overwrite: replace the results in ``out`` if they were made with other settings.

    Raises:
        DataError, OutputError, KeyboardInterrupt: as for :func:`.evaluate_split`.
    """
    check_apart(out, root, (split, f"{split}_all_frames"))
    videos = {video.sequence.name: video for video in index_youtube_vos_test(root, split=split)}
    inference = (method.inference or config).model_dump(mode="json")
    work = Split(
        f"YouTube-VOS {split}",
        split,
        [video.sequence for video in videos.values()],
        settings={
            **method.settings,
            "youtube_vos": stored_path(root, out),
            "frames": sum(len(video.sequence.frames) for video in videos.values()),
            "set": {
                "file": stored_path(root / split / "meta.json", out),
                "sequences": list(videos),
            },
            "config": {"split": split, "inference": inference},
        },
        wanted={name: video.submitted for name, video in videos.items()},
        objects={name: video.objects for name, video in videos.items()},
    )
    with segmented_split(work, method, out, overwrite) as results:
        submission = results.write_submission(split, list(videos), top="Annotations")
        return reported_split(work, method, results, submission=submission)
