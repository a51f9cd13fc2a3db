# SPDX-License-Identifier: MIT
"""The links of a chain: which editor a method has for which attribute, how far that reaches, and what was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from faceeval.data.faces import FaceSet
from faceeval.errors import InputError
from faceeval.protocols.edits import AnyEditor, NamedEditor, check_fit, directions
from faceeval.protocols.panel import Looks

REAL = "real"  # the unedited images, in the matrix of who judges whom


@dataclass(frozen=True)
class Links:
    """A method as a chain needs it: an editor for each attribute it has one for.

    Attributes:
        name: Name of the method.
        editors: Attribute -> editor. One model for many attributes stands there under each of them.
        missing: Attribute -> why there is no editor for it.
    """

    name: str
    editors: Mapping[str, AnyEditor]
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reach:
    """How far a method gets.

    Attributes:
        links: The method.
        length: Edits it can make in a row.
        why: Why it cannot make one more; empty where the chain ends there.
    """

    links: Links
    length: int
    why: str


@dataclass
class ChainSeen:
    """What was seen, in the order of the chosen images.

    Attributes:
        source: What the judges saw of the sources.
        looks: Method and number of edits -> what they saw of the edits.
        own: Judging method, number of edits and method (or ``REAL``) -> logits of its own discriminator.
    """

    source: Looks = field(default_factory=dict)
    looks: dict[tuple[str, int], Looks] = field(default_factory=dict)
    own: dict[tuple[str, int, str], NDArray[np.float64]] = field(default_factory=dict)


def reaches_of(methods: Sequence[Links], faces: FaceSet, chain: tuple[str, ...]) -> tuple[Reach, ...]:
    """Finds out how far each method gets.

    Args:
        methods: The methods.
        faces: The images.
        chain: Attributes in the order they are inverted.

    Raises:
        InputError: Two methods of one name, an attribute twice in the chain, a method that cannot make the first edit,
            or one that does not suit the images.
        UnknownNameError: The data do not label the first attribute.
    """
    names = [links.name for links in methods]
    if not names or len(set(names)) != len(names) or REAL in names:
        todo = f"give one method or more, each once, none called {REAL!r}"
        raise InputError("methods with names of their own", ", ".join(names) or "none", todo)
    if not chain or len(set(chain)) != len(chain):
        todo = "name each attribute once: inverting it twice would undo it"
        raise InputError("a chain of different attributes", ", ".join(chain) or "none", todo)
    faces.labels(chain[0])
    found = []
    for links in methods:
        whys = [_lack(links, attribute, faces) for attribute in chain]
        length = next((position for position, why in enumerate(whys) if why), len(chain))
        if length == 0:
            todo = "begin the chain with an attribute it has, or train it: faceeval train"
            raise InputError(f"an editor of {links.name} for {chain[0]}, the first of the chain", whys[0], todo)
        found.append(Reach(links, length, whys[length] if length < len(chain) else ""))
    return tuple(found)


def _lack(links: Links, attribute: str, faces: FaceSet) -> str:
    """Says why a method cannot make one edit of a chain on these images; empty where it can."""
    if attribute not in faces.attributes:
        return f"{faces.name} does not label {attribute}"
    if attribute not in links.editors:
        return links.missing.get(attribute, f"no editor for {attribute}")
    editor = links.editors[attribute]
    if isinstance(editor, NamedEditor):
        todo = "give the method itself: each edit of a chain is made of the one before"
        raise InputError("a method that edits what it is given", f"{links.name}, edits made elsewhere", todo)
    check_fit(editor, faces, attribute)
    ways = directions(editor, attribute)
    if len(ways) == 1:
        return f"it only {'adds' if ways[0] else 'removes'} {attribute}, and a chain inverts both ways"
    return ""
