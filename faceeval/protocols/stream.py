# SPDX-License-Identifier: MIT
"""Streams the chosen images: source -> edit -> judges. Keeps values and features of every image, not the images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from faceeval.data.faces import Truth
from faceeval.errors import InputError
from faceeval.method import Critic
from faceeval.metrics.preservation import background_error, counterfactual_error, pixel_rmse, psnr
from faceeval.protocols.chosen import Chosen
from faceeval.protocols.clock import Clock
from faceeval.protocols.edits import AnyEditor, edit, own_realness
from faceeval.protocols.panel import Looks, Panel
from faceeval.protocols.spool import Spool

Number = TypeVar("Number", np.float32, np.float64)
Values = dict[str, NDArray[np.float64]]  # metric -> value of each image; NaN where an image has none
IDENTITY, TRUTH = "identity", "truth"
TRUTHS_AT_ONCE = 500  # true edits asked for at a time: renderers start their workers for each request


@dataclass
class Seen:
    """What was seen of every image, in the order of ``Chosen``.

    Attributes:
        source: What the judges saw of the sources.
        looks: Row -> what the judges saw of its images.
        values: Row -> values that need no judge.
        batches: Size and seconds of each call of the editor.
    """

    source: Looks = field(default_factory=dict)
    looks: dict[str, Looks] = field(default_factory=dict)
    values: dict[str, Values] = field(default_factory=dict)
    batches: list[tuple[int, float]] = field(default_factory=list)


def stream(
    method: AnyEditor,
    chosen: Chosen,
    panel: Panel,
    spool: Spool,
    *,
    batch_size: int,
    clock: Clock,
    progress: Callable[[int, int], None] | None = None,
) -> Seen:
    """Edits and looks at every image once.

    Args:
        method: The editor.
        chosen: What to edit.
        panel: The judges.
        spool: Gets the edits, in order.
        batch_size: Images at a time, at least 1; results do not depend on it beyond the rounding of the networks.
        clock: Gets the seconds of ``data``, ``truth``, ``edit``, ``judge`` and ``statistics``.
        progress: Called with images done and images in all.

    Returns:
        What was seen. Rows are the method, ``identity``, and ``truth`` where the true edits are known.

    Raises:
        InputError: The method returned something other than edits, or the batch size is below 1.
    """
    if batch_size < 1:
        raise InputError("a batch of at least 1 image", str(batch_size), "give --batch-size 1 or more")
    seen, parts, total = Seen(), _Parts(), len(chosen)
    block = max(1, TRUTHS_AT_ONCE // batch_size) * batch_size
    truth: Truth | None = None
    for start in range(0, total, batch_size):
        if progress is not None:
            progress(start, total)
        if start % block == 0:
            with clock.part("truth"):
                truth = chosen.truth(np.arange(start, min(start + block, total)))
        positions = np.arange(start, min(start + batch_size, total))
        _one_batch(method, chosen, panel, positions, _part(truth, positions % block), clock, spool, seen, parts)
    if progress is not None:
        progress(total, total)
    seen.source = _joined(parts.source)
    seen.looks = {row: _joined(looks) for row, looks in parts.looks.items()}
    seen.values = {row: _joined(values) for row, values in parts.values.items()}
    # doing nothing leaves what the judges saw of the sources
    seen.looks[IDENTITY] = seen.source
    return seen


@dataclass
class _Parts:
    source: list[Looks] = field(default_factory=list)
    looks: dict[str, list[Looks]] = field(default_factory=dict)
    values: dict[str, list[Values]] = field(default_factory=dict)


def _one_batch(
    method: AnyEditor,
    chosen: Chosen,
    panel: Panel,
    positions: NDArray[np.int64],
    truth: Truth | None,
    clock: Clock,
    spool: Spool,
    seen: Seen,
    parts: _Parts,
) -> None:
    names, targets = tuple(chosen.names[i] for i in positions), chosen.targets[positions]
    with clock.part("data"):
        source = chosen.read(positions)
        aids = chosen.aids(method.card.needs, positions, method.card.attributes)
    start = perf_counter()
    with clock.part("edit"):
        edited = edit(method, names, source, chosen.attribute, targets, aids)
    seen.batches.append((len(positions), perf_counter() - start))
    spool.append(edited)
    name = method.card.name
    if name == IDENTITY and not np.array_equal(edited, source):
        got = "images that differ from their sources"
        raise InputError("a method called 'identity' to return its input", got, "give it another name in its card")
    rows = {IDENTITY: source, name: edited, **({TRUTH: truth.images} if truth is not None else {})}
    with clock.part("judge"):
        parts.source.append(panel.look(source))
        for row, images in rows.items():
            if row != IDENTITY:
                parts.looks.setdefault(row, []).append(panel.look(images))
    with clock.part("statistics"):
        for row, images in rows.items():
            parts.values.setdefault(row, []).append(pixel_values(source, images, truth))
    if isinstance(method, Critic):
        with clock.part("judge"):
            parts.values[name][-1]["own_realness_score"] = own_realness(method, edited, chosen.attribute, targets)


def _part(truth: Truth | None, positions: NDArray[np.int64]) -> Truth | None:
    return None if truth is None else Truth(truth.images[positions], truth.region[positions])


def pixel_values(source: NDArray[np.uint8], images: NDArray[np.uint8], truth: Truth | None) -> Values:
    """Computes what needs pixels only.

    Args:
        source: Source images, uint8 (n, 3, S, S).
        images: Their edits, same shape.
        truth: Their true edits; None where these are not known.

    Returns:
        Metric -> float64 (n,); NaN where an image has no region to look at, nothing outside it, or (PSNR) equals its
        source.
    """
    values = {"pixel_rmse_error": pixel_rmse(source, images), "psnr": psnr(source, images)}
    values["psnr"][np.isinf(values["psnr"])] = np.nan  # one equal pair would make the mean infinite
    if truth is not None:
        inside, outside = truth.region.any((1, 2)), (~truth.region).any((1, 2))
        values["counterfactual_error"] = np.full(len(source), np.nan)
        values["background_error"] = np.full(len(source), np.nan)
        if inside.any():
            values["counterfactual_error"][inside] = counterfactual_error(
                images[inside], truth.images[inside], truth.region[inside]
            )
        if outside.any():
            values["background_error"][outside] = background_error(
                source[outside], images[outside], truth.region[outside]
            )
    return values


def _joined(parts: list[dict[str, NDArray[Number]]]) -> dict[str, NDArray[Number]]:
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]} if parts else {}
