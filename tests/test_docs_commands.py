"""The commands in the documents exist, with all of their options, and so do the files they name."""

import re
from collections import defaultdict
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
