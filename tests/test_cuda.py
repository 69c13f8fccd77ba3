"""What only a CUDA GPU can show: training, following videos, agreement with the CPU, no waiting."""

import contextlib
import copy
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ranet.config import InferenceConfig, OnlineLearning, TrainConfig, parse_config
from ranet.datasets.image_io import read_labels
from ranet.datasets.synthetic import write_synthetic_davis
from ranet.device import peak_memory, reset_peak_memory
from ranet.inference.network import Network, resolved
from ranet.inference.segmenter import VideoSegmenter
from ranet.inference.sequences import Job, segment
from ranet.inference.tracker import Tracker
from ranet.methods.checkpoints import load_checkpoint
from ranet.methods.layers import InstanceNorm, resize
from ranet.methods.ranet.network import RANet
from ranet.structures import Clip
from ranet.training.checkpoint import checkpoints_in
from ranet.training.log import read_log
from ranet.training.losses import compute_losses
from ranet.training.run import train

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA GPU, which is not here"
)

DEVICE = "cuda"
SIZE = (96, 160)
DTYPES = ("float32", "bfloat16", "float16")
ARCHITECTURE = {
    "backbone": "resnet18",
    "objects": "multi",
    "template_grid": (3, 5),
    "ranked": 8,
    "width": 0.25,
}


def tiny_network() -> RANet:
    torch.manual_seed(0)
    return RANet(**ARCHITECTURE).eval()


def inference(device: str = DEVICE, dtype: str = "float32") -> InferenceConfig:
    return InferenceConfig(
        input_size=SIZE, frame_size=SIZE, smallest_crop=16, device=device, dtype=dtype
    )


@pytest.fixture(scope="module")
def video() -> tuple[list[np.ndarray], np.ndarray]:
    """Three frames of noise that drifts, and labels of two objects in the first."""
    canvas = np.random.default_rng(0).integers(0, 256, (SIZE[0], SIZE[1] + 8, 3), np.uint8)
    labels = np.zeros(SIZE, np.uint8)
    labels[10:50, 20:70], labels[40:90, 100:140] = 1, 2
    return [canvas[:, shift : shift + SIZE[1]].copy() for shift in (0, 4, 8)], labels


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_trains_and_goes_on(dtype: str, tmp_path: Path) -> None:
    write_synthetic_davis(
        tmp_path / "davis", train=2, val=1, frames=4, size=SIZE, seed=1, max_objects=2
    )
    data = {
        "sources": [{"kind": "davis", "root": tmp_path / "davis"}],
        "size": SIZE,
        "max_objects": 2,
        "workers": 0,
    }
    run = {"batch_size": 2, "steps": 3, "checkpoint_every": 1, "keep_checkpoints": 3}
    run |= {"log_every": 1, "device": DEVICE, "dtype": dtype}
    config = parse_config(
        TrainConfig,
        {"name": "tiny", "output": tmp_path / "run", "model": ARCHITECTURE, "data": data} | run,
    )
    final = train(config)
    before = [record["total"] for record in read_log(config.output / "log.jsonl")]
    final.unlink()
    checkpoints_in(config.output / "checkpoints")[-1].unlink()

    train(config, resume=True)  # the third step once more
    after = [record["total"] for record in read_log(config.output / "log.jsonl")]
    # Backward passes add up in any order on a GPU; the third loss has none of them behind it but
    # those in the checkpoint.
    assert after == pytest.approx(before, rel=1e-2)
    assert all(0 < loss < 10 for loss in after)
    assert all(tensor.isfinite().all() for tensor in load_checkpoint(final).state_dict().values())


@pytest.mark.parametrize("dtype", DTYPES)
def test_videos_are_followed(dtype: str, video: tuple[list[np.ndarray], np.ndarray]) -> None:
    (first, *rest), labels = video
    segmenter = VideoSegmenter(tiny_network(), inference(dtype=dtype))
    assert np.array_equal(segmenter.start(first, labels), labels)
    for frame in rest:
        found = segmenter.step(frame)
        assert found.shape == SIZE
        assert set(np.unique(found)) <= {0, 1, 2}
        assert np.isfinite(segmenter.probabilities).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_copy_learns_online(dtype: str, video: tuple[list[np.ndarray], np.ndarray]) -> None:
    (first, second, _), labels = video
    model = tiny_network()
    before = copy.deepcopy(model.state_dict())
    plain = VideoSegmenter(model, inference(dtype=dtype))
    online = VideoSegmenter(model, inference(dtype=dtype), online=OnlineLearning(steps=4, lr=1e-3))
    for segmenter in (plain, online):
        segmenter.start(first, labels)
        segmenter.step(second)
    assert online.online_seconds > 0
    assert np.isfinite(online.probabilities).all()
    assert not np.allclose(online.probabilities, plain.probabilities, atol=1e-3)
    assert all(torch.equal(tensor.cpu(), before[n]) for n, tensor in model.state_dict().items())


def test_float32_agrees_with_the_cpu(video: tuple[list[np.ndarray], np.ndarray]) -> None:
    """To 5e-3 in probability, with sums in another order.

    Emulated on a CPU, relative noise of 1e-6 after every convolution moves this random network's
    probabilities by 7e-4 at most, and convolutions in TF32 by 0.13.
    """
    (first, second, _), labels = video
    model = tiny_network()
    probabilities = []
    for device in ("cpu", DEVICE):
        segmenter = VideoSegmenter(copy.deepcopy(model), inference(device))
        segmenter.start(first, labels)
        segmenter.step(second)
        probabilities.append(segmenter.probabilities)
    np.testing.assert_allclose(*probabilities, rtol=0, atol=5e-3)


@contextlib.contextmanager
def no_waiting() -> Iterator[None]:
    """Whatever makes the host wait for the GPU is an error."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_step_never_waits(dtype: str) -> None:
    model = tiny_network().to(DEVICE)
    method = Network(model, resolved(inference(dtype=dtype), model)).method
    image = torch.rand(1, 3, *SIZE, device=DEVICE)
    masks = torch.zeros(1, 2, *SIZE, device=DEVICE)
    masks[:, 0, 10:50, 20:70] = 1
    masks[:, 1, 40:90, 100:140] = 1
    with torch.inference_mode():
        for _ in range(2):  # libraries are loaded and memory is taken at first
            method.step(method.add_objects(method.new_state(image), image, masks), image)
        with no_waiting():
            state = method.add_objects(method.new_state(image), image, masks)
            for _ in range(2):
                _, state = method.step(state, image)
    assert state.probabilities.isfinite().all()


@pytest.mark.parametrize("compiled", [False, True])
def test_a_cuda_graph_replays_the_step(
    compiled: bool, video: tuple[list[np.ndarray], np.ndarray]
) -> None:
    """Each step from the same masks: what rounding decides in one, the next would be cropped by."""
    frames, labels = video
    fast = {"cuda_graph": True, "compile": compiled, "channels_last": compiled}
    plain = VideoSegmenter(tiny_network(), inference())
    replayed = VideoSegmenter(tiny_network(), inference().model_copy(update=fast))
    for marked in (labels, np.where(labels == 1, 1, 0)):  # two videos, of two and one object
        with warnings.catch_warnings(action="error", category=UserWarning):
            for segmenter in (plain, replayed):
                segmenter.start(frames[0], marked)
            for frame in frames[1:]:
                replayed.video.state = replayed.video.state._replace(
                    probabilities=plain.video.state.probabilities
                )
                for segmenter in (plain, replayed):
                    segmenter.step(frame)
                np.testing.assert_allclose(
                    replayed.probabilities, plain.probabilities, rtol=0, atol=5e-3
                )


def test_compiled_gradients_are_right() -> None:
    """What torch.compile does to bilinear resampling on a CPU must not happen here either."""
    model = tiny_network().to("cuda").train().requires_grad_(True)
    generator = torch.Generator().manual_seed(1)
    template, image = torch.rand(2, 2, 3, 96, 160, generator=generator).to("cuda")
    masks = torch.zeros(2, 2, 96, 160, device="cuda")
    masks[:, 0, 10:50, 20:70] = 1
    masks[:, 1, 50:90, 80:140] = 1
    jitter = torch.zeros(2, 1, 4, device="cuda")
    objects = torch.tensor([2, 2], device="cuda")
    clip = Clip(template, masks, image[:, None], masks.roll(5, 3), objects, jitter)
    labels = (masks[:, 0] + 2 * masks[:, 1]).long()[:, None]
    gradients = []
    for forward in (model, torch.compile(model)):
        model.zero_grad()
        compute_losses(forward(clip), labels, objects, {"cross_entropy": 1})["total"].backward()
        learned = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
        gradients.append(torch.cat(learned))
    plain, compiled = gradients
    assert (compiled - plain).norm() < 0.05 * plain.norm()


def network_of(config: InferenceConfig) -> Network:
    model = tiny_network().to(config.device)
    return Network(model, resolved(config, model))


def given(network: Network, objects: int, seed: int) -> tuple[Any, Tensor]:
    """State and image of a step, on the network's device."""
    generator = torch.Generator().manual_seed(seed)
    device = next(network.method.parameters()).device
    first, image = torch.rand(2, 1, 3, *SIZE, generator=generator).to(device)
    masks = torch.zeros(1, objects, *SIZE)
    for k in range(objects):
        masks[:, k, 5 + 5 * k : 40 + 5 * k, 10 * k : 10 * k + 30] = 1
    method = network.method
    return method.add_objects(method.new_state(first), first, masks.to(device)), image


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_replays_spoil_no_result(device: str) -> None:
    """In any order, of any number of objects, and on any GPU."""
    if device == "cuda:1" and torch.cuda.device_count() < 2:
        pytest.skip("needs two GPUs")
    plain = network_of(inference(device))
    replayed = network_of(inference(device).model_copy(update={"cuda_graph": True}))
    order = [*range(1, 10), 1, 2, 1, *reversed(range(1, 10))]
    with torch.inference_mode(), warnings.catch_warnings(action="error", category=UserWarning):
        arguments = [given(plain, objects, seed) for seed, objects in enumerate(order)]
        found = [replayed.step(*each)[1].probabilities for each in arguments]
        for each, probabilities in zip(arguments, found, strict=True):
            expected = plain.step(*each)[1].probabilities
            torch.testing.assert_close(probabilities, expected, rtol=0, atol=5e-3)
    assert replayed.ran["cuda_graph"]
    assert torch.cuda.current_device() == 0


def test_several_videos_at_once_agree_with_one_by_one(
    video: tuple[list[np.ndarray], np.ndarray],
) -> None:
    frames, labels = video
    videos = [(frames, labels), ([frame[:, ::-1] for frame in frames], labels[:, ::-1].copy())]
    segmenter = VideoSegmenter(tiny_network(), inference())
    batch = segmenter.tracker
    followed = [batch.start(frames[0], labels) for frames, labels in videos]
    batch.step(followed, [frames[1] for frames, _ in videos])
    for (frames, labels), together in zip(videos, followed, strict=True):
        segmenter.start(frames[0], labels)
        segmenter.step(frames[1])
        found = together.canvas.restore(together.state.probabilities)[0].cpu().numpy()
        np.testing.assert_allclose(found, segmenter.probabilities, rtol=0, atol=5e-3)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[torch.cuda.Event]:
    """The events that the host waits for from now on."""
    waited_for: list[torch.cuda.Event] = []
    synchronize = torch.cuda.Event.synchronize

    def noted(event: torch.cuda.Event) -> None:
        waited_for.append(event)
        synchronize(event)

    monkeypatch.setattr(torch.cuda.Event, "synchronize", noted)
    return waited_for


@pytest.mark.parametrize("prepared", [False, True])
def test_a_frame_waits_for_nothing_but_its_labels(
    prepared: bool, video: tuple[list[np.ndarray], np.ndarray], waits: list[torch.cuda.Event]
) -> None:
    frames, labels = video
    segmenter = VideoSegmenter(tiny_network(), inference())
    segmenter.start(frames[0], labels)
    segmenter.step(segmenter.prepare(frames[1]))  # libraries are loaded and memory is taken
    waits.clear()
    with no_waiting():
        segmenter.step(segmenter.prepare(frames[2]) if prepared else frames[2])
    assert len(waits) == 1


def test_a_step_with_several_canvases_waits_once(
    video: tuple[list[np.ndarray], np.ndarray], waits: list[torch.cuda.Event]
) -> None:
    frames, labels = video
    narrow = [np.ascontiguousarray(frame[:, 20:]) for frame in frames]
    segmenter = Tracker(tiny_network(), inference())
    videos = [segmenter.start(frames[0], labels), segmenter.start(narrow[0], labels[:, 20:])]
    segmenter.step(videos, [frames[1], narrow[1]])  # libraries are loaded and memory is taken
    waits.clear()
    with no_waiting():
        segmenter.step(videos, [frames[2], narrow[2]])
    assert len(waits) == 1
    assert [found.labels.shape for found in videos] == [SIZE, (SIZE[0], SIZE[1] - 20)]


@pytest.mark.parametrize("cuda_graph", [False, True])
def test_frames_that_a_thread_uploads_are_those_of_the_step(
    cuda_graph: bool, video: tuple[list[np.ndarray], np.ndarray], tmp_path: Path
) -> None:
    """The network is recorded while the thread takes memory; each frame is another's no longer."""
    frames, labels = video
    long = [frames[index % 3] for index in range(24)]
    config = inference().model_copy(update={"cuda_graph": cuda_graph})
    segmenter = VideoSegmenter(tiny_network(), config)
    expected = [segmenter.start(long[0], labels), *(segmenter.step(frame) for frame in long[1:])]
    threaded = Tracker(tiny_network(), config)
    named = ((f"{index:05d}", frame) for index, frame in enumerate(long))
    with warnings.catch_warnings(action="error", category=UserWarning):
        job = Job("drawn", named, {"00000": labels}, tmp_path / "masks")
        list(segment(threaded, [job]))
    found = [read_labels(path) for path in sorted((tmp_path / "masks").iterdir())]
    # What rounding decides on a few pixels, which sums in another order would have others.
    assert np.mean(np.stack(found) != np.stack(expected)) < 0.01


def test_norms_keep_half_precision() -> None:
    x = torch.randn(1, 8, 16, 16, device=DEVICE, dtype=torch.bfloat16)
    norm = InstanceNorm(8).to(DEVICE)
    torch.nn.init.normal_(norm.weight)
    with torch.autocast(DEVICE, torch.bfloat16):
        y = norm(x)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), norm(x.float()), rtol=2e-2, atol=2e-2)


def test_the_check_would_notice_a_wait() -> None:
    tensor = torch.ones(4, device=DEVICE)
    with no_waiting(), pytest.raises(RuntimeError, match="synchroniz"):
        tensor.sum().item()


def test_peak_memory_is_that_of_the_gpu(video: tuple[list[np.ndarray], np.ndarray]) -> None:
    (first, second, _), labels = video
    device = torch.device(DEVICE)
    segmenter = VideoSegmenter(tiny_network(), inference())
    reset_peak_memory(device)
    before, what = peak_memory(device)
    segmenter.start(first, labels)
    segmenter.step(second)
    after, _ = peak_memory(device)
    assert what == "allocated on the GPU"
    assert after - before > np.prod(SIZE) * 3 * 4  # more than one image


def test_half_precision_resamples_in_half_precision() -> None:
    x = torch.rand(1, 2, 3, 4, device=DEVICE, dtype=torch.bfloat16)
    with torch.inference_mode(), torch.autocast(DEVICE, torch.bfloat16):
        assert resize(x, (6, 8), align_corners=True).dtype == torch.bfloat16
