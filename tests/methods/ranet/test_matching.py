"""The ablations of Tables 4 and 5: what stands in for the ranking, and no previous mask."""

from pathlib import Path

import pytest
import torch
from tiny_ranet import logits_of
from torch import Tensor, nn
from torch.nn import functional as F

from ranet.config import parse_config
from ranet.errors import ConfigError
from ranet.methods.checkpoints import load_checkpoint, save_checkpoint
from ranet.methods.ranet.ablations import Concatenation, MaximumMap, UnrankedMaps
from ranet.methods.ranet.config import RANetConfig
from ranet.methods.ranet.encoder import Template
from ranet.methods.ranet.matching import MATCHINGS, MatchingSizes
from ranet.methods.ranet.network import RANet

GRID, N, C, SIZE = (2, 3), 6, 5, (4, 6)
CHOICES = ("ranking", "unranked", "maximum", "concatenation")
ABLATIONS = ("unranked", "maximum", "concatenation")


def network(**changes: object) -> RANet:
    torch.manual_seed(0)
    arguments = {"backbone": "tiny", "template_grid": (3, 4), "ranked": 8, "width": 0.25}
    return RANet(**(arguments | changes))


def template(objects: int) -> tuple[Template, Tensor]:
    """A template of two frames, and two current embeddings."""
    generator = torch.Generator().manual_seed(2)
    share = torch.rand(2, objects + 1, *GRID, generator=generator).softmax(dim=1)
    vectors = torch.randn(2, C, *GRID, generator=generator)
    embedding = torch.randn(2, C, *SIZE, generator=generator)
    return Template(vectors, share[:, :objects]), embedding


def pair(objects: int) -> tuple[Tensor, ...]:
    """Template image, template masks, current image, previous masks."""
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(2, 2, 3, 64, 96, generator=generator)
    labels = torch.randint(0, objects + 1, (2, 2, 1, 64, 96), generator=generator)
    masks = (labels == torch.arange(1, objects + 1)[:, None, None]).float()
    return images[0], masks[0], images[1], masks[1]


def similarity(known: Template, embedding: Tensor, b: int, j: int) -> Tensor:
    """Map j of frame b, straight from Eq. 1."""
    vector = known.embedding[b].flatten(1)[:, j]
    return torch.einsum("c,chw->hw", vector, embedding[b])


def test_unranked_maps_stand_in_the_order_of_the_template() -> None:
    known, embedding = template(2)
    foreground, background = UnrankedMaps("multi", N)(known, embedding)
    assert foreground.shape == background.shape == (2, 2, N, *SIZE)
    masks = known.masks.flatten(2)
    for b, k, j in ((0, 0, 0), (1, 1, 4), (0, 1, 5)):
        expected = similarity(known, embedding, b, j)
        assert torch.allclose(foreground[b, k, j], masks[b, k, j] * expected, atol=1e-5)
        assert torch.allclose(background[b, k, j], (1 - masks[b, k, j]) * expected, atol=1e-5)


def test_unranked_maps_of_the_other_region_are_zero() -> None:
    known, embedding = template(1)
    masks = torch.zeros(2, 1, *GRID)
    masks[:, :, 0] = 1  # the first row is the object
    foreground, background = UnrankedMaps("single", N)(known._replace(masks=masks), embedding)
    assert foreground[:, 0, :3].flatten(2).any(dim=2).all()
    assert not foreground[:, 0, 3:].any()
    assert not background[:, 0, :3].any()
    assert background[:, 0, 3:].flatten(2).any(dim=2).all()


@pytest.mark.parametrize("objects", ["single", "multi"])
def test_maximum_is_the_largest_of_the_unranked_maps(objects: str) -> None:
    known, embedding = template(2)
    maximum = MaximumMap(objects, N)(known, embedding)
    unranked = UnrankedMaps(objects, N)(known, embedding)
    for one, all_maps in zip(maximum, unranked, strict=True):
        assert one.shape == (2, 2, 1, *SIZE)
        assert torch.equal(one[:, :, 0], all_maps.max(dim=2).values)


def test_concatenation_lays_the_masked_template_over_the_frame() -> None:
    known, embedding = template(2)
    foreground, background = Concatenation(C)(known, embedding)
    assert foreground.shape == (2, 2, 2 * C, *SIZE)
    for stream in (foreground, background):
        for k in range(2):
            assert torch.equal(stream[:, k, C:], embedding)
    # The two streams share the template's features out between them.
    whole = foreground[:, :, :C] + background[:, :, :C]
    resized = F.interpolate(known.embedding, SIZE, mode="bilinear", align_corners=False)
    assert torch.allclose(whole[:, 0], resized, atol=1e-6)
    assert torch.allclose(whole[:, 1], resized, atol=1e-6)


def test_concatenation_knows_where_the_object_was() -> None:
    known, embedding = template(1)
    masks = torch.zeros(2, 1, *GRID)
    masks[..., 0] = 1  # the left column
    foreground, background = Concatenation(C)(known._replace(masks=masks), embedding)
    assert not foreground[:, 0, :C, :, 3:].any()
    assert foreground[:, 0, :C, :, 0].any()
    assert not background[:, 0, :C, :, 0].any()


def build(name: str) -> nn.Module:
    sizes = MatchingSizes("single", GRID, 4, straight_through=True, embedding_channels=C)
    return MATCHINGS[name](sizes)


def test_whatever_a_configuration_may_choose_can_be_built() -> None:
    kinds = [type(build(name)) for name in CHOICES]
    assert len(set(kinds)) == len(CHOICES) > len(ABLATIONS)


def test_an_unknown_matching_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"matching: .*unranked.*found 'best'"):
        parse_config(RANetConfig, {"matching": "best"})


@pytest.mark.parametrize("objects", ["single", "multi"])
@pytest.mark.parametrize("matching", ABLATIONS)
def test_ablations_segment_and_learn(matching: str, objects: str) -> None:
    model = network(matching=matching, objects=objects)
    logits = logits_of(model, *pair(2))
    assert logits.shape == (2, 2, 64, 96)
    logits.square().mean().backward()
    silent = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert [n for n in silent if not n.endswith("bias")] == []


@pytest.mark.parametrize("matching", ABLATIONS)
def test_ablations_look_at_the_template(matching: str) -> None:
    model = network(matching=matching).eval()
    image, masks, current, previous = pair(1)
    with torch.inference_mode():
        logits = logits_of(model, image, masks, current, previous)
        assert not torch.allclose(logits, logits_of(model, image.flip(3), masks, current, previous))
        assert not torch.allclose(logits, logits_of(model, image, masks.flip(3), current, previous))


def test_without_previous_mask_nothing_depends_on_it() -> None:
    model, told = network(previous_mask=False).eval(), network().eval()
    image, masks, current, previous = pair(2)
    nothing = torch.zeros_like(previous)
    with torch.inference_mode():
        unaware = logits_of(model, image, masks, current, previous)
        of_nothing = logits_of(told, image, masks, current, nothing)
        assert torch.equal(unaware, of_nothing)
        assert not torch.equal(logits_of(told, image, masks, current, previous), of_nothing)


@pytest.mark.parametrize("changes", [{"matching": m} for m in ABLATIONS] + [{"previous_mask": 0}])
def test_a_checkpoint_remembers_the_ablation(changes: dict, tmp_path: Path) -> None:
    model = network(**changes).eval()
    save_checkpoint(tmp_path / "x.pt", model)
    again = load_checkpoint(tmp_path / "x.pt")
    assert again.architecture == model.architecture
    with torch.inference_mode():
        assert torch.equal(logits_of(model, *pair(1)), logits_of(again, *pair(1)))


def test_a_checkpoint_from_before_the_ablations_is_the_papers_network(tmp_path: Path) -> None:
    model = network()
    names = model.architecture.keys() - {"matching", "previous_mask"}
    content = {
        "format": "ranet-1",
        "architecture": {name: model.architecture[name] for name in names},
        "model": model.state_dict(),
    }
    torch.save(content, tmp_path / "old.pt")
    assert load_checkpoint(tmp_path / "old.pt").architecture == model.architecture
