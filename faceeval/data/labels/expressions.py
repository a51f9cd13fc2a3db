# SPDX-License-Identifier: MIT
"""AffectNet's expressions: its codes and their names, and how labels of other orders become its codes.

`EXPRESSIONS` names the codes 0..7, the classes of `FaceSet.expression`. AffectNet has three more codes, which say why
an image has none of the eight; they are in ``LEFT_OUT``, and images that have them are not part of its 8-class subset.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from faceeval.data.procfaces.factors import EXPRESSIONS
from faceeval.errors import InputError, unknown_name

__all__ = ["EXPRESSIONS", "LEFT_OUT", "affectnet_codes", "check_labels", "expression_code", "split_off"]

LEFT_OUT: dict[int, str] = {8: "none", 9: "uncertain", 10: "no_face"}
# how copies spell the names, letters only
SPELLINGS: dict[str, int] = {name: code for code, name in enumerate(EXPRESSIONS)} | {
    "happiness": 1,
    "sadness": 2,
    "surprised": 3,
    "fearful": 4,
    "disgusted": 5,
    "angry": 6,
    "none": 8,
    "uncertain": 9,
    "noface": 10,
    "nonface": 10,
}


def expression_code(name: str) -> int:
    """Returns AffectNet's code, 0..10, of the name of an expression, however it is usually written.

    Raises:
        UnknownNameError: AffectNet has no such expression.

    Example:
        >>> [expression_code(name) for name in ("Neutral", "happiness", "Anger", "No-Face")]
        [0, 1, 6, 10]
    """
    letters = "".join(letter for letter in name.lower() if letter.isalpha())
    if letters not in SPELLINGS:
        raise unknown_name("expression of AffectNet", name, SPELLINGS)
    return SPELLINGS[letters]


def affectnet_codes(
    labels: NDArray[np.integer], classes: Sequence[str] | None, order: Sequence[str] | None = None, *, source: str
) -> NDArray[np.int64]:
    """Turns the labels of a copy of AffectNet into AffectNet's own codes, and refuses to guess what they mean.

    Copies that others pass on often number the classes in another order, such as the alphabetical one, under the
    dataset's own name. Read as they are, they would give plausible and wrong results.

    Args:
        labels: The copy's numbers, (N,).
        classes: What the copy says that its numbers 0, 1, ... mean; None where it says nothing.
        order: What the user says they mean; None to go by ``classes``, which must then be AffectNet's order.
        source: What messages call the copy.

    Returns:
        AffectNet's codes, int64 (N,), 0..10; `split_off` parts them from those without an expression.

    Raises:
        InputError: The order is not AffectNet's and the user gives none, what the user says contradicts the copy, two
            numbers mean one expression, or a label is beyond the order.
        UnknownNameError: A name is not that of an expression.

    Example:
        >>> order = ["anger", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
        >>> affectnet_codes(np.array([0, 4, 5]), None, order, source="a copy").tolist()
        [6, 1, 0]
    """
    codes = _codes_in_order(classes, order, source)
    if len(set(codes)) < len(codes):
        raise InputError(f"each expression of {source} once", "one twice", "name each number by one expression")
    wrong = np.flatnonzero((labels < 0) | (labels >= len(codes)))
    if len(wrong):
        got = f"{labels[wrong[0]]} in row {wrong[0]}"
        raise InputError(f"expressions 0..{len(codes) - 1} in {source}", got, "name all expressions that it has")
    table: NDArray[np.int64] = np.array(codes, np.int64)
    return table.take(labels)


def _codes_in_order(classes: Sequence[str] | None, order: Sequence[str] | None, source: str) -> list[int]:
    """Returns the code of each number of a copy, by what the user says or else by what the copy says."""
    said = None if classes is None else _codes_said(classes)
    if order is None:
        if said is None or said != list(range(len(said))):
            raise InputError(
                f"the expressions of {source} in AffectNet's order: {', '.join(EXPRESSIONS)}",
                "numbers without names" if classes is None else f"the names {', '.join(classes)}",
                "say what the numbers 0, 1, ... mean, by the names of the expressions in that order",
            )
        return said
    codes = [expression_code(name) for name in order]
    if said is not None and said != codes:
        got = f"the names {', '.join(classes or ())}"
        raise InputError(f"expressions of {source} as you say: {', '.join(order)}", got, "give the order they have")
    return codes


def _codes_said(classes: Sequence[str]) -> list[int] | None:
    """Returns the codes of a copy's own class names; None where they are no expressions, such as ``"0"``."""
    try:
        return [expression_code(name) for name in classes]
    except LookupError:
        return None


def split_off(codes: NDArray[np.int64]) -> tuple[NDArray[np.bool_], dict[str, int]]:
    """Parts images that show one of the eight expressions from those that by their code show none.

    Args:
        codes: AffectNet's codes, 0..10, (N,).

    Returns:
        Which images have a class 0..7, bool (N,), and how many are left out by each other code: what goes into
        ``FaceSet.provenance``.

    Example:
        >>> split_off(np.array([0, 7, 8, 10, 10]))[1]
        {'left_out_none': 1, 'left_out_uncertain': 0, 'left_out_no_face': 2}
    """
    counts = {f"left_out_{name}": int(np.count_nonzero(codes == code)) for code, name in LEFT_OUT.items()}
    return codes < len(EXPRESSIONS), counts


def check_labels(
    codes: NDArray[np.floating], ratings: NDArray[np.floating], source: str, where: Callable[[int], str]
) -> NDArray[np.int64]:
    """Refuses codes AffectNet does not have, and valence and arousal that are no ratings.

    Args:
        codes: AffectNet's codes as they were read, (N,).
        ratings: Valence and arousal, (N, 2); not looked at where the code says that there is no expression.
        source: The file or folder, for messages.
        where: Row -> what messages call its place.

    Returns:
        The codes, int64 (N,).

    Raises:
        InputError: A code is not a whole number 0..10, or a rating is not in [-1, 1].
    """
    wrong = np.flatnonzero(~np.isin(codes, np.arange(len(EXPRESSIONS) + len(LEFT_OUT))))
    if len(wrong):
        got = f"{codes[wrong[0]]:g} in {where(int(wrong[0]))}"
        raise InputError(f"AffectNet's expressions 0..10 in {source}", got, "mend the file, or get it again")
    wrong = np.flatnonzero((codes < len(EXPRESSIONS)) & ~(np.abs(ratings) <= 1).all(1))  # not (<=) holds for NaN too
    if len(wrong):
        valence, arousal = ratings[wrong[0]]
        got = f"{valence:g} and {arousal:g} in {where(int(wrong[0]))}"
        todo = "mend the row or take it out; -2 stands for no rating, which only the codes 8 to 10 may have"
        raise InputError(f"valence and arousal in [-1, 1] in {source}", got, todo)
    return codes.astype(np.int64)
