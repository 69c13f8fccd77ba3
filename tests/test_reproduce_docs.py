"""docs/reproduce.md names files that exist, and every ablation."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/reproduce.md").read_text()


def test_every_file_it_names_is_there():
    named = set(re.findall(r"(?:configs|scripts)/[\w/]+\.(?:yaml|py)", TEXT))
    assert len(named) > 15
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\((\.\./[^)]+)\)", TEXT)
    assert links
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []


def test_every_ablation_has_its_commands():
    paths = (ROOT / "configs/ablations").glob("*.yaml")
    names = {path.stem for path in paths} - {"no_ranking_gradient_video"}  # told as "…_video.yaml"
    assert [name for name in sorted(names) if f"configs/ablations/{name}.yaml" not in TEXT] == []
