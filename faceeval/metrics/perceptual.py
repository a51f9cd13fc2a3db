# SPDX-License-Identifier: MIT
"""Does it look the same? Weighted distance between the feature maps of two images, the form of LPIPS.

No weights are shipped and none are downloaded. With the trunk and the linear weights of LPIPS the value is LPIPS; with
any other trunk, or without weights, it is a distance of the same form on another scale: name both beside the number,
and compare only values made by the same pair. Packages ``lpips`` and ``torchmetrics`` hold the linear weights of LPIPS
(a few kB), torchvision's download holds its trunks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import images, numbers, same_shape

VALUES_AT_ONCE = 100_000  # feature values turned to float64 at a time: 800 kB, which a core keeps in its cache
TINY = 1e-10  # added to a length before dividing by it, as the authors' code does: where nothing fires, zero stays zero
# what LPIPS calls shift and scale for -1..1 is torchvision's normalisation for 0..1
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def feature_map_distance(
    source_maps: Sequence[ArrayLike], edited_maps: Sequence[ArrayLike], weights: Sequence[ArrayLike] | None = None
) -> NDArray[np.float64]:
    r"""Distance of two images in the feature maps of a network, channel by channel weighted, place by place averaged.

    .. math:: d_i = \sum_l \frac{1}{H_l W_l} \sum_p \sum_c w_{lc} \bigl(\hat y_{lcp} - y_{lcp}\bigr)^2

    with :math:`y` the maps of layer l divided at every place by their length over the channels.

    Args:
        source_maps: One array for each layer, shape (N, C, H, W), any float type; C, H, W may differ between layers.
        edited_maps: The same of the edited images, same shapes and order.
        weights: One array of C values for each layer, at least 0; any shape of C values, so LPIPS's own
            (1, C, 1, 1) will do. Without them every channel counts 1, the unweighted form of the same paper.

    Returns:
        Shape (N,), float64, at least 0; lower is better, 0 is equal.

    Raises:
        InputError: No layers, or layers, shapes or weights that do not fit each other; a value is not finite; a weight
            is negative, or all of a layer's are 0.

    References:
        Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric", CVPR 2018, eq. (1).
        Parity: torchmetrics ``_LPIPS``, tests/metrics/test_perceptual.py.

    Example:
        >>> import numpy as np
        >>> up, right = np.array([0.0, 2.0]).reshape(1, 2, 1, 1), np.array([3.0, 0.0]).reshape(1, 2, 1, 1)
        >>> feature_map_distance([up], [right]).round(6).tolist()
        [2.0]
        >>> feature_map_distance([up], [right], weights=[[0.5, 0.25]]).round(6).tolist()
        [0.75]
    """
    pairs = _layers(source_maps, edited_maps)
    scales = _weights(weights)
    if scales is None:
        scales = [np.ones(a.shape[1]) for a, _ in pairs]
    if [len(w) for w in scales] != [a.shape[1] for a, _ in pairs]:
        todo = "give the linear weights that belong to this trunk, in the order of its layers"
        got = f"{[len(w) for w in scales]} weights for {[a.shape[1] for a, _ in pairs]} channels"
        raise InputError("one weight for each channel of each layer", got, todo)
    return np.asarray(sum(_layer_distance(a, b, w) for (a, b), w in zip(pairs, scales, strict=True)))


def perceptual_distance(
    source: ArrayLike,
    edited: ArrayLike,
    trunk: Callable[[Any], Any],
    weights: Sequence[ArrayLike] | None = None,
    batch_size: int = 32,
) -> NDArray[np.float64]:
    """Distance of each pair of images in the feature maps of a network; LPIPS where trunk and weights are LPIPS's.

    The images reach the trunk as LPIPS's and torchvision's networks want them: divided by 255, less ImageNet's mean,
    over its deviation. Their size is kept: LPIPS depends on it, so say it.

    Args:
        source: Source images, uint8, (N, 3, H, W), RGB.
        edited: Edited images, same shape and order.
        trunk: Takes a torch tensor (B, 3, H, W) of its own type and on its own device (float32 on the CPU if it is no
            ``torch.nn.Module``) and returns its layers, a sequence of (B, C, h, w). A module must be in eval mode.
        weights: As in feature_map_distance.
        batch_size: Images that go through the trunk at a time; does not change the values beyond its rounding.

    Returns:
        Shape (N,), float64, at least 0; lower is better, 0 is equal.

    Raises:
        InputError: Not uint8 (a wrong range is the usual error with LPIPS), not (N, 3, H, W), empty, or of different
            shapes; a trunk in training mode; layers or weights that do not fit each other.

    References:
        Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric", CVPR 2018.
        Parity: torchmetrics ``_LPIPS``, tests/metrics/test_perceptual.py.

    Example:
        >>> import numpy as np
        >>> black, white = np.zeros((1, 3, 8, 8), np.uint8), np.full((1, 3, 8, 8), 255, np.uint8)
        >>> halves = lambda batch: [batch[:, :, ::2, ::2], batch[:, :, ::4, ::4]]
        >>> perceptual_distance(black, black, halves).tolist()
        [0.0]
        >>> perceptual_distance(black, white, halves).round(2).tolist()
        [7.97]
    """
    first, second = images("source", source), images("edited", edited)
    same_shape("source", first, "edited", second)
    if int(batch_size) != batch_size or batch_size < 1:
        raise InputError("a batch size of at least 1", str(batch_size), "give batch_size=32")
    _refuse_training(trunk)
    scales = _weights(weights)
    parts = []
    for start in range(0, len(first), int(batch_size)):
        block = slice(start, start + int(batch_size))
        parts.append(feature_map_distance(_maps(trunk, first[block]), _maps(trunk, second[block]), scales))
    return np.concatenate(parts)


def _layers(
    source_maps: Sequence[ArrayLike], edited_maps: Sequence[ArrayLike]
) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    if len(source_maps) == 0 or len(source_maps) != len(edited_maps):
        got = f"{len(source_maps)} and {len(edited_maps)}"
        raise InputError("equally many layers of both, at least one", got, "give the maps of the same layers")
    pairs = []
    for layer, (one, other) in enumerate(zip(source_maps, edited_maps, strict=True)):
        names = f"source_maps[{layer}]", f"edited_maps[{layer}]"
        a, b = numbers(names[0], one), numbers(names[1], other)
        same_shape(names[0], a, names[1], b)
        if a.ndim != 4 or a.size == 0:
            todo = "give maps, not vectors: a layer before any pooling over the whole image"
            raise InputError(f"{names[0]} of shape (N, C, H, W), not empty", f"shape {a.shape}", todo)
        pairs.append((a, b))
    if len({len(a) for a, _ in pairs}) > 1:
        got = f"{[len(a) for a, _ in pairs]} images"
        raise InputError("as many images in every layer", got, "give one array for each layer, not for each image")
    return pairs


def _weights(weights: Sequence[ArrayLike] | None) -> list[NDArray[np.float64]] | None:
    if weights is None:
        return None
    scales = [numbers(f"weights[{layer}]", w).astype(np.float64).ravel() for layer, w in enumerate(weights)]
    for layer, scale in enumerate(scales):
        if scale.size == 0 or scale.min() < 0 or scale.max() == 0:
            got = f"{scale.size} values" + (f" from {scale.min():g} to {scale.max():g}" if scale.size else "")
            todo = "LPIPS's linear weights are at least 0; look whether these are another layer's"
            raise InputError(f"weights[{layer}] at least 0 and not all 0", got, todo)
    return scales


def _layer_distance(a: NDArray[Any], b: NDArray[Any], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    step = max(1, VALUES_AT_ONCE // a[0].size)
    parts = []
    for start in range(0, len(a), step):
        block = slice(start, start + step)
        difference = _unit(b[block]) - _unit(a[block])
        parts.append(np.einsum("nchw,c->n", difference**2, weight) / (a.shape[2] * a.shape[3]))
    return np.concatenate(parts)


def _unit(maps: NDArray[Any]) -> NDArray[np.float64]:
    values = maps.astype(np.float64)
    return np.asarray(values / (np.sqrt((values**2).sum(axis=1, keepdims=True)) + TINY))


def _refuse_training(trunk: Callable[[Any], Any]) -> None:
    if getattr(trunk, "training", False):
        todo = "call trunk.eval(): dropout and batch statistics make distances random"
        raise InputError("a trunk in eval mode", "one in training mode", todo)


def _maps(trunk: Callable[[Any], Any], pictures: NDArray[np.uint8]) -> Sequence[ArrayLike]:
    import torch  # here, so that importing the metrics stays light

    like = next(trunk.parameters(), torch.empty(0)) if isinstance(trunk, torch.nn.Module) else torch.empty(0)
    mean, std = (np.array(v, np.float32).reshape(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    batch = torch.from_numpy((pictures.astype(np.float32) / np.float32(255.0) - mean) / std)
    with torch.inference_mode():
        layers = trunk(batch.to(device=like.device, dtype=like.dtype))
    return [layers] if isinstance(layers, torch.Tensor) else list(layers)
