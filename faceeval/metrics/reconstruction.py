# SPDX-License-Identifier: MIT
"""How well does it give a face back? The readings of "RMSE" over a set of reconstructions, which differ in value.

Browatzki and Wallraven print an RMSE without a formula. Three formulas go by that name; each has its own function here,
so that a number says which it is. Images are uint8, (N, 3, H, W), RGB, and errors are in grey levels, 0..255. Compare
in the space the network worked in: they equalise the histogram of each crop first. For an interval, draw the images'
own errors again: ``bootstrap_statistic(lambda i: float(np.sqrt((rmse[i] ** 2).mean())), n=len(rmse))``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import numbers
from faceeval.metrics.preservation import pixel_l1_error, pixel_rmse


def rmse_pixel_global(source: ArrayLike, reconstructed: ArrayLike) -> float:
    r"""Root of the mean squared difference over all images, pixels and colours together.

    .. math:: \sqrt{\tfrac{1}{3NHW} \sum_{i,c,p} (\hat x_{icp} - x_{icp})^2}

    The usual reading. The square lets a few bad images weigh more than in rmse_pixel_mean.

    Args:
        source: Images, uint8, (N, 3, H, W), RGB.
        reconstructed: Their reconstructions, same shape and order, clipped and rounded (see quantise).

    Returns:
        Grey levels in [0, 255]; lower is better, 0 is equal. At least rmse_pixel_mean and at least rms_of_image_l1.

    Raises:
        InputError: Not uint8, not (N, 3, H, W), empty, or of different shapes.

    References:
        Browatzki and Wallraven, "Robust discrimination and generation of faces using compact, disentangled
        embeddings", ICCVW 2019, Table 1. Parity: scikit-learn ``root_mean_squared_error``,
        tests/metrics/test_reconstruction.py.

    Example:
        >>> import numpy as np
        >>> black = np.zeros((2, 3, 4, 4), np.uint8)
        >>> off_by_10_and_20 = black + np.array([10, 20], np.uint8).reshape(2, 1, 1, 1)
        >>> round(rmse_pixel_global(black, off_by_10_and_20), 3)
        15.811
    """
    return float(np.sqrt((pixel_rmse(source, reconstructed) ** 2).mean()))


def rmse_pixel_mean(source: ArrayLike, reconstructed: ArrayLike) -> float:
    """Mean over the images of each image's own root of the mean squared difference.

    Args:
        source: Images, uint8, (N, 3, H, W), RGB.
        reconstructed: Their reconstructions, same shape and order, clipped and rounded (see quantise).

    Returns:
        Grey levels in [0, 255]; lower is better, 0 is equal. At most rmse_pixel_global.

    Raises:
        InputError: Not uint8, not (N, 3, H, W), empty, or of different shapes.

    References:
        Browatzki and Wallraven, "Robust discrimination and generation of faces ...", ICCVW 2019, Table 1, the second
        reading. Parity: scikit-image ``mean_squared_error``, tests/metrics/test_reconstruction.py.

    Example:
        >>> import numpy as np
        >>> black = np.zeros((2, 3, 4, 4), np.uint8)
        >>> off_by_10_and_20 = black + np.array([10, 20], np.uint8).reshape(2, 1, 1, 1)
        >>> rmse_pixel_mean(black, off_by_10_and_20)
        15.0
    """
    return float(pixel_rmse(source, reconstructed).mean())


def rms_of_image_l1(source: ArrayLike, reconstructed: ArrayLike) -> float:
    r"""Root of the mean square of the images' mean *absolute* differences.

    .. math:: \sqrt{\tfrac1N \sum_i \bigl(\tfrac{1}{3HW} \sum_{c,p} |\hat x_{icp} - x_{icp}|\bigr)^2}

    What the authors' later public code computes under the name of RMSE. A few pixels far off cost little here.

    Args:
        source: Images, uint8, (N, 3, H, W), RGB.
        reconstructed: Their reconstructions, same shape and order, clipped and rounded (see quantise).

    Returns:
        Grey levels in [0, 255]; lower is better, 0 is equal. At most rmse_pixel_global.

    Raises:
        InputError: Not uint8, not (N, 3, H, W), empty, or of different shapes.

    References:
        Browatzki and Wallraven, "Robust discrimination and generation of faces ...", ICCVW 2019, Table 1, the third
        reading; "3FabRec", CVPR 2020, released code. Parity: scikit-learn ``mean_absolute_error``,
        tests/metrics/test_reconstruction.py.

    Example:
        >>> import numpy as np
        >>> black, half_off_by_20 = np.zeros((1, 3, 4, 4), np.uint8), np.zeros((1, 3, 4, 4), np.uint8)
        >>> half_off_by_20[:, :, :2] = 20
        >>> rms_of_image_l1(black, half_off_by_20), round(rmse_pixel_global(black, half_off_by_20), 3)
        (10.0, 14.142)
    """
    return float(np.sqrt((pixel_l1_error(source, reconstructed) ** 2).mean()))


def quantise(values: ArrayLike, low: float = 0.0, high: float = 1.0) -> NDArray[np.uint8]:
    """Turns a network's output into the images every metric here takes: clipped, scaled, rounded.

    The range is said, never guessed. Truncation instead of rounding darkens every image by half a grey level, which
    moves Fréchet distances.

    Args:
        values: Images of any shape, any float type; ``low`` is black and ``high`` is white.
        low: Value of black: 0, or -1 for networks that end in a tanh.
        high: Value of white.

    Returns:
        Same shape, uint8; halves are rounded to even, as numpy and torch do.

    Raises:
        InputError: A value is not finite or lies more than half the range outside it, the values are integers, or
            ``low`` is not below ``high``.

    References:
        Parity: scikit-image ``img_as_ubyte``, tests/metrics/test_reconstruction.py.

    Example:
        >>> quantise([-0.1, 0.0, 0.5, 1.0, 1.2]).tolist(), quantise([-1.0, 0.0, 1.0], low=-1.0).tolist()
        ([0, 0, 128, 255, 255], [0, 128, 255])
    """
    if not low < high:
        raise InputError("low below high", f"low={low}, high={high}", "give low=0, high=1 or low=-1, high=1")
    array = numbers("values", values)
    if array.dtype.kind != "f":
        todo = "uint8 images need no quantising; convert other integers to float first"
        raise InputError("values of a float type", f"dtype {array.dtype}", todo)
    if array.size:
        least, most, half = float(array.min()), float(array.max()), (high - low) / 2
        if least < low - half or most > high + half:
            todo = "name the range the network gives: low=-1, high=1 after a tanh, low=0, high=255 for grey levels"
            raise InputError(f"values of about {low:g} to {high:g}", f"{least:g} to {most:g}", todo)
    scaled = (np.clip(array.astype(np.float64), low, high) - low) * (255.0 / (high - low))
    return np.rint(scaled).astype(np.uint8)
