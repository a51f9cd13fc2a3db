# SPDX-License-Identifier: MIT
"""What does the skin's grain look like? Local binary patterns (LBP), and their histograms over a grid of cells.

Each pixel is described by which of its eight neighbours are at least as bright: 58 patterns that change at most twice
around the circle keep a label of their own, all others share one, which makes 59 bins. An adversarial perturbation that
no eye sees disturbs the grain; ``detection`` asks how reliably.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import images, numbers

NEIGHBOURS = 8
LBP_BINS = NEIGHBOURS * (NEIGHBOURS - 1) + 3
PIXELS_AT_ONCE = 2**16  # of all images of a block: its float64 planes (0.5 MB each) stay in a core's cache
# Weights of ITU-R BT.601 in 65,536ths, as Pillow rounds them: they sum to one, so grey stays grey
RED, GREEN, BLUE = 19595, 38470, 7471


def _label(code: int) -> int:
    """Returns the label of a pattern given as bits, in scikit-image's order: first by the ones, then by their turn."""
    bits = [code >> i & 1 for i in range(NEIGHBOURS)]
    ones = sum(bits)
    if sum(a != b for a, b in pairwise(bits)) > 2:
        return LBP_BINS - 1
    if ones in (0, NEIGHBOURS):
        return LBP_BINS - 2 if ones else 0
    turn = ones - bits.index(0) if bits[0] else NEIGHBOURS - bits.index(1)
    return 1 + (ones - 1) * NEIGHBOURS + turn


LABELS = np.array([_label(code) for code in range(2**NEIGHBOURS)], dtype=np.uint8)


def grey(pictures: ArrayLike) -> NDArray[np.uint8]:
    """Brightness of each pixel: 0.299 red + 0.587 green + 0.114 blue, rounded, in whole numbers throughout.

    Args:
        pictures: Shape (N, 3, H, W), RGB, uint8.

    Returns:
        Shape (N, H, W), uint8.

    Raises:
        InputError: Not uint8, not (N, 3, H, W), or empty.

    References:
        ITU-R BT.601, section 2.5.1. Parity, to the bit: Pillow ``convert("L")``, tests/metrics/test_texture.py.

    Example:
        >>> import numpy as np
        >>> grey(np.array([255, 0, 0], np.uint8).reshape(1, 3, 1, 1)).tolist()
        [[[76]]]
    """
    batch = images("pictures", pictures)
    planes = [batch[:, i].astype(np.uint32) for i in range(3)]
    return ((RED * planes[0] + GREEN * planes[1] + BLUE * planes[2] + 2**15) >> 16).astype(np.uint8)


def lbp_labels(brightness: ArrayLike, radius: int = 1) -> NDArray[np.uint8]:
    """Label of the local binary pattern around each pixel: uniform patterns, not made invariant to rotation.

    Eight neighbours on a circle; those off the pixel grid are interpolated in float64 in scikit-image's order of
    operations, because where a neighbour equals the centre the last bit decides. Pixels outside the image count as 0,
    so the labels of the outermost ``radius`` pixels describe the frame rather than the picture.

    Args:
        brightness: Shape (N, H, W), uint8. Floats are refused: in a flat region their noise would be the pattern.
        radius: Radius of the circle, 1 or 2 pixels.

    Returns:
        Shape (N, H, W), uint8: 0 no neighbour as bright, 1..56 an arc of one to seven, 57 all, 58 no single arc.

    Raises:
        InputError: Not uint8, not (N, H, W), empty, or another radius.

    References:
        Ahonen, Hadid and Pietikäinen, "Face description with local binary patterns", TPAMI 2006.
        Parity, to the bit: scikit-image ``local_binary_pattern(image, 8, radius, "nri_uniform")``,
        tests/metrics/test_texture.py.

    Example:
        >>> import numpy as np
        >>> lbp_labels(np.full((1, 3, 3), 200, np.uint8))[0, 1, 1]
        np.uint8(57)
    """
    batch = numbers("brightness", brightness)
    if batch.dtype != np.uint8:
        raise InputError("brightness as uint8, 0..255", f"dtype {batch.dtype}", "take it from grey(images)")
    if batch.ndim != 3 or batch.size == 0:
        raise InputError("brightness of shape (N, H, W)", f"shape {batch.shape}", "take it from grey(images)")
    _check_radius(radius)
    out = np.empty_like(batch)
    for block in _blocks(batch.shape):
        out[block] = LABELS.take(_codes(batch[block], radius))
    return out


def lbp_features(pictures: ArrayLike, grid: int = 8, radius: int = 1) -> NDArray[np.float64]:
    """Histograms of local binary patterns over a grid of cells, one after another: a face's texture as one row.

    The labels of the outermost ``radius`` pixels, which see the frame, are left out. Each cell's histogram sums to 1,
    also where the image does not divide evenly into cells.

    Args:
        pictures: Shape (N, 3, H, W), RGB, uint8; each side at least ``grid * (radius + 1)`` pixels.
        grid: Number of cells along each side.
        radius: Radius of the pattern, 1 or 2 pixels.

    Returns:
        Shape (N, grid * grid * 59), float64, in [0, 1]: cells row by row, 59 bins each. IPGAN concatenates the row of
        an image and that of its reconstruction: ``numpy.hstack``.

    Raises:
        InputError: Not uint8, not (N, 3, H, W), empty, too small for the grid, or a senseless setting.

    References:
        Ahonen, Hadid and Pietikäinen, "Face description with local binary patterns", TPAMI 2006; Bao et al., "Towards
        open-set identity preserving face synthesis", CVPR 2018, section 4.5 (without grid, radius or grey). Parity:
        scikit-image ``local_binary_pattern`` and ``numpy.histogram``, tests/metrics/test_texture.py.

    Example:
        >>> import numpy as np
        >>> faces = np.random.default_rng(0).integers(0, 256, (2, 3, 128, 128), dtype=np.uint8)
        >>> lbp_features(faces).shape
        (2, 3776)
    """
    batch = images("pictures", pictures)
    _check_radius(radius)
    if isinstance(grid, bool) or not isinstance(grid, int | np.integer) or grid < 1:
        raise InputError("a number of cells along each side, at least 1", repr(grid), "give grid=8")
    n, _, height, width = batch.shape
    if min(height, width) < grid * (radius + 1):
        todo = "give larger images or a coarser grid"
        got = f"{width} x {height} pixels"
        raise InputError(f"at least {grid * (radius + 1)} pixels along each side", got, todo)
    inside = slice(radius, -radius)
    rows, columns = (np.arange(side)[inside] * grid // side for side in (height, width))
    cells = rows[:, None] * grid + columns
    sizes = np.bincount(cells.ravel())[:, None]
    blocks = _blocks((n, height, width))
    # the first bin of each pixel's cell, for all images of a block
    bins = (cells + np.arange(len(range(n)[blocks[0]]))[:, None, None] * grid * grid) * LBP_BINS
    features = np.empty((n, grid * grid, LBP_BINS))
    for block in blocks:
        labels = LABELS.take(_codes(grey(batch[block]), radius)[:, inside, inside])
        counts = np.bincount((labels + bins[: len(labels)]).ravel(), minlength=len(labels) * grid * grid * LBP_BINS)
        np.divide(counts.reshape(len(labels), grid * grid, LBP_BINS), sizes, out=features[block])
    return features.reshape(n, -1)


def _check_radius(radius: int) -> None:
    if radius not in (1, 2):
        raise InputError("a radius of 1 or 2 pixels", repr(radius), "give radius=1")


def _blocks(shape: tuple[int, ...]) -> list[slice]:
    step = max(1, PIXELS_AT_ONCE // (shape[1] * shape[2]))
    return [slice(start, start + step) for start in range(0, shape[0], step)]


def _codes(brightness: NDArray[np.uint8], radius: int) -> NDArray[np.uint8]:
    """Returns for each pixel one bit a neighbour: counter-clockwise from the right, 1 where it is as bright."""
    height, width = brightness.shape[1:]
    framed = np.pad(brightness, ((0, 0), (radius, radius), (radius, radius)))
    middle = slice(radius, -radius)
    codes = np.zeros(brightness.shape, np.uint8)
    straight = {
        0: framed[:, middle, 2 * radius :],
        2: framed[:, : -2 * radius, middle],
        4: framed[:, middle, : -2 * radius],
        6: framed[:, 2 * radius :, middle],
    }
    for bit, neighbour in straight.items():
        codes |= (neighbour >= brightness).view(np.uint8) << np.uint8(bit)
    real = framed.astype(np.float64)
    centre = real[:, middle, middle]
    offset = round(radius * np.sqrt(0.5), 5)  # scikit-image rounds it so
    for side, bits in ((offset, {-offset: 1, offset: 7}), (-offset, {-offset: 3, offset: 5})):
        across = _shifted(real, side, width, radius)
        for rise, bit in bits.items():
            between = _shifted(across.swapaxes(1, 2), rise, height, radius).swapaxes(1, 2)
            codes |= (between >= centre).view(np.uint8) << np.uint8(bit)
    return codes


def _shifted(values: NDArray[np.float64], offset: float, size: int, radius: int) -> NDArray[np.float64]:
    """Interpolates along the last axis, framed by ``radius``, at each of its ``size`` places plus the offset."""
    places = np.arange(size) + offset
    # the share differs in its last bits from place to place, as it does where scikit-image forms it
    share = places - np.floor(places)
    start = int(np.floor(offset)) + radius
    value: NDArray[np.float64] = (1 - share) * values[..., start : start + size]
    value += share * values[..., start + 1 : start + 1 + size]
    return value
