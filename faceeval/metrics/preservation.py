# SPDX-License-Identifier: MIT
"""Was the rest kept? Differences of pixels, over whole images, outside the edited region, and against the true edit.

Images are uint8, (N, 3, H, W), RGB; differences are in grey levels, 0..255. An editor that does nothing is perfect on
all of these but counterfactual_error, so none of them stands without flip_accuracy beside it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import binary, images, same_shape

VALUES_AT_ONCE = 50_000  # pixel values turned to float64 at a time: 400 kB, which a core keeps in its cache
SSIM_SIGMA = 1.5  # Wang et al.: Gaussian window of 11 x 11 pixels
SSIM_WINDOW = 11
SSIM_C1, SSIM_C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def pixel_rmse(source: ArrayLike, edited: ArrayLike) -> NDArray[np.float64]:
    """Root of the mean squared difference of each pair of images, over all pixels and colours.

    Args:
        source: Source images, uint8, (N, 3, H, W), RGB.
        edited: Edited images, same shape and order.

    Returns:
        Shape (N,), float64, grey levels in [0, 255]; lower is better, 0 is equal.

    Raises:
        InputError: Not uint8, not (N, 3, H, W), empty, or of different shapes.

    References:
        Browatzki and Wallraven, "Robust discrimination and generation of faces using compact, disentangled
        embeddings", ICCVW 2019, Table 1. Parity: scikit-image ``mean_squared_error``,
        tests/metrics/test_preservation_metrics.py.

    Example:
        >>> import numpy as np
        >>> black = np.zeros((1, 3, 4, 4), np.uint8)
        >>> pixel_rmse(black, black + np.uint8(10)).tolist()
        [10.0]
    """
    first, second = _pair("source", source, "edited", edited)
    means = [((a - b) ** 2).mean(axis=(1, 2, 3)) for a, b in _blocks(first, second)]
    return np.asarray(np.sqrt(np.concatenate(means)))


def pixel_l1_error(source: ArrayLike, edited: ArrayLike) -> NDArray[np.float64]:
    """Mean absolute difference of each pair of images, over all pixels and colours.

    Args:
        source: Source images, uint8, (N, 3, H, W), RGB.
        edited: Edited images, same shape and order.

    Returns:
        Shape (N,), float64, grey levels in [0, 255]; lower is better, 0 is equal. Never above pixel_rmse.

    Raises:
        InputError: Not uint8, not (N, 3, H, W), empty, or of different shapes.

    References:
        Browatzki and Wallraven, "3FabRec: Fast few-shot face alignment by reconstruction", CVPR 2020, released code
        (the error it stores of each image). Parity: scikit-learn ``mean_absolute_error``,
        tests/metrics/test_reconstruction.py.

    Example:
        >>> import numpy as np
        >>> black = np.zeros((1, 3, 4, 4), np.uint8)
        >>> pixel_l1_error(black, black + np.uint8(10)).tolist()
        [10.0]
    """
    first, second = _pair("source", source, "edited", edited)
    return np.concatenate([np.abs(a - b).mean(axis=(1, 2, 3)) for a, b in _blocks(first, second)])


def psnr(source: ArrayLike, edited: ArrayLike) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio of each pair of images: 20 log10(255 / RMSE).

    Equal images give infinity, which makes a mean infinite and which JSON cannot hold: summarise by the median, or
    turn a summary of pixel_rmse into decibels.

    Args:
        source: Source images, uint8, (N, 3, H, W), RGB.
        edited: Edited images, same shape and order.

    Returns:
        Shape (N,), float64, decibels, at least 0; higher is better.

    Raises:
        InputError: Not uint8, not (N, 3, H, W), empty, or of different shapes.

    References:
        Parity: scikit-image ``peak_signal_noise_ratio``, tests/metrics/test_preservation_metrics.py.

    Example:
        >>> import numpy as np
        >>> black = np.zeros((1, 3, 4, 4), np.uint8)
        >>> psnr(black, black + np.uint8(255)).tolist(), psnr(black, black).tolist()
        ([0.0], [inf])
    """
    with np.errstate(divide="ignore"):
        return np.asarray(20.0 * np.log10(255.0 / pixel_rmse(source, edited)))


def ssim(source: ArrayLike, edited: ArrayLike) -> NDArray[np.float64]:
    """Structural similarity of each pair of images, the mean over pixels and the three colours.

    The authors' settings: Gaussian window of sigma 1.5 cut at 11 x 11 pixels, population moments, K = (0.01, 0.03),
    and only windows that lie inside the image.

    Args:
        source: Source images, uint8, (N, 3, H, W), RGB, at least 11 x 11 pixels.
        edited: Edited images, same shape and order.

    Returns:
        Shape (N,), float64, in [-1, 1]; higher is better, 1 is equal.

    Raises:
        InputError: Not uint8, not (N, 3, H, W), empty, of different shapes, or smaller than the window.

    References:
        Wang et al., "Image quality assessment: from error visibility to structural similarity", TIP 2004, eq. (13).
        Parity: scikit-image ``structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False)``,
        tests/metrics/test_preservation_metrics.py.

    Example:
        >>> import numpy as np
        >>> image = np.arange(3 * 16 * 16, dtype=np.uint8).reshape(1, 3, 16, 16)
        >>> ssim(image, image).round(12).tolist()
        [1.0]
    """
    first, second = _pair("source", source, "edited", edited)
    if min(first.shape[2:]) < SSIM_WINDOW:
        got = f"{first.shape[3]} x {first.shape[2]} pixels"
        raise InputError("images of at least 11 x 11 pixels", got, "use pixel_rmse for images this small")
    return np.concatenate([_ssim(a, b) for a, b in _blocks(first, second)])


def background_error(source: ArrayLike, edited: ArrayLike, region: ArrayLike) -> NDArray[np.float64]:
    """Mean absolute difference of each pair of images outside the region the edit may touch.

    Args:
        source: Source images, uint8, (N, 3, H, W), RGB.
        edited: Edited images, same shape and order.
        region: Where the edit may touch, found on the source alone: shape (N, H, W), or (H, W) for all; 0 or 1.

    Returns:
        Shape (N,), float64, grey levels in [0, 255]; lower is better, 0 is untouched.

    Raises:
        InputError: Bad images, a region of another size, or one that leaves no background.

    References:
        Sun et al., "Mask-aware photorealistic face attribute manipulation", section 3.3 (its masked loss, taken as
        a measure).

    Example:
        >>> import numpy as np
        >>> black = np.zeros((1, 3, 2, 2), np.uint8)
        >>> background_error(black, black + np.uint8(6), [[1, 1], [1, 0]]).tolist()
        [6.0]
    """
    first, second = _pair("source", source, "edited", edited)
    return _masked_difference(first, second, ~_mask(region, first), "background outside the region")


def counterfactual_error(edited: ArrayLike, truth: ArrayLike, region: ArrayLike) -> NDArray[np.float64]:
    """Mean absolute difference of each edited image from the true edit, inside the region where that differs.

    Only a renderer knows the true edit. It need not be the only right one (glasses come in many frames): read the
    value beside that of the editor that does nothing, which is far from 0 here.

    Args:
        edited: Edited images, uint8, (N, 3, H, W), RGB.
        truth: The same faces rendered with the attribute changed, same shape and order.
        region: Where source and truth may differ: shape (N, H, W), or (H, W) for all; 0 or 1.

    Returns:
        Shape (N,), float64, grey levels in [0, 255]; lower is better, 0 is the true edit.

    Raises:
        InputError: Bad images, a region of another size, or an empty one.

    References:
        None of the published protocols has it: it needs faces whose every factor is known.

    Example:
        >>> import numpy as np
        >>> black = np.zeros((1, 3, 2, 2), np.uint8)
        >>> counterfactual_error(black, black + np.uint8(6), [[1, 1], [1, 0]]).tolist()
        [6.0]
    """
    first, second = _pair("edited", edited, "truth", truth)
    return _masked_difference(first, second, _mask(region, first), "region of the edit")


def _pair(first: str, a: ArrayLike, second: str, b: ArrayLike) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    one, other = images(first, a), images(second, b)
    same_shape(first, one, second, other)
    return one, other


def _blocks(
    first: NDArray[np.uint8], second: NDArray[np.uint8]
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yields the pairs as float64, so many at a time as fit memory."""
    step = max(1, VALUES_AT_ONCE // first[0].size)
    for start in range(0, len(first), step):
        block = slice(start, start + step)
        yield first[block].astype(np.float64), second[block].astype(np.float64)


def _mask(region: ArrayLike, pictures: NDArray[np.uint8]) -> NDArray[np.bool_]:
    mask = binary("region", region)
    n, _, height, width = pictures.shape
    if mask.shape == (height, width):
        return np.broadcast_to(mask, (n, height, width))
    if mask.shape != (n, height, width):
        todo = "give one mask for each image, or one for all"
        raise InputError(f"a region of shape {(n, height, width)} or {(height, width)}", f"shape {mask.shape}", todo)
    return mask


def _masked_difference(
    first: NDArray[np.uint8], second: NDArray[np.uint8], mask: NDArray[np.bool_], what: str
) -> NDArray[np.float64]:
    pixels = mask.sum(axis=(1, 2))
    if pixels.min() == 0:
        got = f"none in {int((pixels == 0).sum())} of {len(pixels)} images, the first at index {int(pixels.argmin())}"
        raise InputError(f"pixels in the {what} of every image", got, "leave these images out")
    sums, start = [], 0
    for a, b in _blocks(first, second):
        inside = mask[start : start + len(a), None]
        sums.append((np.abs(a - b) * inside).sum(axis=(1, 2, 3)))
        start += len(a)
    return np.asarray(np.concatenate(sums) / (3.0 * pixels))


def _ssim(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy import ndimage  # here, for the quarter of a second it takes

    edge = SSIM_WINDOW // 2
    offsets = np.arange(-edge, edge + 1)
    window = np.exp(-0.5 * (offsets / SSIM_SIGMA) ** 2)
    window /= window.sum()

    def smooth(x: NDArray[np.float64]) -> NDArray[np.float64]:
        x = ndimage.correlate1d(ndimage.correlate1d(x, window, axis=2), window, axis=3)
        return np.asarray(x[:, :, edge:-edge, edge:-edge])

    mean_a, mean_b = smooth(a), smooth(b)
    var_a, var_b = smooth(a * a) - mean_a**2, smooth(b * b) - mean_b**2
    cov = smooth(a * b) - mean_a * mean_b
    likeness = (2 * mean_a * mean_b + SSIM_C1) * (2 * cov + SSIM_C2)
    likeness /= (mean_a**2 + mean_b**2 + SSIM_C1) * (var_a + var_b + SSIM_C2)
    return np.asarray(likeness.mean(axis=(1, 2, 3)))
