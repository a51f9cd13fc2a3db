# SPDX-License-Identifier: MIT
"""The columns of a `FaceSet` as features of Hugging Face ``datasets``, named as `faceeval.data.hub.labels` knows them.

A column nobody knows is not written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceeval.data.faces import FaceSet
from faceeval.data.labels.expressions import EXPRESSIONS

# column -> field of FaceSet; each row holds float32 of the shape the field has
FLOATS = {
    "pose": "pose", "valence_arousal": "valence_arousal", "landmarks": "landmarks", "landmarks68": "landmarks68"
}  # fmt: skip


@dataclass(frozen=True)
class TypedColumn:
    """One column.

    Attributes:
        feature: Its type, of ``datasets``.
        values: What it holds, N of them.
    """

    feature: Any
    values: NDArray[Any] | Sequence[str]

    def part(self, start: int, stop: int) -> list[Any]:
        """Returns the values of some rows as Python objects."""
        values = self.values[start:stop]
        return values.tolist() if isinstance(values, np.ndarray) else list(values)


def typed_columns(faces: FaceSet, people: Sequence[str] | None = None) -> dict[str, TypedColumn]:
    """Returns everything known about faces but their pixels, column by column.

    Args:
        faces: The faces.
        people: Names of all persons of all splits, sorted, where persons have names; by default those of this split.
    """
    from datasets import ClassLabel, Value

    columns = {"name": TypedColumn(Value("string"), faces.names)}
    for name, values in faces.attributes.items():
        columns[name] = TypedColumn(Value("bool"), values.astype(np.bool_))
    if faces.identities is not None and faces.people:
        names = list(people or faces.people)
        place = {person: number for number, person in enumerate(names)}
        numbers = np.array([place[person] for person in faces.people], np.int64)[faces.identities]
        columns["identity"] = TypedColumn(ClassLabel(names=names), numbers)
    elif faces.identities is not None:
        columns["identity"] = TypedColumn(Value("int64"), faces.identities)
    if faces.expression is not None:
        columns["expression"] = TypedColumn(ClassLabel(names=list(EXPRESSIONS)), faces.expression)
    if faces.clips is not None:
        columns["clip"] = TypedColumn(Value("int64"), faces.clips)
    for name, field in FLOATS.items():
        values = getattr(faces, field)
        if values is not None:
            columns[name] = TypedColumn(_floats(values.shape[1:]), values)
    return columns


def _floats(shape: tuple[int, ...]) -> Any:
    """Returns the type of an array of float32 of fixed shape."""
    from datasets import Sequence as Fixed
    from datasets import Value

    feature: Any = Value("float32")
    for length in reversed(shape):
        feature = Fixed(feature, length=length)
    return feature
