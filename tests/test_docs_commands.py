"""What the documents tell exists: commands with all of their options, files, networks."""

import re
from collections import defaultdict
from hashlib import sha256
from pathlib import Path

import pytest
from scripts_in_process import ScriptRunner

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:ranet|python (?:scripts/(\w+)\.py))\s+(?:([a-z][a-z-]+)\b)?(.*)")


def commands() -> dict[str, set[str]]:
    """Scripts by file name, and the options that the documents give them."""
    found: dict[str, set[str]] = defaultdict(set)
    for page in ROOT.glob("docs/*.md"):
        for block in FENCE.findall(page.read_text("utf-8")):
            for line in block.replace("\\\n", " ").splitlines():
                if match := COMMAND.match(line.strip()):
                    script, word, rest = match.groups()
                    name = script or word.replace("-", "_")
                    found[f"{name}.py"] |= set(re.findall(r"(?<=\s)--[a-z][a-z-]+", rest))
    return found


COMMANDS = commands()


@pytest.mark.parametrize("script", sorted(COMMANDS.keys() - {"benchmark.py"}))
def test_the_options_exist(script: str, run_script: ScriptRunner) -> None:
    told = run_script(script, "--help")
    assert told.status == 0
    assert [option for option in sorted(COMMANDS[script]) if option not in told.out] == []


def test_most_scripts_are_shown():
    assert {"segment.py", "explain.py", "train.py", "eval_davis.py", "report.py"} <= COMMANDS.keys()
    assert "--backward" in COMMANDS["segment.py"]


def test_the_files_exist():
    text = "".join(page.read_text("utf-8") for page in ROOT.glob("docs/*.md"))
    named = set(re.findall(r"(?:configs|scripts|tests)/[\w/]+\.(?:yaml|py)", text))
    example = {"configs/ablations/mean_static.yaml", "configs/ablations/mean_video.yaml"}
    assert len(named) > 30
    assert [name for name in sorted(named - example) if not (ROOT / name).is_file()] == []


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
