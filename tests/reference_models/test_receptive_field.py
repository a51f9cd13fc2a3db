# SPDX-License-Identifier: MIT
from __future__ import annotations

from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from reference_models.receptive_field import cover, layerwise_cover, output_size, seen

MAAE = [(7, 1, 3), (3, 2, 1), (3, 2, 1)]


def union(layers, size, chosen):
    pixels = set()
    for index in chosen:
        first, last = seen(layers, size, index)
        pixels |= set(range(first, last + 1))
    return pixels


def least_covers(layers, size):
    """How many sets of the least size cover all pixels, counted from the left."""
    fields = [seen(layers, size, index) for index in range(output_size(layers, size))]
    ways = {(-1, -1): 1}  # (last index, last pixel covered) -> number of sets
    for _ in cover(layers, size):
        grown = {}
        for (last, reach), count in ways.items():
            for index in range(last + 1, len(fields)):
                if fields[index][0] <= reach + 1:
                    state = index, max(reach, fields[index][1])
                    grown[state] = grown.get(state, 0) + count
        ways = grown
    return sum(count for (_, reach), count in ways.items() if reach == size - 1)


@pytest.mark.parametrize(
    ("size", "side", "count", "end"), [(64, 16, 6, 15), (128, 32, 11, 31), (256, 64, 22, 63), (348, 87, 30, 86)]
)
def test_maae_changes_the_positions_of_its_table(size, side, count, end):
    chosen = cover(MAAE, size)
    assert output_size(MAAE, size) == side
    assert len(chosen) == count
    assert chosen[:-1] == tuple(range(1, 3 * (count - 1), 3))
    assert chosen[-1] == end
    assert union(MAAE, size, chosen) == set(range(size))


@pytest.mark.parametrize(("size", "sets"), [(64, 6), (128, 1), (348, 464)])
def test_there_are_as_many_least_sets_as_were_counted(size, sets):
    assert least_covers(MAAE, size) == sets


def test_no_smaller_set_covers_64_pixels():
    assert not any(union(MAAE, 64, fewer) == set(range(64)) for fewer in combinations(range(16), 5))


@pytest.mark.parametrize(
    ("size", "index", "field"),
    [
        (128, 0, (0, 6)),
        (128, 1, (0, 10)),
        (128, 4, (10, 22)),
        (128, 31, (118, 127)),
        (348, 85, (334, 346)),
        (348, 86, (338, 347)),
    ],
)
def test_units_see_the_pixels_of_the_table(size, index, field):
    assert seen(MAAE, size, index) == field


@pytest.mark.parametrize("layers", [MAAE, [(7, 2, 3), (3, 2, 1), (3, 2, 1)], [(4, 2, 1), (3, 1, 1), (5, 3, 0)]])
def test_units_see_what_gradients_reach(layers):
    x = torch.ones(1, 1, 64, requires_grad=True)
    y = x
    for kernel, stride, padding in layers:
        y = functional.conv1d(y, torch.ones(1, 1, kernel), stride=stride, padding=padding)
    for index in range(y.shape[2]):
        (slope,) = torch.autograd.grad(y[0, 0, index], x, retain_graph=True)
        reached = slope[0, 0].nonzero()[:, 0]
        assert seen(layers, 64, index) == (int(reached.min()), int(reached.max()))


@pytest.mark.parametrize(
    ("strides", "counts", "first", "step"),
    [((1, 2, 2), (6, 11, 30), 1, 3), ((2, 2, 2), (4, 8, 22), 1, 2), ((2, 2, 1), (4, 8, 22), 2, 4)],
)
def test_other_strides_choose_other_positions(strides, counts, first, step):
    layers = [(kernel, stride, kernel // 2) for kernel, stride in zip((7, 3, 3), strides, strict=True)]
    for size, count in zip((64, 128, 348), counts, strict=True):
        chosen = cover(layers, size)
        assert len(chosen) == count
        assert chosen[:3] == (first, first + step, first + 2 * step)


def test_residual_blocks_of_3x3_leave_few_positions():
    layers = [*MAAE, *[(3, 1, 1)] * 6]
    assert [len(cover(layers, size)) for size in (64, 128, 348)] == [2, 3, 6]
    first, last = seen(layers, 348, 43)
    assert last - first + 1 == 61


def test_layer_by_layer_takes_more():
    for size, below, count in ((64, 10, 9), (128, 19, 18), (348, 50, 50)):
        assert len(cover(MAAE[:1], size)) == below == -(-size // 7)
        chosen = layerwise_cover(MAAE, size)
        assert len(chosen) == count  # at the right border the last two of below are seen by one unit above
        assert len(chosen) > len(cover(MAAE, size))
        assert union(MAAE, size, chosen) == set(range(size))


def test_without_layers_every_pixel_is_its_own_unit():
    assert layerwise_cover([], 3) == cover([], 3) == (0, 1, 2)


def test_only_the_wanted_pixels_need_be_seen():
    assert cover([(1, 1, 0)], 9, [7, 2]) == (2, 7)
    assert cover([(3, 1, 1)], 9, []) == ()


def test_pixels_that_are_stepped_over_are_an_error():
    with pytest.raises(ValueError, match="pixel 1"):
        cover([(1, 2, 0)], 8)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 2)), min_size=1, max_size=3),
    st.integers(6, 16),
)
def test_covers_are_least(shapes, size):
    layers = [(max(kernel, stride), stride, max(kernel, stride) // 2) for kernel, stride in shapes]
    chosen, side = cover(layers, size), output_size(layers, size)
    assert union(layers, size, chosen) == set(range(size))
    fewer = combinations(range(side), len(chosen) - 1)
    assert not any(union(layers, size, some) == set(range(size)) for some in fewer)
