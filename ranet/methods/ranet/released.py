"""The authors' checkpoints, and their tensors to hold this network against (golden fixtures).

In their checkpoints, every name must be in the table: theirs on the left, ours on the right;
``None`` marks what the released network holds but never uses.

A fixture is an ``.npz`` file with inputs, a seed, and what the authors' network made of them in
float64. Its weights follow a rule, so that no weights need to be passed on: every parameter is
drawn from a generator seeded with the fixture's seed and the CRC-32 of the parameter's name.
"""

import math
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ranet.errors import CheckpointError, DataError
from ranet.methods.checkpoint_files import (
    STATIC,
    UNTOLD,
    VIDEO,
    check_finite,
    check_names_and_shapes,
    read_checkpoint_file,
    training_stage,
)
from ranet.methods.layers import resize
from ranet.methods.ranet.network import RANet
from ranet.structures import one_hot_masks

_INPUTS = ("seed", "template_image", "template_labels", "current_image", "previous_labels")
_REQUIRED = (*_INPUTS, "probability")  # which also tells how many objects there are


class Difference(NamedTuple):
    """How far one array of a fixture is from ours."""

    array: str
    shape: tuple[int, ...]
    largest: float  # largest absolute difference, less what rounding to the stored type explains


def ruled_weight(name: str, shape: Sequence[int], seed: int) -> Tensor:
    """The weight that the fixtures' rule gives the released parameter ``name``; float64."""
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    values = generator.standard_normal(tuple(shape))
    if len(shape) > 1:
        values *= math.sqrt(2 / math.prod(shape[1:]))
    elif name.endswith("weight"):
        values = 1 + 0.1 * values
    else:
        values = 0.05 * values
    return torch.from_numpy(values.astype(np.float32).astype(np.float64))


def ruled_network(objects: str, seed: int) -> RANet:
    """The released architecture in float64, with the weights of the fixtures' rule."""
    model = RANet(backbone="resnet101", objects=objects).double().eval()
    released = {
        their_name: ruled_weight(their_name, tensor.shape, seed)
        for name, tensor in model.state_dict().items()
        for their_name in (released_name(name),)
    }
    model.load_state_dict(convert_released_state(released))
    return model


def compare_with_fixture(path: str | Path, objects: str | None = None) -> list[Difference]:
    """Run the network on a fixture's inputs in float64 and compare every array it holds.

    Args:
        path: the fixture.
        objects: ``"single"`` or ``"multi"``: of which network it is; None: as the fixture tells.

    Raises:
        DataError: the file is no fixture, holds an array whose meaning is not known, or does not
            tell of which network it is.
    """
    fixture = _read_fixture(Path(path))
    ours = _our_arrays(fixture, _kind_of(fixture, objects, path))
    fixture.pop("objects", None)
    unknown = sorted(fixture.keys() - ours.keys() - set(_INPUTS))
    if unknown:
        raise DataError(f"{path} holds arrays of unknown meaning: {', '.join(unknown)}.")
    return [
        Difference(name, fixture[name].shape, _largest_difference(ours[name], fixture[name]))
        for name in fixture
        if name not in _INPUTS
    ]


def _read_fixture(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            fixture = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"Cannot read the fixture {path}: {error}") from error
    missing = [name for name in _REQUIRED if name not in fixture]
    if missing:
        raise DataError(f"{path} is no parity fixture: it lacks {', '.join(missing)}.")
    return fixture


def _kind_of(fixture: Mapping[str, np.ndarray], asked: str | None, path: str | Path) -> str:
    """``"single"`` or ``"multi"``: the network that the fixture was computed with.

    It tells by its entry ``objects``, by a ranking of each region, which only the network for a
    single object has, or by having several objects.
    """
    if "objects" in fixture:
        told = str(fixture["objects"])
    elif "ranking_net_output_1" in fixture:
        told = "single"
    elif fixture["probability"].shape[1] > 1:
        told = "multi"
    else:
        told = asked or ""
    if told not in ("single", "multi"):
        raise DataError(
            f"{path} does not tell whether it is of the network for a single object or for several"
            f"{f' (objects is {told!r})' if told else ''}: say --objects single or multi."
        )
    if asked not in (None, told):
        raise DataError(f"{path} is of the network for objects={told}, not {asked}.")
    return told


def _our_arrays(fixture: Mapping[str, np.ndarray], objects: str) -> dict[str, np.ndarray]:
    """Everything a fixture can hold, computed by our network."""
    model = ruled_network(objects, int(fixture["seed"]))
    count = fixture["probability"].shape[1]
    template_masks = one_hot_masks(_labels(fixture["template_labels"]), count).double()
    previous_masks = one_hot_masks(_labels(fixture["previous_labels"]), count).double()
    inside: dict[str, Tensor] = {}  # what parts put out, the last time that they were called
    parts = {
        "fusion": model.encoder.fuse,
        "ranking": model.ranking.ranking_network,
        "merge": model.merge,
        "R1": model.decoder.refine1,
        "R2": model.decoder.refine2,
        "R3": model.decoder.logits,
    }
    for name, part in parts.items():
        part.register_forward_hook(lambda *call, name=name: inside.update({name: call[-1]}))
    with torch.inference_mode():
        template = model.encode_template(_image(fixture["template_image"]), template_masks)
        frame = model.encode_frame(_image(fixture["current_image"]))
        logits = model.segment(template, frame, previous_masks)
    arrays = {
        "template_embedding": template.embedding,
        "probability": logits.sigmoid(),
        "search_embedding_unnormalised": inside["fusion"],
    }
    for region, scores in enumerate(inside["ranking"].unflatten(1, model.template_grid)):
        arrays[f"ranking_net_output_{region}"] = scores[None, None]
    for stream, merged in enumerate(inside["merge"].chunk(2)):
        arrays[f"merge_output_{stream}"] = merged[:1]  # of the first object
    for level in ("R1", "R2", "R3"):
        output = inside[level]
        if level != "R3":  # the authors' first two end with their upsampling, ours is in between
            output = resize(output, [2 * side for side in output.shape[-2:]], align_corners=True)
        flat = output.flatten(1)  # K×cHW
        mean_and_deviation = [flat.mean(dim=1), flat.std(dim=1, correction=0)]
        arrays[f"{level}_output_mean_std"] = torch.stack(mean_and_deviation, dim=1)
    return {name: tensor.numpy() for name, tensor in arrays.items()}


def _image(pixels: np.ndarray) -> Tensor:
    """H×W×3 uint8 → 1×3×H×W float64 in [0, 1]."""
    return torch.from_numpy(pixels.astype(np.float64) / 255).permute(2, 0, 1)[None]


def _labels(labels: np.ndarray) -> Tensor:
    """H×W uint8 → 1×H×W."""
    return torch.from_numpy(labels)[None]


def _largest_difference(ours: np.ndarray, stored: np.ndarray) -> float:
    """Largest absolute difference beyond half a step of the type the fixture is stored in."""
    if ours.shape != stored.shape:
        return math.inf
    half_step = np.spacing(np.abs(stored)).astype(np.float64) / 2
    difference = np.abs(ours - stored.astype(np.float64)) - half_step
    return float(max(difference.max(), 0.0)) if np.isfinite(difference).all() else math.inf


# The authors tell it by the file's name: pre-trained on images, then fine-tuned on videos.
_RELEASED = {
    "RANet_image_single.pth": [STATIC],
    "RANet_video_single.pth": [STATIC, VIDEO],
    "RANet_video_multi.pth": [STATIC, VIDEO],
}

# Prefixes of parameter names: in the authors' file → in ranet.methods.ranet.network.RANet.
NAMES: dict[str, str | None] = {
    # Encoder. Below base_model the names are torchvision's in both.
    "base_model": "encoder.backbone",
    "L3.2": "encoder.reduce8.conv",
    "L4.2": "encoder.reduce16.conv",
    "L5.2": "encoder.reduce32.conv",
    "L_g.2": "encoder.fuse.conv",
    # Ranking network f_n.
    "Ranking.0.2": "ranking.ranking_network.reduce.conv",
    "Ranking.1": "ranking.ranking_network.refine",
    "Ranking.2.2": "ranking.ranking_network.score.conv",
    # Merge module.
    "p_1.2": "merge.expand.conv",
    "res_1": "merge.refine",
    "p_2.2": "merge.reduce.conv",
    # Skips of the pyramid: level, then the stage of the backbone.
    "ls13.2": "decoder.skips8.blocks.0.conv",
    "ls14.2": "decoder.skips8.blocks.1.conv",
    "ls15.2": "decoder.skips8.blocks.2.conv",
    "ls22.2": "decoder.skips4.blocks.0.conv",
    "ls23.2": "decoder.skips4.blocks.1.conv",
    "ls24.2": "decoder.skips4.blocks.2.conv",
    "ls31.2": "decoder.skips2.blocks.0.conv",
    "ls32.2": "decoder.skips2.blocks.1.conv",
    "ls33.2": "decoder.skips2.blocks.2.conv",
    # Level 1, at stride 8.
    "R1.0.2": "decoder.level1.0.conv",
    "R1.1.2": "decoder.level1.1.conv",
    "R1.2.l1": "decoder.level1.2.branches.0",
    "R1.2.l2": "decoder.level1.2.branches.1",
    "R1.2.l3": "decoder.level1.2.branches.2",
    "R1.3": "decoder.refine1",
    # Level 2, at stride 4.
    "R2.0.2": "decoder.level2.0.conv",
    "R2.1.2": "decoder.level2.1.conv",
    "R2.2.l1": "decoder.level2.2.branches.0",
    "R2.2.l2": "decoder.level2.2.branches.1",
    "R2.2.l3": "decoder.level2.2.branches.2",
    "R2.3": "decoder.refine2",
    # Level 3, at stride 2, and the logits.
    "R3.0.2": "decoder.level3.0.conv",
    "R3.1.2": "decoder.level3.1.conv",
    "R3.2.l1": "decoder.level3.2.branches.0",
    "R3.2.l2": "decoder.level3.2.branches.1",
    "R3.2.l3": "decoder.level3.2.branches.2",
    "R3.4": "decoder.refine3",
    "R3.5": "decoder.logits",
    # A second merge stream and an attention over scores, left from earlier versions.
    "p_1b.2": None,
    "res_1b": None,
    "p_2b.2": None,
    "rank_A.0": None,
    "rank_A.1": None,
    "rank_A.2": None,
}


def our_name(released_name: str) -> str | None:
    """Translate one parameter name; None for a parameter that is dropped on purpose.

    Raises:
        CheckpointError: the name is not in the table.
    """
    for prefix, ours in NAMES.items():
        if released_name.startswith(prefix + "."):
            rest = released_name.removeprefix(prefix)
            return None if ours is None else ours + rest
    raise CheckpointError(
        f"A released checkpoint has no parameter {released_name!r}; "
        f"its top-level names are {', '.join(sorted({p.partition('.')[0] for p in NAMES}))}."
    )


def released_name(name: str) -> str:
    """Translate one of our parameter names back.

    Raises:
        CheckpointError: the released network has no such parameter.
    """
    for prefix, ours in NAMES.items():
        if ours is not None and name.startswith(ours + "."):
            return prefix + name.removeprefix(ours)
    raise CheckpointError(f"The released network has nothing that corresponds to {name!r}.")


def convert_released_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the parameters of a released checkpoint, dropping the unused ones.

    Raises:
        CheckpointError: a name is not in the table. What is missing shows when the result is held
            against the network.
    """
    converted = {our_name(name): tensor for name, tensor in state.items()}
    return {name: tensor for name, tensor in converted.items() if name is not None}


def released_stages(file_name: str) -> list[dict[str, Any]]:
    """The stages behind one of the authors' checkpoints, by its file name."""
    if file_name not in _RELEASED:
        return [UNTOLD]
    return [training_stage(f"released, {data}", [data], None) for data in _RELEASED[file_name]]


def load_released_checkpoint(path: str | Path, objects: str) -> RANet:
    """Read one of the authors' ``.pth`` files.

    Args:
        path: ``RANet_video_single.pth``, ``RANet_image_single.pth`` or ``RANet_video_multi.pth``.
        objects: ``"single"`` or ``"multi"``, as in the file's name.

    Returns:
        The network on the CPU, in evaluation mode.

    Raises:
        CheckpointError: the file is missing, no checkpoint, or has a parameter too many or too few.
    """
    content = read_checkpoint_file(path)
    if not RANet.reads(content):
        raise CheckpointError(
            f"{path} is not one of the authors' checkpoints: it has no base_model.conv1.weight. "
            "One of this project's own is read by load_checkpoint."
        )
    return released_network(content, path, objects)


def released_network(content: Mapping[str, Any], source: str | Path, objects: str | None) -> RANet:
    """The network of one of the authors' checkpoints.

    Args:
        content: of the file.
        source: its path.
        objects: ``"single"`` or ``"multi"``; None: as its name says.

    Raises:
        CheckpointError: its name does not say, or it has a parameter too many or too few.
    """
    model = RANet(backbone="resnet101", objects=objects or _objects_in_name(source))
    weights = convert_released_state(content)
    # Mistakes are told in the names that the file has.
    found, expected = (
        {released_name(name): tensor for name, tensor in state.items()}
        for state in (weights, model.state_dict())
    )
    check_names_and_shapes(found, expected, f"{source} (released by the authors)")
    check_finite(found, str(source))
    model.load_state_dict(weights)
    model.stages = released_stages(Path(source).name)
    model.released = True
    return model.eval()


def _objects_in_name(path: str | Path) -> str:
    """``"single"`` or ``"multi"``, as in the authors' ``RANet_video_multi.pth``."""
    told = re.search(r"_(single|multi)$", Path(path).stem)
    if told is None:
        raise CheckpointError(
            f"{path} is one of the authors' checkpoints, which do not say whether they are for a "
            "single object or for several: its name should end in _single or _multi, as in "
            "RANet_video_single.pth. Rename it, or set released_objects to single or multi."
        )
    return told[1]
