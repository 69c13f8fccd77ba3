import pytest
import torch
from tiny_ranet import tiny_ranet
from torch import nn

from ranet.benchmark import flop
from ranet.benchmark.flop import count_flop, matrix_product_rate


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_convolution_is_two_flop_for_a_multiplication_with_addition(mode):
    convolution = nn.Conv2d(3, 8, kernel_size=5, padding=2, bias=False)
    with mode():
        counted = count_flop(lambda: convolution(torch.zeros(2, 3, 10, 12)))
    assert counted == 2 * (2 * 10 * 12) * 8 * (3 * 5 * 5)


def test_gradients_count_too():
    layer = nn.Linear(6, 4, bias=False)
    values = torch.zeros(5, 6, requires_grad=True)
    forward = 2 * 5 * 6 * 4
    assert count_flop(lambda: layer(values).sum().backward()) == 3 * forward


def test_two_videos_are_twice_the_work_of_one():
    model = tiny_ranet()

    def work(videos):
        image, masks = torch.zeros(videos, 3, 64, 96), torch.zeros(videos, 1, 64, 96)
        return count_flop(lambda: model.segment(template(image, masks), encode(image), masks))

    template, encode = model.encode_template, model.encode_frame
    with torch.inference_mode():
        assert work(2) == 2 * work(1) > 0


@pytest.mark.parametrize(
    ("dtype", "rate"), [("float32", 32**3), ("bfloat16", 32**3 / 2), ("float16", 32**3 / 2)]
)
def test_the_rate_is_that_of_the_fastest_matrix_product(monkeypatch, dtype, rate):
    seconds = iter([[9.0, 4.0, 1.0], [2.0, 2.0, 2.0]])  # oneDNN's, in float32, is the second
    sizes = []

    def timed(call, device, effort):
        sizes.append(call().to_dense().shape)
        return next(seconds)

    for side in ("_SIDE_OF_SLOW", 32), ("_SIDE", {"cpu": 32}):
        monkeypatch.setattr(flop, *side)
    monkeypatch.setattr(flop, "time_calls", timed)
    assert matrix_product_rate(torch.device("cpu"), dtype) == rate
    assert set(sizes) == {(32, 32)}
