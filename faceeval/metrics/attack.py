# SPDX-License-Identifier: MIT
"""How little must a picture change for a recogniser to see somebody else? The attack of IPGAN's section 4.5.

The smallest change of a face, in L2, that brings its feature closer than a threshold to that of another person. It
measures the recogniser, not an editor, and makes the pictures that ``detection`` tries to find. A threshold means
something on a known scale only: features are brought to unit length, so squared distances run from 0 to 4, and 1.0,
0.8, 0.6, 0.4 are cosines of 0.5, 0.6, 0.7, 0.8.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import images, matrix, same_shape
from faceeval.metrics.descent import PLANES, AttackBudget, Search, nearest_point, smallest_change
from faceeval.metrics.identity import unit_rows
from faceeval.metrics.levels import WHITE, round_to_levels
from faceeval.metrics.recogniser import Recogniser

if TYPE_CHECKING:
    import torch
    from torch import Tensor

ATTACK_THRESHOLDS = (1.0, 0.8, 0.6, 0.4)  # IPGAN's, for squared distances
FARTHEST = 4.0  # squared distance of two unit vectors
AIMS = (0.97, 0.9)  # shares of the threshold aimed at where rounding leads above it, one after the other
SLACK = 1e-5  # the search aims so much lower, as a share: a network's last bits change with the batch
USUAL = AttackBudget()
Distance: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"  # images (B, 3, H, W) and their rows (B,) -> (B,)


@dataclass(frozen=True, eq=False)
class AttackResult:
    """Adversarial images and what they cost. Where the attack failed the image is the source, unchanged.

    Attributes:
        images: Shape (N, 3, H, W): uint8, or float in 0..1 where they were not rounded.
        norms: L2 norm of the change, pixels in 0..1, shape (N,), float64; lower is stealthier.
        distances: Squared feature distance to the target after the attack, shape (N,), float64.
        initial_distances: The same before it.
        success: Whether the distance is below the threshold, shape (N,), bool.
        already: Whether it was before anything changed; such images are no adversarial examples, shape (N,), bool.
        gradients: Gradients taken for each image, shape (N,), int64: what the attack cost.
    """

    images: NDArray[Any]
    norms: NDArray[np.float64]
    distances: NDArray[np.float64]
    initial_distances: NDArray[np.float64]
    success: NDArray[np.bool_]
    already: NDArray[np.bool_]
    gradients: NDArray[np.int64]

    @property
    def perturbed(self) -> NDArray[np.bool_]:
        """The images that belong into a detection experiment, shape (N,): changed, and with success."""
        return self.success & ~self.already


def feature_attack(
    embedder: Callable[[Tensor], Tensor],
    source: ArrayLike,
    target: ArrayLike,
    threshold: float,
    *,
    unit: bool = True,
    rounded: bool = True,
    budget: AttackBudget = USUAL,
    batch_size: int = 64,
    device: str | torch.device | None = None,
) -> AttackResult:
    r"""Finds the smallest change of each face that makes a recogniser take it for its target.

    .. math:: \min_r \lVert r\rVert_2 \quad\text{such that}\quad
              \lVert f(x_1 + r) - f(x_2)\rVert_2^2 < \theta,\; 0 \le x_1 + r \le 1

    Carlini and Wagner's descent: Adam on ``|r|^2 + c * max(0, distance - threshold)`` with the box as a hyperbolic
    tangent, no random start, and a search for c image by image; an image leaves its batch when nothing more is gained.
    The result is then moved to the nearest point of the limit, and rounded to whole grey levels in a way that keeps it
    below (``levels``), since an adversarial image that does not survive a PNG is none.

    Nothing is drawn at random: on the CPU the same input gives the same bits. On other devices call
    ``torch.use_deterministic_algorithms(True)`` before.

    Args:
        embedder: Any recogniser as a differentiable function: takes RGB images (B, 3, H, W) in 0..1, returns
            features (B, D). Its own scaling belongs inside. A module must be in eval mode.
        source: Faces to change, uint8, (N, 3, H, W), RGB.
        target: Whom to pass for: faces, uint8, (N, 3, H, W) of any size the embedder takes; or features (N, D).
        threshold: Squared feature distance to get below, above 0; with ``unit``, below 4.
        unit: Bring features to unit length. Leave it on, unless the threshold is meant for raw features.
        rounded: Return uint8 images that meet the threshold as they are; otherwise floats.
        budget: How much work an image may cost.
        batch_size: Images at a time.
        device: Where to compute; None for where the embedder's parameters are, or the CPU for a plain function.

    Returns:
        Images, norms, distances and flags.

    Raises:
        InputError: Bad images or features, unequal numbers of both, a senseless setting, or an embedder in training
            mode, without a gradient, or with features that are not finite or not (B, D).

    References:
        Bao et al., "Towards open-set identity preserving face synthesis", CVPR 2018, eq. (8) (optimiser, box and
        scale are not stated); Carlini and Wagner, "Towards evaluating the robustness of neural networks", S&P 2017,
        section VI-A. Parity: foolbox ``L2CarliniWagnerAttack``, tests/metrics/test_attack_parity.py.

    Example:
        >>> import numpy as np, torch
        >>> rng = np.random.default_rng(0)
        >>> weight = torch.from_numpy(rng.standard_normal((192, 8)))
        >>> faces = rng.integers(64, 192, (2, 3, 8, 8), dtype=np.uint8)
        >>> found = feature_attack(lambda x: (x.double() - 0.5).flatten(1) @ weight, faces, faces[::-1], 0.4)
        >>> found.perturbed.tolist(), bool((found.distances < 0.4).all()), bool((found.norms < 1.5).all())
        ([True, True], True, True)
    """
    import torch

    pictures = images("source", source)
    _check_settings(threshold, unit, budget, batch_size)
    recogniser = Recogniser.of(embedder, unit, device)
    found = []
    with torch.enable_grad():
        wanted = _wanted(recogniser, target, (len(pictures), recogniser.dimensions(pictures[:1])), batch_size)
        for start in range(0, len(pictures), batch_size):
            block = slice(start, start + batch_size)
            found.append(_attack_batch(recogniser, pictures[block], wanted[block], threshold, rounded, budget))
    joined = {f.name: np.concatenate([getattr(one, f.name) for one in found]) for f in fields(AttackResult)}
    return AttackResult(**joined)


def shuffled_perturbation(source: ArrayLike, adversarial: ArrayLike, seed: int = 0) -> NDArray[np.uint8]:
    """Control for a detector: the same perturbation with its pixels in another order, which fools nobody.

    Norm and grey levels of the change stay (but where black or white clips it), its aim is lost. A detector that finds
    these as well finds any noise, not attacks.

    Args:
        source: Source images, uint8, (N, 3, H, W), RGB.
        adversarial: Their adversarial images, same shape and order.
        seed: Seed of the order, one for all images, so that an image's control does not depend on the others.

    Returns:
        Shape (N, 3, H, W), uint8.

    Raises:
        InputError: Not uint8, not (N, 3, H, W), empty, or of different shapes.

    References:
        None of the published protocols has it.

    Example:
        >>> import numpy as np
        >>> face = np.full((1, 3, 4, 4), 100, np.uint8)
        >>> changed = face.copy()
        >>> changed[0, :, 0, 0] = 90
        >>> int((shuffled_perturbation(face, changed) == 90).sum())
        3
    """
    before, after = images("source", source), images("adversarial", adversarial)
    same_shape("source", before, "adversarial", after)
    n, colours, height, width = before.shape
    change = (after.astype(np.int16) - before).reshape(n, colours, -1)
    order = np.random.default_rng(seed).permutation(height * width)
    return (before + change[:, :, order].reshape(before.shape)).clip(0, WHITE).astype(np.uint8)


def _check_settings(threshold: float, unit: bool, budget: AttackBudget, batch_size: int) -> None:
    largest = FARTHEST if unit else math.inf
    if not 0.0 < threshold < largest:
        todo = "squared distances of unit features run from 0 to 4; IPGAN takes 0.4, 0.6, 0.8 and 1.0"
        raise InputError(f"a threshold above 0 and below {largest:g}", str(threshold), todo)
    counts = (budget.search_steps, budget.steps, batch_size)
    if min(counts) < 1 or not 0.0 < budget.step_size < math.inf:
        got = f"search_steps, steps, batch_size = {counts}, step_size = {budget.step_size}"
        raise InputError("counts of at least 1 and a step size above 0", got, "leave budget and batch_size out")


def _wanted(recogniser: Recogniser, target: ArrayLike, shape: tuple[int, int], batch_size: int) -> Tensor:
    """Returns the features to come close to, of the shape given."""
    import torch

    rows: Tensor
    if np.ndim(target) == 4:
        faces = images("target", target)
        blocks = [faces[start : start + batch_size] for start in range(0, len(faces), batch_size)]
        with torch.no_grad():
            rows = torch.cat([recogniser.features(recogniser.tensor(block)) for block in blocks])
    else:
        given = unit_rows("target", target) if recogniser.unit else matrix("target", target)
        rows = torch.from_numpy(given).to(recogniser.device, recogniser.dtype)
    if rows.shape != shape:
        todo = "give one target for each source, its feature from the same embedder"
        raise InputError(f"target features of shape {shape}", f"shape {tuple(rows.shape)}", todo)
    return rows


def _attack_batch(
    recogniser: Recogniser,
    pictures: NDArray[np.uint8],
    wanted: Tensor,
    threshold: float,
    rounded: bool,
    budget: AttackBudget,
) -> AttackResult:
    import torch

    source = recogniser.tensor(pictures)
    every = torch.arange(len(source), device=source.device)

    def distance(batch: Tensor, rows: Tensor) -> Tensor:
        return (recogniser.features(batch) - wanted[rows]).square().sum(1)

    with torch.no_grad():
        initial = distance(source, every)
    if not initial.isfinite().all():
        got = f"NaN or infinity for {int((~initial.isfinite()).sum())} of {len(initial)} images of a batch"
        raise InputError("finite features from the embedder", got, "see what it makes of these images alone")
    rows = every[initial >= threshold]
    attacked, gradients = source.clone(), torch.zeros_like(every)
    if len(rows):
        limit = torch.full_like(initial[rows], threshold * (1 - SLACK))
        search = smallest_change(lambda batch, index: distance(batch, rows[index]), source[rows], limit, budget)
        attacked[rows], gradients[rows] = search.best, search.spent
        if rounded:
            attacked[rows], more = _rounded(lambda batch, index: distance(batch, rows[index]), search)
            gradients[rows] += more
    with torch.no_grad():
        success = distance(attacked, every) < threshold
        attacked = torch.where(success[:, None, None, None], attacked, source)
        final = distance(attacked, every)
    return _result(source, attacked, rounded, final, initial, success, initial < threshold, gradients)


def _rounded(distance: Distance, search: Search) -> tuple[Tensor, Tensor]:
    """Rounds what a search found to grey levels; where none is found below the limit, from a point farther below it.

    Single pixels lead back below the limit of a network that is nearly linear there. Where it is not, the nearest point
    to the source is a narrow place, and a rounded one next to it is not to be had.

    Returns:
        The images, and how many gradients each took, (N,), int64. Some may still be above their limit.
    """
    import torch

    images, spent = round_to_levels(distance, search.origin, search.best, search.limit)
    for aim in AIMS:
        with torch.no_grad():
            above = distance(images, search.index) >= search.limit
        lost = search.index[above & search.norm.isfinite()]
        if not len(lost):
            break
        _again(distance, search.take(lost), aim, images, spent)
    return images, spent


def _again(distance: Distance, lost: Search, aim: float, images: Tensor, spent: Tensor) -> None:
    """Moves some images to a share of their limit, rounds them, and writes them and their gradients back."""
    import torch

    rows = lost.index

    def own(batch: Tensor, index: Tensor) -> Tensor:
        return distance(batch, rows[index])

    every = torch.arange(len(rows), device=rows.device)
    lower, _ = nearest_point(own, every, lost.origin, lost.best, aim * lost.limit)
    images[rows], more = round_to_levels(own, lost.origin, lower, lost.limit)
    spent[rows] += PLANES + more


def _result(source: Tensor, attacked: Tensor, rounded: bool, *columns: Tensor) -> AttackResult:
    """Puts a batch into the types of a result."""
    changed = [(batch * WHITE if rounded else batch).cpu().numpy() for batch in (source, attacked)]
    if rounded:
        changed = [batch.round().astype(np.uint8) for batch in changed]
    change = (changed[1].astype(np.float64) - changed[0]) / (WHITE if rounded else 1)
    final, initial, success, already, gradients = (column.cpu().numpy() for column in columns)
    return AttackResult(
        images=changed[1],
        norms=np.sqrt((change**2).sum(axis=(1, 2, 3))),
        distances=final.astype(np.float64),
        initial_distances=initial.astype(np.float64),
        success=success,
        already=already,
        gradients=gradients,
    )
