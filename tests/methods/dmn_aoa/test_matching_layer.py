"""The matching layer against worked values, and against exact assignment where that is clear."""

import pytest
import torch

from ranet.methods.dmn_aoa.matching import (
    SOLVERS,
    greedy,
    hungarian,
    matching_layer,
    one_column_each,
    solve,
)

SQUARE = torch.tensor([[[4.0, 1, 3], [2, 0, 5], [3, 2, 2]]])
ALIKE = -torch.tensor([[[0.9, 0.8, 0.1], [0.8, 0.3, 0.1]]])


def close(found, expected, tolerance=1e-3):
    assert torch.allclose(found, torch.tensor(expected), atol=tolerance), found


def with_dummies(cost, threshold):
    """A private column for each row, at minus the threshold for itself and 0 for others."""
    count = cost.shape[1]
    return torch.cat([cost, -threshold * torch.eye(count)[None].expand(len(cost), -1, -1)], dim=2)


def columns(assignment):
    return assignment.argmax(dim=2).tolist()


def test_many_steps_end_at_the_exact_assignment():
    x = matching_layer(SQUARE, gradient_steps=100, projections=100)
    expected = [[0.0001, 0.9994, 0.0005], [0.9993, 0.0008, -0.0001], [0.0001, 0.0001, 0.9998]]
    close(x[0], expected, 1e-4)
    assert columns(x) == columns(hungarian(SQUARE)) == [[1, 0, 2]]


def test_few_steps_as_published():
    x = matching_layer(SQUARE)
    close(x[0], [[0.571, 0.260, 0.169], [0.163, 0.853, -0.016], [0.046, -0.003, 0.957]])
    assert columns(x) == [[0, 1, 2]]


def test_the_mean_over_the_steps():
    x = matching_layer(SQUARE, gradient_steps=100, projections=100, readout="mean")
    close(x[0, 0], [-0.183, 0.688, -0.297])


def test_look_alikes_without_dummies():
    x = matching_layer(ALIKE)
    close(x[0], [[0.428, 0.576, -0.003], [0.568, 0.316, 0.116]])
    assert columns(x) == [[1, 0]]
    assert columns(matching_layer(ALIKE, readout="mean")) == [[0, 0]]


def test_look_alikes_with_dummies_are_where_few_steps_fall_short():
    cost = with_dummies(ALIKE, 0.3)
    dummies = torch.cat([torch.zeros(2, 3), torch.eye(2)], dim=1)
    assert columns(one_column_each(solve(cost, "layer"), dummies)) == [[0, 4]]
    assert columns(hungarian(cost)) == [[1, 0]]


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_target_that_nobody_resembles_is_missing(solver):
    cost = with_dummies(-torch.tensor([[[0.9, 0.2], [0.1, 0.15]]]), 0.3)
    assert columns(solve(cost, solver)) == [[0, 3]]


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_batch_is_its_parts(solver):
    cost = torch.randn(5, 3, 8, generator=torch.Generator().manual_seed(0))
    parts = torch.cat([solve(frame[None], solver) for frame in cost])
    assert torch.equal(solve(cost, solver), parts)


def test_rows_sum_to_one_and_the_cost_gets_a_gradient():
    cost = torch.randn(4, 3, 9, generator=torch.Generator().manual_seed(1)).requires_grad_()
    x = matching_layer(cost)
    assert (x.sum(dim=2) - 1).abs().max() < 1e-5
    (x * torch.arange(9.0)).sum().backward()
    assert cost.grad.isfinite().all()
    assert cost.grad.abs().amax(dim=(1, 2)).min() > 0


def test_where_the_optimum_is_clear_the_layer_finds_it():
    generator = torch.Generator().manual_seed(2)
    places = torch.stack([torch.randperm(6, generator=generator)[:4] for _ in range(20)])
    clear = torch.rand(20, 4, 6, generator=generator) - 2 * torch.nn.functional.one_hot(places, 6)
    x = matching_layer(clear, gradient_steps=100, projections=100)
    assert columns(x) == columns(hungarian(clear)) == columns(greedy(clear)) == places.tolist()


def test_exact_and_greedy_are_one_to_one_and_exact_costs_no_more():
    cost = torch.rand(30, 4, 5, generator=torch.Generator().manual_seed(3))
    exact, quick = hungarian(cost), greedy(cost)
    for x in (exact, quick):
        assert (x.sum(dim=2) == 1).all()
        assert (x.sum(dim=1) <= 1).all()
    totals = [(cost * x).sum(dim=(1, 2)) for x in (exact, quick)]
    assert (totals[0] <= totals[1] + 1e-6).all()
    assert (totals[0] < totals[1] - 1e-3).any()


def test_more_targets_than_columns_leave_some_without():
    cost = torch.tensor([[[1.0], [0.5], [2.0]]])
    for x in (hungarian(cost), greedy(cost)):
        assert x[0, :, 0].tolist() == [0, 1, 0]


def test_of_two_rows_with_one_column_the_larger_keeps_it():
    x = torch.tensor([[[0.5, 0.1, 0.2], [0.6, 0.0, 0.3]]])
    dummies = torch.tensor([[0.0, 1, 0], [0, 0, 1]])
    assert one_column_each(x, dummies).tolist() == [[[0, 1, 0], [1, 0, 0]]]
