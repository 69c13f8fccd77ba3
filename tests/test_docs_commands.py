"""What the documents tell exists: commands with all of their options, files, networks."""

import re
from collections import defaultdict
from hashlib import sha256
from importlib import import_module
from pathlib import Path

import pytest
from scripts_in_process import ScriptRunner

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```(?:sh)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
ANY_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
READMES = ("checkpoints/*.md", "configs/*/*.md", "data/*.md")
COMMAND = re.compile(r"(?:ranet|python (?:scripts/(\w+)\.py))\s+(?:([a-z][a-z-]+)\b)?(.*)")
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
TABLES = [*PAGES, *sorted(path for pattern in READMES for path in ROOT.glob(pattern))]


def commands() -> dict[str, set[str]]:
    """Scripts by file name, and the options that the documents give them."""
    found: dict[str, set[str]] = defaultdict(set)
    for page in PAGES:
        for block in FENCE.findall(page.read_text("utf-8")):
            for line in block.replace("\\\n", " ").splitlines():
                if match := COMMAND.match(line.strip()):
                    script, word, rest = match.groups()
                    name = script or word.replace("-", "_")
                    found[f"{name}.py"] |= set(re.findall(r"(?<=\s)--[a-z][a-z-]+", rest))
    return found


COMMANDS = commands()


@pytest.mark.parametrize("script", sorted(COMMANDS))
def test_the_options_exist(script: str, run_script: ScriptRunner) -> None:
    told = run_script(script, "--help")
    assert told.status == 0
    assert [option for option in sorted(COMMANDS[script]) if option not in told.out] == []


def test_most_scripts_are_shown():
    assert {"segment.py", "explain.py", "train.py", "eval_davis.py", "report.py"} <= COMMANDS.keys()
    assert "--backward" in COMMANDS["segment.py"]


def test_the_files_exist():
    text = "".join(page.read_text("utf-8") for page in [*PAGES, ROOT / "Makefile"])
    named = set(re.findall(r"(?:configs|scripts|tests)/[\w/]+\.(?:yaml|py)", text))
    example = {"configs/ablations/mean_static.yaml", "configs/ablations/mean_video.yaml"}
    assert len(named) > 30
    assert [name for name in sorted(named - example) if not (ROOT / name).is_file()] == []


def test_what_the_documents_import_is_there():
    pages = [*PAGES, *ROOT.glob("notebooks/*.ipynb")]
    text = "\n".join(page.read_text("utf-8") for page in pages)
    imported = re.findall(r"from (ranet[\w.]*) import ([\w, ]+)", text)
    named = {(module, name.strip()) for module, names in imported for name in names.split(",")}
    assert len(named) > 20
    assert [one for one in sorted(named) if not hasattr(import_module(one[0]), one[1])] == []


def test_the_links_of_the_readme_lead_somewhere():
    """Those of the pages in docs are checked when the site is built."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / "README.md").read_text("utf-8"))
    assert len(links) > 15
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("page", TABLES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_row_stands_in_a_table(page: Path) -> None:
    """Rows that touch are a table if the second is the line below its head."""
    text = ANY_FENCE.sub("", page.read_text("utf-8"))
    blocks = re.findall(r"(?:^ *\|.*\n?)+", text, re.MULTILINE)
    outside = [b for b in blocks if not re.match(r".*\n *\|(?: *:?-+:? *\|)+$", b, re.MULTILINE)]
    assert outside == []


def test_the_model_zoo_is_of_the_networks_that_are_here():
    rows = re.findall(
        r"^\| `([\w-]+)\.safetensors` \| `([0-9a-f]{64})` \|.*\| ([\d.]+) \| (\d+) \|$",
        (ROOT / "docs/model_zoo.md").read_text("utf-8"),
        re.MULTILINE,
    )
    assert {name for name, *_ in rows} == {
        p.stem for p in ROOT.glob("checkpoints/ranet_*.safetensors")
    }
    for name, digest, score, milliseconds in rows:
        assert sha256((ROOT / f"checkpoints/{name}.safetensors").read_bytes()).hexdigest() == digest
        card = (ROOT / f"checkpoints/{name}.md").read_text("utf-8")
        assert all(told in card for told in (digest, f"**{score}**", f"{milliseconds} ms"))
