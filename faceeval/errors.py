# SPDX-License-Identifier: MIT
"""The errors users meet. Each says what was expected, what came instead, and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONG_LIST = 16  # names beyond which an error with a near match does not recite them all


class FaceevalError(Exception):
    """Base of every error that is the caller's to mend; the command line prints it in three lines, without a traceback.

    Args:
        expected: What would have been right.
        got: What came instead.
        todo: What the caller can do now.
    """

    def __init__(self, expected: str, got: str, todo: str) -> None:
        self.expected, self.got, self.todo = expected, got, todo
        super().__init__(f"expected: {expected}\ngot: {got}\nto do: {todo}")

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError, a parent of one child, would quote its message


class InputError(FaceevalError, ValueError):
    """An argument, array or image has the wrong shape, type, range or content."""


class MissingFileError(FaceevalError, FileNotFoundError):
    """A file or folder the call needs is not there."""


class CheckpointError(FaceevalError, ValueError):
    """A weight file is not what its reader needs: another method, another size, cut short, or unsafe to read."""


class TrainingError(FaceevalError, ArithmeticError):
    """A loss or a weight is no longer a number."""


class UnknownNameError(FaceevalError, LookupError):
    """A name stands in no table."""


class OutputError(FaceevalError, OSError):
    """A result cannot be written where the caller wants it."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """Builds the error for a name that stands in no table, with the nearest names first.

    Args:
        kind: What the name should have been, singular: ``"method"``, ``"attribute"``.
        name: What was given.
        known: The names that exist.

    Returns:
        The error, to be raised by the caller.

    Example:
        >>> print(unknown_name("method", "cyclgan", ["cyclegan", "fai"]).todo)
        did you mean 'cyclegan'? Known: cyclegan, fai
    """
    names = sorted(known)
    by_lower = {entry.lower(): entry for entry in names}
    near = [by_lower[entry] for entry in difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.5)]
    hint = f"did you mean {' or '.join(repr(entry) for entry in near)}? " if near else ""
    listed = f"Known: {', '.join(names)}"
    if hint and len(names) > LONG_LIST:
        listed = f"{len(names)} are known; `faceeval list` shows them"
    return UnknownNameError(f"the name of a known {kind}", repr(name), hint + listed)
