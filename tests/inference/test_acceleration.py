"""Compiled and replayed steps compute what the step computes, or say that they cannot."""

import warnings

import pytest
import torch
from tiny_ranet import tiny_ranet

from ranet.config import InferenceConfig
from ranet.inference.acceleration import CompiledStep, ReplayedStep
from ranet.inference.frame_step import FrameStep
from ranet.inference.resolve import resolved
from ranet.model.precision import with_half_weights

SIZE = (64, 96)


def step_of(network, **changes):
    settings = {"input_size": SIZE, "frame_size": SIZE, "smallest_crop": 8, **changes}
    return FrameStep(network, resolved(InferenceConfig(**settings), network)).eval()


def arguments_of(step, seed, objects=2):
    """Templates, next image and last probabilities of a video."""
    generator = torch.Generator().manual_seed(seed)
    first, image = torch.rand(2, 1, 3, *SIZE, generator=generator)
    masks = torch.zeros(1, objects, *SIZE)
    for k in range(objects):
        masks[0, k, 5 + 10 * k : 25 + 10 * k, 10 + 20 * k + seed : 30 + 20 * k] = 1
    return [step.encode_template(first, masks)], image, masks


@pytest.fixture
def step():
    with torch.inference_mode():
        yield step_of(tiny_ranet("multi"))


def test_the_step_compiles_as_one_graph(step):
    compiled = CompiledStep(step, backend="eager")  # without the minute of generating code
    arguments = arguments_of(step, seed=0)
    with warnings.catch_warnings(action="error", category=UserWarning):
        found = compiled(*arguments)
    torch.testing.assert_close(found, step(*arguments), rtol=0, atol=1e-5)


def test_what_cannot_be_compiled_runs_as_it_is_written(step):
    def no_compiler(graph, inputs):
        raise OSError("no C++ compiler")

    compiled = CompiledStep(step, backend=no_compiler)
    arguments = arguments_of(step, seed=0)
    with pytest.warns(UserWarning, match=r"torch\.compile failed \(.*no C\+\+ compiler.*slower"):
        found = compiled(*arguments)
    assert torch.equal(found, step(*arguments))
    with warnings.catch_warnings(action="error"):  # said once
        compiled(*arguments)


class Recorder:
    """Replays like a CUDA graph: the same tensors are read, and one tensor is overwritten."""

    def __init__(self):
        self.recordings = 0

    def __call__(self, compute):
        self.recordings += 1
        result = compute()
        return lambda: result.copy_(compute())


def test_a_recording_serves_all_videos_of_its_shape(step):
    recorder = Recorder()
    replayed = ReplayedStep(step, recorder)
    videos = [arguments_of(step, seed) for seed in (0, 1, 2)]
    found = [replayed(*arguments) for arguments in videos]  # none may be overwritten by the next
    for arguments, probabilities in zip(videos, found, strict=True):
        assert torch.equal(probabilities, step(*arguments))
    assert recorder.recordings == 1
    replayed(*arguments_of(step, seed=0, objects=3))
    assert recorder.recordings == 2


def test_what_cannot_be_recorded_runs_as_it_is_written(step):
    def waits(compute):
        raise RuntimeError("operation not permitted when stream is capturing\nand so on")

    replayed = ReplayedStep(step, waits)
    arguments = arguments_of(step, seed=0)
    with pytest.warns(
        UserWarning, match=r"cannot be recorded \(operation .* capturing and so on\), so"
    ):
        found = replayed(*arguments)
    assert torch.equal(found, step(*arguments))
    with warnings.catch_warnings(action="error"):
        replayed(*arguments)


def test_too_little_memory_is_no_reason_to_go_on(step):
    def full(compute):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        ReplayedStep(step, full)(*arguments_of(step, seed=0))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_weights_change_nothing_of_autocast(dtype):
    network = tiny_ranet("multi")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    half = with_half_weights(network, dtype)
    image, masks = torch.rand(1, 3, *SIZE), torch.zeros(1, 1, *SIZE)
    masks[..., 10:40, 20:60] = 1
    with torch.inference_mode(), torch.autocast("cpu", dtype):
        assert torch.equal(half(image, masks, image, masks), network(image, masks, image, masks))
    assert half.decoder.logits.weight.dtype == dtype
    assert half.ranking.ranking_network.score.conv.weight.dtype == torch.float32
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_the_layout_of_memory_changes_nothing_but_rounding():
    network = tiny_ranet().double()
    plain, laid_out = step_of(network), step_of(network, channels_last=True)
    with torch.inference_mode():
        _, image, masks = arguments_of(step_of(tiny_ranet()), seed=0, objects=1)
        image, masks = image.double(), masks.double()
        template = plain.encode_template(image, masks)
        torch.testing.assert_close(laid_out.encode_template(image, masks), template)
        expected = plain([template], image, masks)
        torch.testing.assert_close(laid_out([template], image, masks), expected)
    assert network.encoder.fuse.conv.weight.is_contiguous()
    assert not laid_out.network.encoder.fuse.conv.weight.is_contiguous()
