"""Makes the pictures of docs/images, from synthetic videos.

    python docs/_site/figures.py

draws the videos, explains object 2 in frame 12 of one, follows the objects of another to its end,
shows by dmvos-small and dmn-aoa-small how look-alikes pass each other, and keeps the figures as
small JPEGs.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs/images"
EXPLAINED, FOLLOWED, CROSSING = "480p/val-0004", "480p/val-0002", "480p/val-0006"
STRIP = "7_video"
CROSSED_BY = {"dmvos-small": "dmvos_crossing", "dmn-aoa-small": "dmn_aoa_crossing"}
FIGURES = (
    "1_frames",
    "2_similarity_maps",
    "3_ranking_scores",
    "4_foreground_maps",
    "5_merged_features",
    "6_result",
)
WIDTH = 1400  # pixels


def main() -> None:
    """Make them all."""
    with tempfile.TemporaryDirectory() as folder:
        videos, figures = Path(folder, "videos"), Path(folder, "figures")
        _ranet(
            f"make-synthetic --out {videos} --train 0 --val 6 --frames 24 --size 288 528 --seed 11"
        )
        _explain(videos, EXPLAINED, f"--frame 12 --object 2 --out {figures}")
        for name in FIGURES:
            _shrink(figures / f"{name}.png", IMAGES / f"{name}.jpg")
        _explain(videos, FOLLOWED, f"--frame 23 --out {figures}")
        _shrink(figures / f"{STRIP}.png", IMAGES / f"{STRIP}.jpg")
        crossing = Path(folder, "crossing")
        _ranet(
            f"make-synthetic --out {crossing} --train 0 --val 8 --frames 32 --max-objects 2 "
            "--case look_alikes_crossing"
        )
        for network, name in CROSSED_BY.items():
            options = f"--frame 16 --object 1 --checkpoint {network}"
            _explain(crossing, CROSSING, f"{options} --out {figures}")
            _shrink(figures / "summary.png", IMAGES / f"{name}.jpg")


def _explain(videos: Path, name: str, options: str) -> None:
    mask = videos / "Annotations" / name / "00000.png"
    _ranet(f"explain --video {videos / 'JPEGImages' / name} --mask {mask} {options}")


def _ranet(arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "ranet", *arguments.split()], cwd=ROOT, check=True)


def _shrink(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    with Image.open(source) as image:
        image = image.convert("RGB")
        image.thumbnail((WIDTH, WIDTH))
        image.save(target, quality=82, optimize=True)


if __name__ == "__main__":
    main()
