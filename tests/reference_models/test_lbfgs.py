# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest
import torch

from reference_models.lbfgs import minimise


def rosenbrock(x, rows):
    return 100 * (x[:, 1] - x[:, 0] ** 2) ** 2 + (1 - x[:, 0]) ** 2


def kinks(x, rows):
    """Not smooth, as losses through ReLUs are not; each row has its own bend."""
    return (x.abs() * (1.0 + rows[:, None])).sum(1) + (x - 0.3).relu().square().sum(1)


STARTS = torch.tensor([[-1.2, 1.0], [0.0, 0.0], [2.0, 2.0]], dtype=torch.float64)


def test_it_finds_the_bottom_of_a_bent_valley():
    found = minimise(rosenbrock, STARTS, 60)
    torch.testing.assert_close(found, torch.ones_like(found), atol=1e-6, rtol=0)


def test_a_quadratic_bowl_takes_few_steps():
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(6, 6, generator=generator, dtype=torch.float64)
    bowl, goal = root @ root.T + torch.eye(6), torch.randn(2, 6, generator=generator, dtype=torch.float64)
    found = minimise(lambda x, rows: torch.einsum("ni,ij,nj->n", x - goal[rows], bowl, x - goal[rows]), 0 * goal, 30)
    torch.testing.assert_close(found, goal, atol=1e-5, rtol=0)


@pytest.mark.parametrize("function", [rosenbrock, kinks])
def test_no_value_ever_grows(function):
    trace = []
    minimise(function, STARTS, 25, trace=trace)
    values = torch.stack(trace)
    assert values.shape == (26, 3)
    assert (values.diff(dim=0) <= 0).all()
    assert (values[-1] < 1e-2 * values[0]).logical_or(values[0] == 0).all()


@pytest.mark.parametrize("function", [rosenbrock, kinks])
def test_a_row_comes_out_alike_alone_and_among_others(function):
    whole = minimise(function, STARTS, 12)
    for place in range(3):
        alone = minimise(lambda x, rows, at=place: function(x, rows + at), STARTS[place : place + 1], 12)
        torch.testing.assert_close(alone[0], whole[place])


def test_the_first_step_is_as_large_as_asked_and_the_start_is_left_alone():
    start = torch.zeros(1, 3, 4)
    found = minimise(lambda x, rows: (x.sum((1, 2)) - 100.0).square(), start, 1, first_move=0.25)
    assert found.shape == start.shape
    assert found.abs().max().item() == pytest.approx(0.25)
    assert start.abs().max() == 0


def test_no_steps_and_a_flat_function_change_nothing():
    assert torch.equal(minimise(rosenbrock, STARTS, 0), STARTS)
    assert torch.equal(minimise(lambda x, rows: (0 * x).sum(1), STARTS, 5), STARTS)
