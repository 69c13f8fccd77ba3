"""docs/reproduce.md names files that exist, every ablation, and a command for every row."""

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


def test_every_ablation_of_the_paper_has_its_commands():
    paths = (ROOT / "configs/ablations").glob("*.yaml")
    others = ("dmvos_", "dmn_aoa_")
    names = sorted(path.stem for path in paths if not path.stem.startswith(others))
    assert len(names) > 10
    assert [name for name in names if f"configs/ablations/{name}.yaml" not in TEXT] == []


def test_every_row_has_a_command_and_its_hours():
    networks_and_tables = TEXT.split("\n## The networks\n")[1]
    tables = re.findall(r"(?:^\|.*\n)+", networks_and_tables, re.MULTILINE)
    assert len(tables) == 1 + 6
    for table in tables:
        header, _, *rows = table.splitlines()
        assert header.split(" | ")[1::2] == ["command", "hours (not measured: estimated) |"]
        assert rows
        for row in rows:
            what, command, *_, hours = row.strip("|").split(" | ")
            assert re.match(r"`(?:python scripts/|\$EVAL16 |for video in .*; do python )", command)
            assert float(hours) > 0, what
