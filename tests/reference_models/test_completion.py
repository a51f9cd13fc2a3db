# SPDX-License-Identifier: MIT
"""The descent in z, how its context counts, and the blending of what it finds."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from reference_models.blending import poisson_blend
from reference_models.blocks import initialise
from reference_models.completion import (
    VARIANTS,
    best_of,
    complete,
    completion_loss,
    context_weights,
    first_noise,
)
from reference_models.inpainting import Config, build

TINY = Config(image_size=16, network_size=16, width=8, max_width=16, z_dim=8, d_width=8, d_max_width=16)


def networks():
    """A generator with contrast, as one that was trained has."""
    made = {name: network.eval().requires_grad_(False) for name, network in build(TINY, 2).items()}
    initialise(made["generator"], 2, std=None)
    return made["generator"], made["discriminator"]


def with_hole(side=32, count=1):
    known = torch.ones(count, 1, side, side)
    known[:, :, 8:20, 10:24] = 0
    return known


# --- losses -----------------------------------------------------------------------------------------------------


def test_the_losses_are_sums_over_pixels_and_the_generators_loss():
    faces, images = torch.zeros(2, 3, 8, 8), torch.full((2, 3, 8, 8), 0.5)
    weights = torch.ones(2, 1, 8, 8)
    weights[1, :, :4] = 0
    context, prior = completion_loss(faces, torch.tensor([0.0, 3.0]), images, weights, 0.1)
    assert context.tolist() == pytest.approx([0.5 * 192, 0.5 * 96])
    assert prior.tolist() == pytest.approx([0.1 * math.log(2), 0.1 * math.log1p(math.exp(-3))], abs=1e-7)


def test_weights_are_nothing_in_the_hole_and_slope_against_each_other_at_its_rim():
    known = with_hole()
    near, far = context_weights(known, "near"), context_weights(known, "far")
    for weights in (near, far, context_weights(known, "plain")):
        assert weights[known == 0].abs().max() == 0
        assert weights.min() >= 0
        assert weights.max() <= 1
    row = slice(24, 32)  # right of the hole, away from it
    assert (near[0, 0, 14, row].diff() <= 0).all()
    assert near[0, 0, 14, 24] > near[0, 0, 14, 26] > near[0, 0, 14, 27] == 0
    assert (far[0, 0, 14, row].diff() >= 0).all()
    assert far[0, 0, 14, 24] < far[0, 0, 14, 26] < far[0, 0, 14, 27] == 1
    torch.testing.assert_close(near + far, known)  # shares of one neighbourhood
    assert near[0, 0, 14, 24] == pytest.approx(3 * 7 / 49)


# --- the descent ------------------------------------------------------------------------------------------------


def test_v1_and_cvpr17_start_stay_and_step_as_published():
    v1, cvpr17 = VARIANTS["v1"], VARIANTS["cvpr17"]
    assert (v1.lam, v1.optimiser, v1.completion_lr, v1.prior, v1.context, v1.blend) == (
        0.1, "adam", 0.01, "uniform", "plain", "none",
    )  # fmt: skip
    assert (cvpr17.lam, cvpr17.optimiser, cvpr17.completion_lr, cvpr17.prior, cvpr17.context, cvpr17.blend) == (
        0.2, "nesterov", 3e-4, "normal", "near", "poisson",
    )  # fmt: skip
    uniform, normal = (first_noise(one, 2000, 10, 0) for one in (v1, cvpr17))
    assert uniform.std().item() == pytest.approx(1 / math.sqrt(3), rel=0.02)
    assert (normal.abs() == 1).float().mean().item() == pytest.approx(0.3173, abs=0.01)  # beyond one deviation
    assert max(uniform.abs().max(), normal.abs().max()) <= 1
    assert torch.equal(first_noise(v1, 3, 4, 7), first_noise(v1, 3, 4, 7))


@pytest.mark.parametrize("variant", ["v1", "cvpr17"])
def test_a_face_the_generator_drew_is_found_again(variant):
    generator, discriminator = networks()
    with torch.no_grad():
        right = torch.rand(2, 8, generator=torch.Generator().manual_seed(3)) * 2 - 1
        image = generator(right)
    weights, completion, trace = torch.ones(2, 1, 16, 16), VARIANTS[variant], []
    start = first_noise(completion, 2, 8, 0)
    z = complete(generator, discriminator, image, weights, start, completion, 200, trace)
    assert z.abs().max() <= 1
    assert len(trace) == 200
    assert (trace[-1] < 0.5 * trace[0]).all()
    assert torch.equal(start, first_noise(completion, 2, 8, 0))  # left as it was


def test_at_the_right_z_only_the_prior_is_left():
    generator, discriminator = networks()
    right = torch.rand(1, 8, generator=torch.Generator().manual_seed(3)) * 2 - 1
    image, trace = generator(right), []
    z = complete(generator, discriminator, image, torch.ones(1, 1, 16, 16), right, VARIANTS["v1"], 1, trace)
    prior = 0.1 * functional.softplus(-discriminator(image))
    torch.testing.assert_close(trace[0], prior, rtol=1e-4, atol=1e-4)
    assert (z - right).abs().max() <= 0.01 + 1e-6


def test_z_is_kept_within_its_box():
    generator, discriminator = networks()
    far_away = replace(VARIANTS["v1"], completion_lr=5.0)
    z = complete(
        generator,
        discriminator,
        torch.ones(1, 3, 16, 16),
        torch.ones(1, 1, 16, 16),
        torch.full((1, 8), 0.2),
        far_away,
        3,
    )
    assert z.abs().max() == 1


def test_the_best_of_the_candidates_is_the_nearest_where_it_counts():
    faces = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    candidates = torch.arange(6.0)[:, None]
    images, weights = faces[[4, 1]].clone(), torch.ones(2, 1, 8, 8)
    assert best_of(candidates, faces, images, weights).flatten().tolist() == [4, 1]
    images[0, :, :4], weights[0, :, :4] = 9.0, 0.0  # what is in the hole does not count
    assert best_of(candidates, faces, images, weights).flatten().tolist() == [4, 1]
    brute = (weights[:, None] * (faces[None] - images[:, None]).square()).sum((2, 3, 4)).argmin(1)
    assert best_of(candidates, faces, images, weights).flatten().tolist() == brute.tolist()


# --- blending ---------------------------------------------------------------------------------------------------


def test_blending_a_picture_of_another_colour_gives_the_picture():
    image = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    # a membrane over a plane is that plane
    pasted = image + 0.3 - 0.02 * columns + 0.01 * rows
    torch.testing.assert_close(poisson_blend(image, pasted, with_hole(count=2)), image, atol=2e-6, rtol=0)


def test_blending_keeps_the_gradients_of_what_is_pasted():
    generator = torch.Generator().manual_seed(0)
    image, pasted = (torch.rand(1, 3, 32, 32, generator=generator) for _ in range(2))
    known = with_hole()
    made = poisson_blend(image, pasted, known)
    assert torch.equal(made.where(known > 0, 0), image.where(known > 0, 0))
    kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]).expand(3, 1, 3, 3)
    laplacians = [functional.conv2d(one, kernel, groups=3) for one in (made, pasted)]
    inside = (known[:, :, 1:-1, 1:-1] == 0).expand_as(laplacians[0])
    torch.testing.assert_close(laplacians[0][inside], laplacians[1][inside], atol=1e-4, rtol=0)


def test_blending_at_the_border_without_hole_and_without_anything_known():
    generator = torch.Generator().manual_seed(0)
    image, pasted = (torch.rand(1, 3, 16, 16, generator=generator) for _ in range(2))
    known = torch.ones(1, 1, 16, 16)
    assert torch.equal(poisson_blend(image, pasted, known), image)
    assert torch.equal(poisson_blend(image, pasted, 0 * known), pasted)
    known[:, :, :8] = 0
    flat = poisson_blend(torch.full_like(image, 0.25), torch.full_like(image, 0.75), known)
    torch.testing.assert_close(flat, torch.full_like(image, 0.25), atol=1e-5, rtol=0)  # no seam at the open side


def test_blending_does_not_depend_on_the_batch():
    generator = torch.Generator().manual_seed(0)
    image, pasted = (torch.rand(3, 3, 32, 32, generator=generator) for _ in range(2))
    known = with_hole(count=3)
    known[1, :, :16] = 0
    whole = poisson_blend(image, pasted, known)
    for place in range(3):
        part = slice(place, place + 1)
        torch.testing.assert_close(poisson_blend(image[part], pasted[part], known[part]), whole[part])
