import pytest
import torch

from ranet.methods.objects import FUSIONS, PREVIOUS_MASKS, to_labels

SOFTMAX, SIGMOID = FUSIONS["softmax"], FUSIONS["sigmoid"]


def pixels(*columns):
    """1×K×1×P from one list of K values a pixel."""
    return torch.tensor(columns).T[None, :, None, :]


def test_softmax_is_over_the_objects_and_a_background_of_logit_zero():
    logits = pixels([1.0, 2.0], [-3.0, 0.5])
    with_background = torch.cat([torch.zeros(1, 1, 1, 2), logits], dim=1)
    expected = with_background.exp() / with_background.exp().sum(dim=1, keepdim=True)
    torch.testing.assert_close(SOFTMAX.to_probabilities(logits), expected[:, 1:])


def test_sigmoid_sees_each_object_alone():
    probabilities = SIGMOID.to_probabilities(pixels([0.0, 4.0], [-4.0, 4.0]))
    torch.testing.assert_close(probabilities, pixels([0.5, 0.98201379], [0.01798621, 0.98201379]))


def test_both_are_the_same_for_one_object():
    logits = torch.linspace(-5, 5, 11)[None, None, None]
    soft, sigmoid = (fusion.to_probabilities(logits) for fusion in (SOFTMAX, SIGMOID))
    torch.testing.assert_close(soft, sigmoid)
    assert to_labels(SOFTMAX, [soft]).equal(to_labels(SIGMOID, [sigmoid]))


def test_softmax_labels_take_the_likeliest_of_objects_and_background():
    # background: 0.1, 0.4, 0.2, 1.0
    probabilities = pixels([0.6, 0.3], [0.3, 0.3], [0.35, 0.45], [0.0, 0.0])
    assert to_labels(SOFTMAX, [probabilities]).tolist() == [[[1, 0, 2, 0]]]


def test_sigmoid_labels_take_the_largest_above_one_half():
    probabilities = pixels([0.6, 0.9], [0.4, 0.49], [0.5, 0.2], [0.7, 0.6])
    assert to_labels(SIGMOID, [probabilities]).tolist() == [[[2, 0, 0, 1]]]


def test_the_two_fusions_disagree_where_objects_share_a_pixel():
    shared = pixels([0.45, 0.40])  # the background is left 0.15: something is there
    assert to_labels(SOFTMAX, [shared]).tolist() == [[[1]]]
    assert to_labels(SIGMOID, [shared]).tolist() == [[[0]]]


@pytest.mark.parametrize("name", ["softmax", "sigmoid"])
@pytest.mark.parametrize("at_once", [1, 2, 3, 7, 50])
def test_labels_do_not_depend_on_how_many_objects_come_at_once(name, at_once):
    fusion = FUSIONS[name]
    logits = 3 * torch.randn(2, 7, 20, 30, generator=torch.Generator().manual_seed(1))
    probabilities = fusion.to_probabilities(logits)
    whole = to_labels(fusion, [probabilities])
    assert whole.unique().numel() == 8
    assert to_labels(fusion, iter(probabilities.split(at_once, dim=1))).equal(whole)


def test_probabilities_of_zero_everywhere_are_background():
    for fusion in FUSIONS.values():
        assert to_labels(fusion, [torch.zeros(1, 3, 4, 5)]).eq(0).all()


def test_the_first_of_equal_objects_wins_however_they_come():
    probabilities = torch.full((1, 3, 1, 1), 0.3)
    assert to_labels(SOFTMAX, [probabilities]).item() == 1
    assert to_labels(SOFTMAX, probabilities.split(1, dim=1)).item() == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("thresholded", [[1.0, 0.0], [0.0, 0.0]]),
        ("probability", [[0.8, 0.1], [0.3, 0.4]]),
        ("none", [[0.0, 0.0], [0.0, 0.0]]),
    ],
)
def test_what_the_network_is_told_of_the_frame_before(name, expected):
    told = PREVIOUS_MASKS[name](SIGMOID, pixels([0.8, 0.1], [0.3, 0.4]))
    torch.testing.assert_close(told, pixels(*expected))
