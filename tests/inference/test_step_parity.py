"""The step against a plain reading of the paper, on the inputs of the parity fixtures.

The plain path knows nothing of what makes the step fast: one object at a time, one stream of the
merge module after the other, every Conv-block on its whole input, skips reduced anew for each. Both
compute in float32, from one crop, and the ranked maps are those that float64 chooses: with the
fixtures' random weights, there are many whose scores rounding cannot tell apart.
"""

import numpy as np
import pytest
import torch
from method_steps import marked, prepared, stepped
from torch.nn import functional as F

from ranet.methods.crops import crop_resize, paste_back, whole_frame
from ranet.methods.layers import resize
from ranet.methods.ranet.correlation import correlate
from ranet.methods.ranet.released import ruled_network
from ranet.structures import one_hot_masks


def inputs_of(path):
    """Template image and masks, current image and previous masks, all float64, and the seed."""
    with np.load(path) as file:
        images = [
            torch.from_numpy(file[f"{name}_image"].astype(np.float64) / 255).permute(2, 0, 1)[None]
            for name in ("template", "current")
        ]
        objects = file["probability"].shape[1]
        masks = [
            one_hot_masks(torch.from_numpy(file[f"{name}_labels"])[None], objects).double()
            for name in ("template", "previous")
        ]
        return images[0], masks[0], images[1], masks[1], int(file["seed"])


class Order:
    """Which maps are kept, of foreground and background: as float64 has it, then as it was."""

    def __init__(self, monkeypatch):
        self.kept = []
        self.topk = torch.Tensor.topk
        monkeypatch.setattr(torch.Tensor, "topk", self)

    def __get__(self, scores, kind):
        return lambda count, dim: self.best(scores, count, dim)

    def best(self, scores, count, dim):
        if scores.dtype == torch.float64:
            values, index = self.topk(scores, count, dim)
            self.kept.append(index)
            return values, index
        index = self.kept[0]
        self.kept.append(self.kept.pop(0))
        return scores.gather(dim, index), index


def plain_logits(network, template, frame, previous):
    """Logits 1×K×H×W as the paper's figures draw them, object by object."""
    ranked = network.ranking.rank(
        correlate(template.embedding, frame.embedding), template.masks
    )  # each 1×K×R×h×w
    logits = [
        plain_decoder(
            network.decoder,
            frame.skips,
            *(plain_merge(network.merge, maps[:, k], frame.skips.f8) for maps in ranked),
            previous[:, k : k + 1],
        )
        for k in range(previous.shape[1])
    ]
    return torch.cat(logits, dim=1)


def conv_block(block, x):
    conv = block.conv
    return F.conv2d(F.relu(F.instance_norm(x)), conv.weight, conv.bias, padding=conv.padding)


def res_block(block, x):
    y = F.relu(F.instance_norm(block.conv1(x)))
    y = F.relu(F.instance_norm(block.conv2(y)))
    return F.relu(x + F.instance_norm(block.conv3(y)))


def plain_merge(merge, maps, f8):
    maps = F.interpolate(maps, f8.shape[-2:], mode="bilinear", align_corners=False)
    return conv_block(merge.reduce, res_block(merge.refine, conv_block(merge.expand, maps)))


def plain_decoder(decoder, skips, foreground, background, previous):
    """The supplement's Figure 2 for one object; 1×1×H×W."""
    f2, f4, f8, f16, f32 = skips
    at_stride8 = F.adaptive_avg_pool2d(previous, f8.shape[-2:])
    x = torch.cat([foreground, background, at_stride8], dim=1)
    x = plain_level(decoder.level1, decoder.skips8, (f8, f16, f32), x)
    x = resize(res_block(decoder.refine1, x), f4.shape[-2:], align_corners=True)
    x = plain_level(decoder.level2, decoder.skips4, (f4, f8, f16), x)
    x = resize(res_block(decoder.refine2, x), f2.shape[-2:], align_corners=True)
    x = plain_level(decoder.level3, decoder.skips2, (f2, f4, f8), x)
    x = resize(x, previous.shape[-2:], align_corners=True)
    return decoder.logits(res_block(decoder.refine3, x))


def plain_level(level, reduction, features, x):
    size = features[0].shape[-2:]
    reduced = [
        resize(conv_block(block, feature), size, align_corners=True)
        for block, feature in zip(reduction.blocks, features, strict=True)
    ]
    first, second, multi_scale = level
    x = conv_block(second, conv_block(first, torch.cat([*reduced, x], dim=1)))
    return sum(branch(x) for branch in multi_scale.branches)


@pytest.mark.slow
@torch.inference_mode()
def test_the_step_is_the_plain_path_in_float32(shared_parity, monkeypatch):
    *inputs, seed = inputs_of(shared_parity / "multi_object.npz")
    network = ruled_network("multi", seed)
    order = Order(monkeypatch)
    template_image, template_masks, image, previous = inputs
    template = network.encode_template(template_image, template_masks)
    network.ranking(template, network.encode_frame(image).embedding)
    assert len(order.kept) == 2

    network.float()
    template_image, template_masks, image, previous = (x.float() for x in inputs)
    size = tuple(image.shape[-2:])
    method = prepared(
        network,
        input_size=size,
        crop="whole_frame",
        fusion="sigmoid",
        objects_at_once=2,
        device="cpu",
    )
    state = marked(method, (template_image, template_masks))
    (template,) = state.templates
    found = stepped(method, state, image, previous)

    # Even of a whole frame, the crop rounds, and so much that such a network would show it.
    box = whole_frame(1, size, image.device)
    frame = network.encode_frame(crop_resize(image, box, size))
    plain = plain_logits(network, template, frame, previous).sigmoid()
    torch.testing.assert_close(found, paste_back(plain, box, size), rtol=0, atol=1e-4)
    assert plain.std() > 0.01
