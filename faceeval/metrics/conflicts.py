# SPDX-License-Identifier: MIT
"""Which attributes does one edit settle together? Rules of contradiction, and the labels an edit aims at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError, unknown_name
from faceeval.metrics.arrays import binary, matrix

_HAIR_COLOURS = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair")

# Attributes of CelebA that one edit settles together: AttGAN's rules, which STGAN took over. No_Beard and Mustache are
# not among them, there as here.
CONFLICTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Bald": ("Bangs",),
        "Bangs": ("Bald", "Receding_Hairline"),
        "Receding_Hairline": ("Bangs",),
        "Straight_Hair": ("Wavy_Hair",),
        "Wavy_Hair": ("Straight_Hair",),
        **{name: tuple(other for other in _HAIR_COLOURS if other != name) for name in _HAIR_COLOURS},
    }
)


def excluded_columns(names: Sequence[str], attribute: str | Sequence[str]) -> NDArray[np.int64]:
    """Columns that an edit cannot be held to: the edited attributes, and those that contradict them.

    Args:
        names: Attribute of each column of the logits.
        attribute: The edited attribute, or those of a chain of edits.

    Returns:
        Indices into ``names``, ascending, int64: what ``exclude`` of preservation_accuracy takes.

    Raises:
        UnknownNameError: An attribute is not among the names.

    References:
        He et al., "AttGAN: Facial attribute editing by only changing what you want", TIP 2019, released code (the
        rules of contradiction).

    Example:
        >>> excluded_columns(["Bald", "Bangs", "Male", "Receding_Hairline"], "Bangs").tolist()
        [0, 1, 3]
        >>> excluded_columns(["Bald", "Bangs", "Male", "Young"], ["Young", "Bald"]).tolist()
        [0, 1, 3]
    """
    out: set[str] = set()
    for edited in [attribute] if isinstance(attribute, str) else attribute:
        _column(names, edited)
        out |= {edited, *CONFLICTS.get(edited, ())}
    return np.array([column for column, name in enumerate(names) if name in out], dtype=np.int64)


def labels_after_edit(
    labels: ArrayLike, names: Sequence[str], attribute: str, value: ArrayLike | None = None
) -> NDArray[np.uint8]:
    """Labels that faces should have once one attribute was edited, with what contradicts it cleared.

    Where the attribute is set to 1, those that contradict it become 0; setting it to 0 clears nothing. For a chain of
    edits pass the result on to the next call.

    Args:
        labels: Labels of the source faces, shape (N, A), 0 or 1.
        names: Attribute of each column.
        attribute: The edited attribute.
        value: Wanted value, 0 or 1, shape (N,) or one for all; None inverts each face's own, the usual test.

    Returns:
        Shape (N, A), uint8, 0 or 1; its column of the attribute is the ``target`` of flip_accuracy.

    Raises:
        InputError: The shapes differ, or a label or value is neither 0 nor 1.
        UnknownNameError: The attribute is not among the names.

    References:
        He et al., "AttGAN ...", TIP 2019, and Liu et al., "STGAN ...", CVPR 2019, released code.

    Example:
        >>> labels_after_edit([[0, 1, 1], [1, 0, 1]], ["Black_Hair", "Blond_Hair", "Young"], "Black_Hair").tolist()
        [[1, 0, 1], [0, 0, 1]]
    """
    truth, column = _labels(labels, names), _column(names, attribute)
    wanted = ~truth[:, column] if value is None else binary("value", value)
    if wanted.ndim and wanted.shape != (len(truth),):
        todo = "give one value for each image, or one for all"
        raise InputError(f"values of shape {(len(truth),)}", f"shape {wanted.shape}", todo)
    after = truth.copy()
    after[:, column] = wanted
    for other in CONFLICTS.get(attribute, ()):
        if other in names:
            after[:, list(names).index(other)] &= ~after[:, column]
    return after.astype(np.uint8)


def contradictions(labels: ArrayLike, names: Sequence[str]) -> NDArray[np.int64]:
    """Number of pairs of attributes in each face's labels that cannot both be true.

    Targets of an edit should have none. CelebA's own labels have some: they were given attribute by attribute.

    Args:
        labels: Labels or targets, shape (N, A), 0 or 1.
        names: Attribute of each column.

    Returns:
        Shape (N,), int64; 0 is free of contradiction.

    Raises:
        InputError: The shapes differ, or a label is neither 0 nor 1.

    References:
        He et al., "AttGAN ...", TIP 2019, released code (the rules of contradiction).

    Example:
        >>> contradictions([[1, 1, 1], [0, 1, 0]], ["Black_Hair", "Blond_Hair", "Brown_Hair"]).tolist()
        [3, 0]
    """
    truth = _labels(labels, names)
    counts = np.zeros(len(truth), dtype=np.int64)
    for first, name in enumerate(names):
        for second in range(first + 1, len(names)):
            if names[second] in CONFLICTS.get(name, ()):
                counts += truth[:, first] & truth[:, second]
    return counts


def _column(names: Sequence[str], attribute: str) -> int:
    if attribute not in names:
        raise unknown_name("attribute of the classifier", attribute, names)
    return list(names).index(attribute)


def _labels(labels: ArrayLike, names: Sequence[str]) -> NDArray[np.bool_]:
    truth = binary("labels", matrix("labels", labels, rows=1))
    if truth.shape[1] != len(names):
        todo = "name the columns in their order"
        raise InputError(f"one name for each of {truth.shape[1]} columns", f"{len(names)} names", todo)
    return truth
