"""Matching: which proposal is which target, given what each pair costs.

The matching layer of DMM-Net (Zeng et al., ICCV 2019), which the supplement (§2) takes over, solves
the linear programme min ⟨C, X⟩, rows of X sum to 1, columns to at most 1, X ≥ 0, by projected
gradient steps that can be differentiated. Exact and greedy assignment stand beside it, as one-hot
rows without a gradient. All of them map costs B×n×m to assignments B×n×m.

B frames, n targets, m columns: proposals, and whatever else a target may be assigned to.
"""

from collections.abc import Callable
from typing import get_args

import torch
from torch import Tensor

from ranet.errors import ConfigError, RANetError
from ranet.methods.dmn_aoa.config import Solver

GRADIENT_STEPS = 10
"""N_grad, in training and testing (supplement, §2)."""

PROJECTIONS = 5
"""N_proj, after each of them (supplement, §2)."""

STEP = 0.1
"""α (supplement, §2)."""


def matching_layer(
    cost: Tensor,
    *,
    gradient_steps: int = GRADIENT_STEPS,
    projections: int = PROJECTIONS,
    readout: str = "last",
) -> Tensor:
    """DMM-Net's layer: gradient steps on X, each followed by Dykstra's projections.

    Starts where each row has taken its cheapest column, of columns that count for their cheapest
    row alone; what the projections correct is never reset, as in the released code. After few
    steps, rows sum to 1 and all else holds about: entries may be somewhat below 0.

    Args:
        cost: B×n×m float32, rows and columns to be ignored included.
        gradient_steps: N_grad.
        projections: N_proj, cycles of the three projections after each step.
        readout: ``"last"`` X, or the ``"mean"`` of the start and the X after each step, before its
            projections, as DMM-Net reads it; its rows need not sum to 1.

    Returns:
        B×n×m, with a gradient to the cost.
    """
    x = _cheapest(cost)
    corrections = [torch.zeros_like(x) for _ in _PROJECTIONS]
    seen = [x]
    for _ in range(gradient_steps):
        x = x - STEP * cost
        seen.append(x)
        for _ in range(projections):
            for index, project in enumerate(_PROJECTIONS):
                corrected = x + corrections[index]
                x = project(corrected)
                corrections[index] = corrected - x
    return x if readout == "last" else torch.stack(seen).mean(dim=0)


def _cheapest(cost: Tensor) -> Tensor:
    """The start: one-hot rows B×n×m."""
    cheapest_of_column = _one_hot(cost.argmin(dim=1), cost.shape[1]).transpose(1, 2)
    most = cost.amax(dim=(1, 2), keepdim=True)
    taken = cost.where(cheapest_of_column, most).argmin(dim=2)
    return _one_hot(taken, cost.shape[2]).to(cost.dtype)


def _one_hot(index: Tensor, count: int) -> Tensor:
    """…×count bool; torch's own looks at the values, for which the host would wait."""
    return index[..., None] == torch.arange(count, device=index.device)


def _not_negative(x: Tensor) -> Tensor:
    return x.clamp(min=0)


def _columns_at_most_one(x: Tensor) -> Tensor:
    surplus = (x.sum(dim=1, keepdim=True) - 1).clamp(min=0)
    return x - surplus / x.shape[1]


def _rows_one(x: Tensor) -> Tensor:
    return x - (x.sum(dim=2, keepdim=True) - 1) / x.shape[2]


_PROJECTIONS = (_not_negative, _columns_at_most_one, _rows_one)


def greedy(cost: Tensor) -> Tensor:
    """The cheapest pair first, then the cheapest of those left, until rows or columns are used up.

    Args:
        cost: B×n×m.

    Returns:
        B×n×m of 0 and 1.
    """
    left, assignment = cost.detach(), torch.zeros_like(cost)
    for _ in range(min(cost.shape[1:])):
        index = left.flatten(1).argmin(dim=1)
        pair = _one_hot(index, cost[0].numel()).unflatten(1, cost.shape[1:])
        assignment = torch.where(pair, 1, assignment)
        taken = pair.any(dim=1, keepdim=True) | pair.any(dim=2, keepdim=True)
        left = left.masked_fill(taken, torch.inf)
    return assignment


def hungarian(cost: Tensor) -> Tensor:
    """The assignment of least total cost, by scipy on the host, which waits for the device.

    Args:
        cost: B×n×m.

    Returns:
        B×n×m of 0 and 1.

    Raises:
        RANetError: scipy is missing.
    """
    solve = scipy_solver()
    assignment = torch.zeros(cost.shape, dtype=cost.dtype)
    for number, of_frame in enumerate(cost.detach().cpu().numpy()):
        assignment[number, *map(torch.from_numpy, solve(of_frame))] = 1
    return assignment.to(cost.device)


def scipy_solver() -> Callable[..., tuple]:
    """scipy's solver of linear assignments.

    Raises:
        RANetError: scipy is missing.
    """
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError as error:
        raise RANetError(
            "Exact assignment (matching: hungarian) needs scipy: `pip install -e '.[matching]'`."
        ) from error
    return linear_sum_assignment


SOLVERS: tuple[str, ...] = get_args(Solver)
"""By name, as :func:`solve` takes them."""


def check_solver(solver: str) -> str:
    """The name of a solver that is there.

    Raises:
        ConfigError: there is none of that name.
        RANetError: scipy is missing, which it needs.
    """
    if solver not in SOLVERS:
        raise ConfigError(f"matching={solver}: expected one of {', '.join(SOLVERS)}.")
    if solver == "hungarian":
        scipy_solver()
    return solver


def solve(cost: Tensor, solver: str, readout: str = "last") -> Tensor:
    """The assignment of a cost by any of the solvers.

    Args:
        cost: B×n×m float32.
        solver: one of :data:`SOLVERS`.
        readout: of the layer.

    Returns:
        B×n×m in [0, 1], with a gradient to the cost where the solver is the layer.
    """
    if solver == "layer":
        return matching_layer(cost, readout=readout).clamp(0, 1)
    return {"hungarian": hungarian, "greedy": greedy}[solver](cost)


def one_column_each(assignment: Tensor, otherwise: Tensor) -> Tensor:
    """Each row's largest entry alone; of rows that share a column, the larger entry keeps it.

    Args:
        assignment: B×n×m in [0, 1].
        otherwise: n×m of 0 and 1: what the rows that lose theirs get.

    Returns:
        B×n×m of 0 and 1.
    """
    chosen = _one_hot(assignment.argmax(dim=2), assignment.shape[2])  # B×n×m
    strongest = (assignment * chosen).argmax(dim=1)  # B×m
    kept = chosen & _one_hot(strongest, assignment.shape[1]).transpose(1, 2)
    lost = ~kept.any(dim=2, keepdim=True)
    return torch.where(lost, otherwise.to(assignment.dtype), kept.to(assignment.dtype))
