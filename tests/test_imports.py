"""Who may import whom: the walls of the house."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "ranet"

# Every room may use these: they know nothing of the others.
COMMON = {
    "errors",
    "files",
    "lock",
    "palette",
    "interrupt",
    "provenance",
    "wording",
}

# Room (a folder or a file of the package) → what of the package it may import besides COMMON.
MAY_IMPORT = {
    "errors": set(),
    "files": set(),
    "interrupt": set(),
    "lock": set(),
    "palette": set(),
    "provenance": set(),
    "wording": set(),
    "cli": set(),
    "device": set(),
    "config_files": set(),
    "config": {"config_files", "methods.registry"},
    "structures": set(),
    "methods": {
        "config_files",  # a method's arguments are a section
        "structures",
        "datasets.image_io",  # figures are written
        "visual",  # RANet draws how it came to a result
    },
    "datasets": {
        "config",
        "config_files",
        "methods.crops",  # samples are cropped as inference crops
        "structures",
    },
    "metrics": {"datasets.index", "datasets.image_io", "datasets.numbering"},
    "visual": {"structures", "datasets.image_io"},
    "inference": {
        "config",
        "datasets.annotations",
        "datasets.frames",
        "datasets.image_io",
        "datasets.index",
        "datasets.mask_exports",
        "datasets.labels",
        "datasets.video_io",
        "datasets.video_writer",
        "datasets.youtube_vos",
        "device",
        "metrics",  # a split is segmented, then scored
        "methods",
        "structures",
        "tables.published",  # the paper's numbers stand beside ours
        "visual.overlay",  # a video is written with its masks drawn over it, or cut out
        "visual.contact_sheet",  # the frames beside an explanation
        "visual.plots",  # which says whether there is anything to draw with
    },
    "tables": {"config", "visual.plots"},
    "report": {  # a page about results: files and numbers, no network
        "datasets.image_io",
        "datasets.index",
        "metrics",
        "tables.published",
        "visual.overlay",
        "visual.plots",
    },
    "annotator": {  # a person marks objects and watches them being followed
        "datasets.annotations",
        "datasets.frames",
        "datasets.image_io",
        "datasets.labels",
        "datasets.random_access",
        "inference",
        "visual.overlay",
    },
    "training": {
        "config",
        "config_files",  # a run's folder says how it was made
        "datasets",
        "device",
        "inference.davis",  # validation scores a network as an evaluation does
        "methods",
        "structures",
        "visual",  # pictures for TensorBoard
    },
    "benchmark": {  # times every room at its work
        "cli",
        "config",
        "datasets",
        "device",
        "inference",
        "methods",
        "metrics",
        "structures",
        "tables.grid",
        "training",
    },
    "export": {"config", "inference", "methods", "structures"},
    "api": {
        "config",
        "datasets.annotations",
        "datasets.frames",
        "datasets.video_io",
        "inference",
        "methods",
    },
    "demo": {"config", "datasets", "inference", "report", "training", "visual"},
    # Each calls the one thing that it is for; nobody imports a command.
    "commands": {
        "annotator",
        "benchmark",
        "cli",
        "config",
        "config_files",
        "datasets",
        "demo",
        "device",  # tables tell where a network ran
        "export",
        "inference",
        "metrics",
        "methods",
        "report",
        "structures",  # batches, scored by a network
        "tables",
        "training",
        "visual",
    },
    "__main__": {"commands"},
}

# What a room may import besides, but inside a function only: loaded by those who ask for it.
MAY_IMPORT_LATE = {
    "visual": {"inference.explain"},  # ranet.visual.explain() runs a network
    "benchmark": {"export"},  # one of its parts times exported graphs
    "inference": {"training.online"},  # online learning trains, then follows with what it learned
}

# Third-party packages that only some rooms may load.
ONLY_IN = {
    "torch": {"device", "structures", "methods", "datasets", "inference", "training"}
    | {"benchmark", "provenance", "commands", "export"},
    "torchvision": {"methods"},
    "yaml": {"config_files"},
    # annotator: checks what a page asks for
    "pydantic": {"annotator", "config", "config_files", "datasets", "methods"},
    "matplotlib": {"methods", "visual"},
    "jinja2": {"report"},
    "starlette": {"annotator"},
    "uvicorn": {"annotator"},
}


# Optional extras: loaded when they are used, so that all else works without them.
OPTIONAL = ("matplotlib", "onnx", "onnxscript", "pycocotools", "torch.utils.tensorboard")
OPTIONAL += ("cutie", "omegaconf", "scipy")


def imports_of(path: Path) -> set[str]:
    """Dotted names of all modules a file imports, at any depth."""
    return names_imported(ast.walk(ast.parse(path.read_text())), path)


def imports_at_once(path: Path) -> set[str]:
    """Dotted names of the modules that are loaded with a file: not those inside functions."""
    return names_imported(outside_functions(ast.parse(path.read_text())), path)


def outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not for_types_only(node):
        for child in ast.iter_child_nodes(node):
            yield from outside_functions(child)


def for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def names_imported(nodes: Iterable[ast.AST], path: Path) -> set[str]:
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names.add(node.module)
            if node.module != "ranet":  # whose names say nothing of where they are from
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def is_allowed(name: str, allowed: set[str]) -> bool:
    inside = name.removeprefix("ranet.")
    return inside == name or any(inside == a or inside.startswith(f"{a}.") for a in allowed)


def files_of(room: str) -> list[Path]:
    folder = PACKAGE / room
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [PACKAGE / f"{room}.py"]


def test_every_room_is_known():
    found = {p.stem for p in PACKAGE.glob("*.py")} | {p.parent.name for p in PACKAGE.glob("*/*.py")}
    assert found - {"__init__", "ranet"} == MAY_IMPORT.keys()


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_rooms_import_only_what_they_may(room):
    allowed = COMMON | MAY_IMPORT[room] | {room}
    late = allowed | MAY_IMPORT_LATE.get(room, set())
    for path in files_of(room):
        wrong = {name for name in imports_at_once(path) if not is_allowed(name, allowed)}
        wrong |= {name for name in imports_of(path) if not is_allowed(name, late)}
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


def loaded_with(module: str) -> set[str]:
    """The modules of the package that are loaded when one is imported."""
    loaded, waiting = set(), [module]
    while waiting:
        name = waiting.pop() or "ranet"
        path = ROOT.joinpath(*name.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if name not in loaded and path.is_file():
            loaded.add(name)
            waiting += [name.rpartition(".")[0], *imports_at_once(path)]
    return loaded


def test_following_videos_loads_nothing_of_training():
    loaded = loaded_with("ranet.inference.segmenter")
    assert {"ranet.methods.base", "ranet.methods.backbones"} <= loaded
    unwanted = ("ranet.training", "ranet.datasets.views", "ranet.datasets.augment")
    assert not [name for name in loaded if name.startswith(unwanted)]


@pytest.mark.parametrize("package", ONLY_IN)
def test_heavy_packages_stay_in_their_rooms(package):
    for room in MAY_IMPORT.keys() - ONLY_IN[package]:
        for path in files_of(room):
            tops = {name.split(".")[0] for name in imports_of(path)}
            assert package not in tops, f"{path.relative_to(ROOT)} imports {package}"


def test_optional_packages_are_loaded_when_they_are_used():
    for path in PACKAGE.rglob("*.py"):
        wrong = [
            n for n in imports_at_once(path) if f"{n}.".startswith(tuple(f"{o}." for o in OPTIONAL))
        ]
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


@pytest.mark.parametrize(
    "module",
    [
        "annotations.py",
        "frames.py",
        "index.py",
        "image_io.py",
        "image_sets.py",
        "labels.py",
        "live.py",
        "mask_exports.py",
        "mask_pixels.py",
        "numbering.py",
        "random_access.py",
        "video_file.py",
        "video_io.py",
        "video_writer.py",
        "youtube_vos.py",
    ],
)
def test_reading_files_needs_no_torch(module):
    assert not any(n.split(".")[0] == "torch" for n in imports_of(PACKAGE / "datasets" / module))


@pytest.mark.parametrize("module", ["registry.py", "ranet/config.py", "dmvos/config.py"])
def test_configurations_of_methods_need_no_torch(module):
    loaded = imports_at_once(PACKAGE / "methods" / module)
    assert not any(name.split(".")[0] == "torch" for name in loaded)


def test_a_method_imports_no_other_and_nothing_but_its_own_room_names_it():
    """But for the registry, the public names, and the check of the authors' fixtures."""
    methods = [path for path in (PACKAGE / "methods").iterdir() if path.is_dir()]
    known = {PACKAGE / "__init__.py", PACKAGE / "methods" / "registry.py"}
    known |= {
        PACKAGE / "commands" / f"{n}.py"
        for n in ("check_released_parity", "convert_released_weights")
    }
    for path in set(PACKAGE.rglob("*.py")) - known:
        for method in methods:
            wrong = [n for n in imports_of(path) if n.startswith(f"ranet.methods.{method.name}.")]
            assert not wrong or method in path.parents, f"{path.relative_to(ROOT)}: {wrong}"


def test_nothing_imports_scripts():
    for path in PACKAGE.rglob("*.py"):
        assert not any(name.split(".")[0] == "scripts" for name in imports_of(path))
