# SPDX-License-Identifier: MIT
"""Which pixels a unit of a convolutional map sees, and the fewest units that see them all.

Everything is said along one axis: layers are square, so the units of a map that see a whole picture at the least are
the product of the same choice along both axes. What a convolution pads is not counted as seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Layer = tuple[int, int, int]  # kernel, stride, padding


def output_size(layers: Sequence[Layer], size: int) -> int:
    """Returns the side of the map that convolutions make of a picture of ``size`` pixels."""
    for kernel, stride, padding in layers:
        size = (size + 2 * padding - kernel) // stride + 1
    return size


def seen(layers: Sequence[Layer], size: int, index: int) -> tuple[int, int]:
    """Returns the first and the last pixel that unit ``index`` of the last map sees.

    Args:
        layers: Convolutions, first layer first.
        size: Pixels of the picture, along one axis.
        index: 0 .. ``output_size(layers, size) - 1``.

    Example:
        >>> layers = [(7, 1, 3), (3, 2, 1), (3, 2, 1)]  # M-AAE's encoder
        >>> seen(layers, 128, 4), seen(layers, 128, 0)
        ((10, 22), (0, 6))
    """
    sizes = [output_size(layers[:depth], size) for depth in range(len(layers))]
    first = last = index
    for (kernel, stride, padding), side in zip(reversed(layers), reversed(sizes), strict=True):
        first, last = first * stride - padding, last * stride - padding + kernel - 1
        first, last = max(first, 0), min(last, side - 1)
    return first, last


def cover(layers: Sequence[Layer], size: int, wanted: Iterable[int] | None = None) -> tuple[int, ...]:
    """Returns the fewest units of the last map that together see every pixel.

    From the left, each first pixel that nobody sees yet is given to the unit that sees it and reaches furthest right,
    which is least for intervals: no unit sees two of the pixels at which a choice was made.

    Args:
        layers: Convolutions, first layer first.
        size: Pixels of the picture, along one axis.
        wanted: Pixels that must be seen; all by default.

    Returns:
        Indices in increasing order.

    Raises:
        ValueError: The layers step over a pixel that is wanted.

    Example:
        >>> cover([(7, 1, 3), (3, 2, 1), (3, 2, 1)], 64)
        (1, 4, 7, 10, 13, 15)
    """
    fields = [seen(layers, size, index) for index in range(output_size(layers, size))]
    chosen: list[int] = []
    covered = -1
    for pixel in sorted(range(size) if wanted is None else wanted):
        if pixel <= covered:
            continue
        seeing = [index for index, (first, last) in enumerate(fields) if first <= pixel <= last]
        if not seeing:
            raise ValueError(f"no unit sees pixel {pixel}")
        # the last of those that reach as far: it sees most of what is still to come
        chosen.append(max(seeing, key=lambda index: (fields[index][1], index)))
        covered = fields[chosen[-1]][1]
    return tuple(chosen)


def layerwise_cover(layers: Sequence[Layer], size: int) -> tuple[int, ...]:
    """Covers layer by layer: units of the first map that see all pixels, then units of the next that see those.

    It takes more units than ``cover``, as a unit of a deep map sees also through those that were not chosen below.

    Args:
        layers: Convolutions, first layer first.
        size: Pixels of the picture, along one axis.

    Returns:
        Indices into the last map, in increasing order.
    """
    chosen: tuple[int, ...] | None = None
    for layer in layers:
        chosen = cover([layer], size, chosen)
        size = output_size([layer], size)
    return chosen if chosen is not None else tuple(range(size))
