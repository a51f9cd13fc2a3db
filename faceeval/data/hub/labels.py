# SPDX-License-Identifier: MIT
"""From the columns of a Hugging Face dataset to what `Records` hold.

Taken without being asked: the only column of images; every column of booleans, as an attribute of its name; integers
under the name of one of CelebA's attributes; and columns called and typed as `faceeval.data.hub.typed_columns` writes
them. All else has to be named: ``what=column``, ``what=column:class`` for an attribute that one class of a column
stands for, and ``expression=column:name,name,...`` for what the numbers 0, 1, ... of a column of expressions mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceeval.data.hub.mapped_images import flat_values
from faceeval.data.hub.sources import SPLITS
from faceeval.data.labels.expressions import EXPRESSIONS, affectnet_codes
from faceeval.data.records import number_people
from faceeval.errors import InputError, unknown_name
from faceeval.names import CELEBA_ATTRIBUTES

FIXED: dict[str, tuple[int, ...]] = {
    "pose": (3,), "valence_arousal": (2,), "landmarks": (5, 2), "landmarks68": (68, 2), "box": (4,),
}  # fmt: skip
RATINGS = ("valence", "arousal")
OTHERS = ("name", "identity", "expression", "clip")
# what two classes are called where one is having the attribute and the other is not
ABSENT = ("no", "false", "0", "-1", "absent", "negative")
PRESENT = ("yes", "true", "1", "present", "positive")
ADVICE = "mend the column, or filter such rows out, and save it again"
Fetch = Callable[[list[str]], Any]


@dataclass(frozen=True)
class Column:
    """A column that is wanted: what it holds, its name, what the user said of its classes, and its type."""

    what: str
    name: str
    said: str
    feature: Any


@dataclass(frozen=True)
class HubLabels:
    """What the columns of one split say; a part nobody knows is None.

    Attributes:
        names: Unique name of each image, (N,); None where the dataset has none.
        attributes: Attribute name -> uint8 (N,), 1 present, 0 absent.
        parts: The other columns, by their name in `Records`.
        people: What the persons' numbers are called; empty where they are the dataset's own.
        count: Number of rows, where any column was read.
    """

    names: tuple[str, ...] | None
    attributes: dict[str, NDArray[np.uint8]]
    parts: dict[str, NDArray[Any]]
    people: tuple[str, ...]


def image_column(features: Mapping[str, Any], columns: Mapping[str, str], source: str) -> str:
    """Returns the column of images: the one that is named, else the only one.

    Raises:
        UnknownNameError: There is no such column.
        InputError: It holds no images, or it is open which is meant.
    """
    from datasets import Image, Value

    found = [name for name, feature in features.items() if isinstance(feature, Image)]
    if "image" in columns:
        name = columns["image"]
        if name not in features:
            raise unknown_name(f"column of {source}", name, features)
        if name not in found and features[name] != Value("binary"):
            todo = "cast it to datasets.Image() and save it again"
            raise InputError(f"images or the bytes of images in the column {name}", str(features[name]), todo)
        return name
    if len(found) != 1:
        got = f"{', '.join(found)}" if found else f"none among {', '.join(features)}"
        raise InputError(f"one column of images in {source}", got, "say which is meant: --column image=NAME")
    return found[0]


def wanted_columns(features: Mapping[str, Any], columns: Mapping[str, str], source: str) -> list[Column]:
    """Says which columns hold labels: those that are named, and those that leave no doubt.

    Raises:
        UnknownNameError: There is no column that is called so.
    """
    from datasets import ClassLabel, Value

    named = {}
    for what, text in columns.items():
        if what != "image" and what not in SPLITS:
            name, said = (text, "") if text in features else text.partition(":")[::2]
            if name not in features:
                raise unknown_name(f"column of {source}", name, features)
            named[what] = Column(what, name, said, features[name])
    taken = {column.name for column in named.values()}
    ours = ClassLabel(names=list(EXPRESSIONS))
    for name, feature in features.items():
        kind = feature.dtype if isinstance(feature, Value) else ""
        sure = (
            kind == "bool"
            or ("int" in kind and name in (*CELEBA_ATTRIBUTES, "identity", "clip"))
            or (kind == "string" and name == "name")
            or (isinstance(feature, ClassLabel) and (name == "identity" or (name == "expression" and feature == ours)))
            or (name in FIXED and _shape(feature) == FIXED[name])
        )
        if sure and name not in named and name not in taken:
            named[name] = Column(name, name, "", feature)
    if set(CELEBA_ATTRIBUTES) <= set(named) and "identity" not in named and "celeb_id" in features:
        named["identity"] = Column("identity", "celeb_id", "", features["celeb_id"])
    return list(named.values())


def read_labels(wanted: list[Column], fetch: Fetch, source: str) -> HubLabels:
    """Reads the labels of a split.

    Args:
        wanted: See `wanted_columns`.
        fetch: Names of columns -> a ``pyarrow.Table`` of all rows.
        source: What messages call the split.

    Raises:
        InputError: A column lacks values, or holds what it must not.
        UnknownNameError: A class is named that the column has not.
    """
    table: Any = fetch(sorted({column.name for column in wanted})) if wanted else None
    names: tuple[str, ...] | None = None
    people: tuple[str, ...] = ()
    attributes: dict[str, NDArray[np.uint8]] = {}
    parts: dict[str, NDArray[Any]] = {}
    for column in wanted:
        where = f"the column {column.name} of {source}"
        cells = table[column.name]
        if cells.null_count:
            raise InputError(f"a value in every row of {where}", f"none in {cells.null_count} rows", ADVICE)
        if column.what == "name":
            names = tuple(str(name) for name in cells.to_pylist())
        elif column.what == "identity":
            parts["identities"], people = _numbers(column, cells, where)
        elif column.what == "clip":
            parts["clips"], _ = _numbers(column, cells, where)
        elif column.what == "expression":
            parts["expression"] = _expressions(column, cells, where)
        elif column.what in FIXED or column.what in RATINGS:
            place = "boxes" if column.what == "box" else column.what
            parts[place] = _floats(column.what, cells, where)
        else:
            attributes[column.what] = _attribute(column, cells, where)
    if all(rating in parts for rating in RATINGS):
        parts["valence_arousal"] = np.stack([parts[rating] for rating in RATINGS], axis=1)
    for rating in RATINGS:
        parts.pop(rating, None)
    return HubLabels(names, attributes, parts, people)


def _shape(feature: Any) -> tuple[int, ...]:
    """Returns the shape of an array of floats of fixed size; nothing for other types."""
    lengths: list[int] = list(getattr(feature, "shape", ()))
    while hasattr(feature, "feature"):
        lengths.append(feature.length)
        feature = feature.feature
    kind = getattr(feature, "dtype", "")
    return tuple(lengths) if isinstance(kind, str) and kind.startswith("float") else ()


def _classes(column: Column) -> list[str] | None:
    """Returns what the codes 0, 1, ... of a column mean, where its type says that."""
    return list(column.feature.names) if hasattr(column.feature, "names") else None


def _numbers(column: Column, cells: Any, where: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Returns the number of each person or clip, and what the numbers are called where the column holds names."""
    names = _classes(column)
    if names is not None:
        return number_people([names[code] for code in cells.to_pylist()])
    values = cells.to_numpy()
    if values.dtype.kind in "iu":
        return values.astype(np.int64), ()
    if values.dtype.kind == "O" and all(isinstance(value, str) for value in values[:1]):
        return number_people(values.tolist())
    raise InputError(f"integers or names in {where}", str(column.feature), ADVICE)


def _expressions(column: Column, cells: Any, where: str) -> NDArray[np.int64]:
    values = cells.to_numpy()
    if values.dtype.kind not in "iu":
        raise InputError(f"numbers of classes in {where}", str(column.feature), "cast it to datasets.ClassLabel")
    order = [name.strip() for name in column.said.split(",")] if column.said else None
    codes = affectnet_codes(values, _classes(column), order, source=where)
    beyond = int(np.count_nonzero(codes >= len(EXPRESSIONS)))
    if beyond:
        raise InputError(f"one of {len(EXPRESSIONS)} expressions in each row of {where}", f"none in {beyond}", ADVICE)
    return codes


def _floats(what: str, cells: Any, where: str) -> NDArray[np.float32]:
    shape = FIXED.get(what, ())
    length = int(np.prod(shape))
    values = flat_values(cells.combine_chunks()).to_numpy(zero_copy_only=False)
    if values.dtype.kind not in "fiu" or values.size != len(cells) * length:
        raise InputError(f"{length} numbers in each row of {where}", str(cells.type), ADVICE)
    rated = what in ("valence_arousal", *RATINGS)
    wrong = np.flatnonzero(~(np.abs(values) <= 1) if rated else ~np.isfinite(values))  # not (<=) holds for NaN too
    if len(wrong):
        got = f"{values[wrong[0]]:g} in row {int(wrong[0]) // length}"
        raise InputError(f"numbers {'in [-1, 1] ' if rated else ''}in {where}", got, ADVICE)
    floats: NDArray[np.float32] = values.astype(np.float32).reshape(len(cells), *shape)
    return floats


def _attribute(column: Column, cells: Any, where: str) -> NDArray[np.uint8]:
    """Returns 1 where the attribute is there and 0 where it is not."""
    values, classes = cells.to_numpy(), _classes(column)
    there: NDArray[np.bool_]
    if classes is not None:
        there = values == classes.index(_present(column.said, column.what, classes, where))
    elif values.dtype.kind == "O":
        there = values == _present(column.said, column.what, sorted({str(value) for value in values.tolist()}), where)
    else:
        found = set(np.unique(values).tolist())
        if column.said:
            raise InputError(f"classes with names in {where}, to choose {column.said} from", "numbers", "leave it out")
        if not (found <= {0, 1} or found <= {-1, 1}):
            odd = next(value for value in sorted(found) if value not in (0, 1))
            raise InputError(f"0 and 1, or -1 and 1, in {where}", f"{odd:g}", "name a column of yes and no")
        there = values > 0
    return there.astype(np.uint8)


def _present(said: str, what: str, classes: list[str], where: str) -> str:
    """Returns the class that means that the attribute is there: the one that is named, or the one beyond doubt."""
    if said:
        if said not in classes:
            raise unknown_name(f"class of {where}", said, classes)
        return said
    if len(classes) == 2:
        for name, other in (classes, reversed(classes)):
            plain = other.lower()
            negated = plain in ABSENT or plain in (f"not_{what}".lower(), f"no_{what}".lower())
            if name.lower() == what.lower() or (name.lower() in PRESENT and negated):
                return name
    todo = f"say it: --column {what}=COLUMN:CLASS"
    raise InputError(f"which class of {where} means {what}", ", ".join(classes[:8]), todo)
