# SPDX-License-Identifier: MIT
"""What a split is: named lists of images, each with a digest; and what the rules make it from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from faceeval.data.faces import FaceSet
from faceeval.data.labels.pairs import FacePairs
from faceeval.data.selection import names_sha256
from faceeval.errors import InputError


@dataclass(frozen=True)
class NamedList:
    """One list of a split.

    Attributes:
        name: What it is for: ``"positives"``, ``"train"``, ``"gallery"``, ...
        names: Images, in the order of the rule; of pairs, two images and a number, parted by tabs.
        asked: How many the rule wants; None where it takes all there are.
    """

    name: str
    names: tuple[str, ...]
    asked: int | None = None

    @cached_property
    def sha256(self) -> str:
        """The digest of the names; see `faceeval.data.selection.names_sha256`."""
        return names_sha256(self.names)

    @property
    def short(self) -> bool:
        """Whether the data have fewer images than the rule wants."""
        return self.asked is not None and len(self.names) < self.asked

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Split:
    """What a rule makes of a dataset.

    Attributes:
        lists: The lists; no two of one name.
        notes: What somebody who reports numbers on them should say.
        chains: Attributes that are edited one after the other on the same images, from none to four.
        key: Protocol and attribute: ``"fai/Young"``, ``"bw/celeba"``.
    """

    lists: tuple[NamedList, ...]
    notes: tuple[str, ...] = ()
    chains: tuple[tuple[str, ...], ...] = ()
    key: str = ""


@dataclass(frozen=True, eq=False)
class SplitInput:
    """What a rule is given.

    Attributes:
        data: The dataset, for messages.
        faces: Split -> its faces; their pixels are never read.
        pairs: File name of a list of pairs -> what it says.
        hidden: Rows of the train split that DIAT's filter drops, bool (N,); None where no filter was applied.
        filtered: How that was decided, in one line.
    """

    data: str
    faces: Mapping[str, FaceSet] = field(default_factory=dict)
    pairs: Mapping[str, FacePairs] = field(default_factory=dict)
    hidden: NDArray[np.bool_] | None = None
    filtered: str = ""

    def part(self, name: str) -> FaceSet:
        """Returns a split.

        Raises:
            InputError: The dataset does not have it.
        """
        if name not in self.faces:
            there = f"only {', '.join(self.faces)}" if self.faces else "none"
            raise InputError(f"a {name} split of {self.data}", there, "choose a dataset that is split so")
        return self.faces[name]

    def pair_list(self, name: str) -> FacePairs:
        """Returns a list of pairs.

        Raises:
            InputError: The dataset does not have it.
        """
        if name not in self.pairs:
            raise InputError(
                f"pairs of {self.data}, in {name}", "no such list", "choose a dataset with pairs, such as lfw"
            )
        return self.pairs[name]
