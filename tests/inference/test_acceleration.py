"""Compiled and replayed steps compute what the step computes, or say that they cannot."""

import gc
import warnings
import weakref

import pytest
import torch
from colour_network import ColourNetwork
from tiny_ranet import tiny_ranet
from torch.utils._python_dispatch import TorchDispatchMode

from ranet.config import InferenceConfig
from ranet.inference import acceleration
from ranet.inference.acceleration import (
    KEPT_RECORDINGS,
    AcceleratedStep,
    CompiledStep,
    ReplayedStep,
    Shortfall,
)
from ranet.inference.frame_step import FrameStep
from ranet.inference.resolve import resolved
from ranet.methods.ranet.precision import with_half_weights
from ranet.structures import Template

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


@pytest.fixture
def told():
    """Shortfalls, as they are told."""
    return []


def test_the_step_compiles_as_one_graph(step, told):
    # Without the minute of generating code.
    compiled = CompiledStep(step.plain, told.append, backend="eager")
    arguments = arguments_of(step, seed=0)
    torch.testing.assert_close(compiled(*arguments), step(*arguments), rtol=0, atol=1e-5)
    assert told == []


def double(templates, image, probabilities):
    """A step that takes any arguments and no time."""
    return probabilities * 2 + sum(template.embedding.mean() for template in templates)


def anything(objects=1, dtype=torch.float32, device="cpu"):
    """Arguments for it."""
    template = Template(torch.rand(1, 4, 2, 3), torch.rand(1, objects, 2, 3))
    template = Template(*(part.to(device, dtype) for part in template))
    image, probabilities = torch.rand(1, 3, 4, 6), torch.rand(1, objects, 4, 6)
    return [template], image.to(device, dtype), probabilities.to(device, dtype)


def test_any_number_of_objects_compiles_in_any_number_of_steps(told):
    """torch compiles a piece of code for 8 kinds of arguments; a step is not bound to so many."""
    for numbers in (range(1, 11), [1]):
        compiled = CompiledStep(double, told.append, backend="eager")
        for objects in numbers:
            arguments = anything(objects)
            assert torch.equal(compiled(*arguments), double(*arguments))
    assert told == []


def test_what_cannot_be_compiled_runs_as_it_is_written_and_the_rest_compiled(told):
    compilations = []

    def fails_once(graph, inputs):
        compilations.append(graph)
        if len(compilations) == 2:
            raise OSError("no C++ compiler")
        return graph.forward

    compiled = CompiledStep(double, told.append, backend=fails_once)
    for objects in (1, 2, 3, 2, 1, 3):
        arguments = anything(objects)
        assert torch.equal(compiled(*arguments), double(*arguments))
    assert len(compilations) == 3
    (shortfall,) = told
    assert shortfall.way == "compile"
    assert shortfall.message.startswith(
        "torch.compile failed for 1 video of 4×6 with 2 objects (backend="
    )
    assert "no C++ compiler" in shortfall.message


def test_more_kinds_than_torch_compiles_are_told(told):
    """Arguments of one shape may still differ, in their layout for instance."""
    compiled = CompiledStep(double, told.append, backend="eager")
    templates, image, masks = anything(objects=2)
    with torch._dynamo.config.patch(recompile_limit=1):
        for given in (masks, masks.contiguous(memory_format=torch.channels_last)):
            assert torch.equal(compiled(templates, image, given), double(templates, image, given))
    assert [shortfall.way for shortfall in told] == ["compile"]


class Recorder:
    """Replays like a CUDA graph: the same tensors are read, and one tensor is overwritten."""

    def __init__(self):
        self.devices = []

    @property
    def recordings(self):
        return len(self.devices)

    def __call__(self, compute, device):
        self.devices.append(device)
        result = compute()
        return lambda: result.copy_(compute())


def test_a_recording_serves_all_videos_of_its_shape(step, told):
    recorder = Recorder()
    replayed = ReplayedStep(step, recorder, told.append)
    videos = [arguments_of(step, seed) for seed in (0, 1, 2)]
    found = [replayed(*arguments) for arguments in videos]  # none may be overwritten by the next
    for arguments, probabilities in zip(videos, found, strict=True):
        assert torch.equal(probabilities, step(*arguments))
    assert recorder.devices == [torch.device("cpu")]
    replayed(*arguments_of(step, seed=0, objects=3))
    assert recorder.recordings == 2
    assert told == []


def test_numbers_of_another_kind_or_place_are_recorded_anew(told):
    recorder = Recorder()
    replayed = ReplayedStep(double, recorder, told.append)
    for change in ({}, {"dtype": torch.float64}, {"device": "meta"}) * 2:
        arguments = anything(**change)
        found = replayed(*arguments)
        assert (found.dtype, found.device) == (arguments[1].dtype, arguments[1].device)
        assert found.is_meta or torch.equal(found, double(*arguments))
    assert list(map(str, recorder.devices)) == ["cpu", "cpu", "meta"]


def test_only_the_recordings_used_last_are_kept(told):
    recorder = Recorder()
    replayed = ReplayedStep(double, recorder, told.append)
    for objects in range(1, KEPT_RECORDINGS + 1):
        replayed(*anything(objects))
    replayed(*anything(1))
    assert recorder.recordings == KEPT_RECORDINGS
    replayed(*anything(KEPT_RECORDINGS + 1))  # in place of that of two objects
    replayed(*anything(1))
    assert recorder.recordings == KEPT_RECORDINGS + 1
    arguments = anything(2)
    assert torch.equal(replayed(*arguments), double(*arguments))
    assert recorder.recordings == KEPT_RECORDINGS + 2


class Copies(TorchDispatchMode):
    """Counts what is copied in place."""

    def __init__(self):
        super().__init__()
        self.shapes = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if str(function).startswith("aten.copy_"):
            self.shapes.append(tuple(args[0].shape))
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_template_that_comes_again_is_not_copied_again(mode, told):
    with mode():
        videos = [anything(objects=2) for _ in range(2)]
        embedding, masks = (tuple(part.shape) for part in videos[0][0][0])
        replayed = ReplayedStep(double, Recorder(), told.append)
        replayed(*videos[0])
        for video, copied in [(0, 0), (0, 0), (1, 1), (1, 0), (0, 1)]:
            templates, _, _ = videos[video]
            _, image, probabilities = anything(objects=2)
            with Copies() as copies:
                found = replayed(templates, image, probabilities)
            assert torch.equal(found, double(templates, image, probabilities))
            assert copies.shapes.count(embedding) == copies.shapes.count(masks) == copied


def test_a_template_that_was_changed_or_replaced_is_copied(told):
    templates, image, probabilities = anything()
    replayed = ReplayedStep(double, Recorder(), told.append)
    for _ in range(3):
        found = replayed(templates, image, probabilities)
        assert torch.equal(found, double(templates, image, probabilities))
        templates[0].embedding.add_(1)  # of the same tensor
        found = replayed(templates, image, probabilities)
        assert torch.equal(found, double(templates, image, probabilities))
        # Another, which may well lie where the last one lay.
        templates = [Template(torch.rand(1, 4, 2, 3), templates[0].masks)]


def test_what_cannot_be_recorded_runs_as_it_is_written(step, told):
    def waits(compute, device):
        raise RuntimeError("operation not permitted when stream is capturing\nand so on")

    replayed = ReplayedStep(step, waits, told.append)
    arguments = arguments_of(step, seed=0)
    for _ in range(2):
        assert torch.equal(replayed(*arguments), step(*arguments))
    (shortfall,) = told  # said once
    assert shortfall.way == "cuda_graph"
    assert shortfall.message.startswith(
        "The step cannot be recorded for 1 video of 64×96 with 2 objects (operation not permitted "
        "when stream is capturing and so on), so"
    )


def test_too_little_memory_is_no_reason_to_go_on(step, told):
    def full(compute, device):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        ReplayedStep(step, full, told.append)(*arguments_of(step, seed=0))


CPU = torch.device("cpu")


def test_a_step_knows_how_it_ran(monkeypatch):
    def no_compiler(self):
        def fail(*arguments):
            raise torch._dynamo.exc.TorchDynamoException("no C++ compiler")

        return fail

    plain = AcceleratedStep(double, compiled=False, cuda_graph=False, device=CPU)
    plain(*anything())
    assert (plain.ran, plain.shortfalls) == ({"compile": False, "cuda_graph": False}, [])
    compiled = AcceleratedStep(double, compiled=True, cuda_graph=False, device=CPU)
    monkeypatch.setattr(CompiledStep, "_compiled", lambda self: double)
    compiled(*anything())
    assert (compiled.ran["compile"], compiled.shortfalls) == (True, [])
    monkeypatch.setattr(CompiledStep, "_compiled", no_compiler)
    with pytest.warns(UserWarning, match=r"torch\.compile failed .*no C\+\+ compiler.*slower"):
        compiled(*anything(objects=2))
    with warnings.catch_warnings(action="error"):  # said once
        compiled(*anything(objects=2))
    assert not compiled.ran["compile"]
    assert [type(shortfall) for shortfall in compiled.shortfalls] == [Shortfall]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("cuda_graph", [False, True])
def test_a_step_is_freed_with_its_last_reference(compiled, cuda_graph, monkeypatch):
    """And its network with it: a GPU out of memory does not make Python look for circles."""
    monkeypatch.setattr(acceleration, "CudaGraphRecorder", Recorder)
    monkeypatch.setattr(CompiledStep.__init__, "__defaults__", ("eager",))
    network = tiny_ranet()
    step = AcceleratedStep(
        step_of(network).plain,
        compiled=compiled,
        cuda_graph=cuda_graph,
        device=torch.device("cuda"),  # as far as it knows
    )
    whole = step_of(network, compile=compiled)
    with torch.inference_mode():
        step(*arguments_of(whole, seed=0, objects=1))
        whole(*arguments_of(whole, seed=0, objects=1))
    assert step.ran == {"compile": compiled, "cuda_graph": cuda_graph}
    freed = [weakref.ref(thing) for thing in (network, step, whole)]
    gc.collect()
    gc.disable()
    try:
        del network, step, whole
        assert [thing() for thing in freed] == [None] * 3
    finally:
        gc.enable()


def test_the_compilers_advice_to_compute_in_tf32_is_not_shown(told):
    def advises(graph, inputs):
        # As it does on a GPU.
        warnings.warn(
            "TensorFloat32 tensor cores for float32 matrix multiplication available but not "
            "enabled. Consider setting another precision.",
            UserWarning,
            stacklevel=1,
        )
        warnings.warn("something else", UserWarning, stacklevel=1)
        return graph.forward

    compiled = CompiledStep(double, told.append, backend=advises)
    with pytest.warns(UserWarning, match="something else") as warned:
        compiled(*anything())
    assert [str(warning.message) for warning in warned] == ["something else"]
    assert told == []


def test_a_graph_elsewhere_than_on_cuda_is_told():
    with pytest.warns(UserWarning, match="cuda_graph: true has no effect on the device cpu"):
        step = step_of(ColourNetwork(), device="cpu", cuda_graph=True)
    assert step.accelerated.ran == {"compile": False, "cuda_graph": False}
    with torch.inference_mode(), warnings.catch_warnings(action="error"):  # said once
        step(*arguments_of(step, seed=0))


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
