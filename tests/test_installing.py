"""What ``pip install`` makes of the project: built for real, and looked at by a type checker."""

import contextlib
import json
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]

RIGHT = """\
import ranet

for name, frame, labels in ranet.segment_video("surf.mp4", "surf_first.png"):
    reveal_type(name)
"""

WRONG = """\
import ranet

ranet.segment_video("surf.mp4")
"""


def built(kind, folder):
    """The wheel that pip would install; ``kind``: wheel or editable."""
    api = pytest.importorskip(
        "hatchling.build", reason="hatchling is not installed: pip install '.[test]'"
    )
    script = f"import {api.__name__} as api; print(api.build_{kind}({str(folder)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return folder / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return built("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel):
    """The folder that the wheel was unpacked into, as pip does."""
    folder = wheel.parent / "installed"
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def files_of(folder):
    """Paths of a folder's files in the clone."""
    paths = {path for path in (ROOT / folder).rglob("*") if path.is_file()}
    return {p.relative_to(ROOT).as_posix() for p in paths if p.parent.name != "__pycache__"}


def test_the_wheel_holds_the_package_and_what_comes_with_it(installed):
    paths = {path.relative_to(installed) for path in installed.rglob("*") if path.is_file()}
    found = {path.as_posix() for path in paths if path.parts[0] == "ranet"}
    share = "ranet/share/"
    expected = files_of("ranet") | {share + name for name in files_of("configs")}
    expected.add(f"{share}checkpoints/ranet_small.safetensors")
    assert expected <= found
    others = {path.parts[0] for path in paths} - {"ranet"}
    assert [name.endswith(".dist-info") for name in others] == [True]  # no tests, no scripts
    assert [path.name for path in installed.glob("*.dist-info/licenses/*")] == ["LICENSE"]


def test_an_installed_package_finds_configurations_and_network(installed):
    script = (
        "from ranet.provenance import CONFIGS\n"
        "from ranet.methods.checkpoints import pretrained_path\n"
        "print(CONFIGS / 'segment.yaml', pretrained_path(), sep='\\n')"
    )
    command = [
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {str(installed)!r})\n{script}",
    ]
    done = subprocess.run(command, cwd=installed, check=True, capture_output=True, text=True)
    paths = [Path(line) for line in done.stdout.splitlines()]
    assert all(path.is_file() and path.is_relative_to(installed) for path in paths)
    assert len(paths) == 2


PLAIN = """
import importlib, json, sys
refused, modules = map(set, json.loads(sys.argv[1]))
class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in refused:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Refusing())
for module in modules:
    importlib.import_module(module)
import av
"""


def needed_by(names):
    """These distributions and what they need, without any extra, as canonical names."""
    found, waiting = set(), [Requirement(name) for name in names]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name not in found:
            found.add(name)
            with contextlib.suppress(metadata.PackageNotFoundError):  # of another system
                texts = metadata.requires(name) or []
                waiting += [Requirement(text) for text in texts if "extra ==" not in text]
    return found


def test_a_plain_install_is_enough_to_segment_evaluate_and_train():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    plain = needed_by(project["dependencies"])
    refused = [
        module
        for module, distributions in metadata.packages_distributions().items()
        if not plain & set(map(canonicalize_name, distributions)) and module != "ranet"
    ]
    assert {"matplotlib", "onnx", "pytest"} <= set(refused)
    used = [f"ranet.commands.{name}" for name in ("segment", "evaluate", "eval_davis", "train")]
    used += [
        "ranet.inference.video",
        "ranet.inference.davis",
        "ranet.training.run",
        "ranet.metrics",
    ]
    done = subprocess.run(
        [sys.executable, "-c", PLAIN, json.dumps([refused, used])],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_type_checkers_see_the_types_of_an_installed_package(tmp_path):
    """In an environment of its own, without any dependency: what is unknown there is Any.

    Installed with -e, which is where they may not find it; a wheel has ``py.typed``, as told above.
    """
    venv.create(tmp_path / "environment", with_pip=False)
    packages = sysconfig.get_path("purelib", vars={"base": tmp_path / "environment"})
    zipfile.ZipFile(built("editable", tmp_path)).extractall(packages)
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text(WRONG)
    python = tmp_path / "environment" / "bin" / "python"
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(python)]
    done = subprocess.run(
        [*command, "right.py", "wrong.py"], cwd=tmp_path, capture_output=True, text=True
    )
    said = done.stdout.replace("builtins.", "")
    assert 'right.py:4: note: Revealed type is "str"' in said
    (wrong,) = [line for line in said.splitlines() if " error: " in line]
    assert wrong.startswith('wrong.py:3: error: Missing positional argument "mask"')
