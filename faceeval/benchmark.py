# SPDX-License-Identifier: MIT
"""A benchmark: which images, at what size, seen by which judges, under which protocol. Read from ``datasets/``.

Two results may be compared only when they name the same benchmark and version, so any change of a
``benchmark.json`` that could move a number raises its ``version``.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from faceeval.errors import InputError, unknown_name

Role = Literal["attributes", "identity", "realism"]
ROLES: tuple[Role, ...] = ("attributes", "identity", "realism")


class Pca(BaseModel):
    """How the reduced Fréchet distance is taken (FAI, section 3.3.2: 1024 of Inception's 2048 dimensions).

    Attributes:
        share: Components kept, as a share of the feature's dimensions: half, as the paper's 1024 of 2048.
        fit: Where the basis comes from. ``"reference"``: images of the scored split that nobody edits, so that every
            method of an attribute is seen in one space.
        images: Reference images at most, chosen by the hash rule.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float = Field(default=0.5, gt=0, le=1)
    fit: Literal["reference"] = "reference"
    images: int = Field(default=2000, ge=2)


class Benchmark(BaseModel):
    """What is held still while methods are compared.

    Attributes:
        name: Name of the benchmark; its folder under ``datasets/``.
        version: Raised by any change that could move a number.
        title: One line for people.
        data: Dataset to read.
        split: Split whose images are edited.
        extra_split: Split that lends images where a class of ``split`` is short; None where nothing may.
        size: Side of the images in pixels; a method made for another size is scored at its own, and the result says so.
        crop: How images are cut before they are resized, as the dataset's reader names it.
        protocol: Name in ``faceeval.protocols.PROTOCOLS``.
        n_per_class: Images with the attribute, and images without it, to edit.
        judges: Role -> judge.
        absent: Role -> why nobody plays it; its metrics are reported as absent with this reason, never guessed.
        target: What edited images are compared with for ``frechet_distance_target``. ``"selected"``: the chosen, real
            images of the class the edit aims at, none of which is a source of that direction.
        pca: The reduced Fréchet distance.
        attributes: Attributes the benchmark is about; others may be scored.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: int = Field(ge=1)
    title: str
    data: str
    split: Literal["train", "validation", "test", "all"] = "test"
    extra_split: Literal["train", "validation", "test"] | None = None
    size: int = Field(ge=16)
    crop: str
    protocol: str
    n_per_class: int = Field(default=1000, ge=1)
    judges: dict[Role, str]
    absent: dict[Role, str] = Field(default_factory=dict)
    target: Literal["selected"] = "selected"
    pca: Pca = Pca()
    attributes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _each_role_once(self) -> Benchmark:
        for role in ROLES:
            if (role in self.judges) == (role in self.absent):
                raise ValueError(f"role {role!r} must stand in exactly one of 'judges' and 'absent'")
        return self

    @classmethod
    def load(cls, name: str) -> Benchmark:
        """Reads ``datasets/<name>/benchmark.json``; what follows a colon in the name goes on to the data.

        Raises:
            UnknownNameError: No dataset of that name has a benchmark.
            InputError: The file does not say what a benchmark must.
        """
        known = benchmark_files()
        base, _, rest = name.partition(":")
        if base not in known:
            raise unknown_name("benchmark", base, known)
        found = cls.read(known[base])
        return found.model_copy(update={"data": name}) if rest else found

    @classmethod
    def read(cls, path: Path) -> Benchmark:
        """Reads one benchmark file.

        Raises:
            InputError: The file is not JSON, lacks a field, has one too many, or a value of the wrong kind.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise InputError(
                f"a benchmark in {path.name} of {path.parent.name}",
                f"{where}: {first['msg']}",
                "mend that field; docs/editing-protocol.md lists them all",
            ) from error

    def pca_components(self, dimensions: int) -> int:
        """Returns how many components of a feature the reduced Fréchet distance keeps, at least 1.

        Example:
            >>> Benchmark.load("procfaces").pca_components(2048)
            1024
        """
        return max(1, round(dimensions * self.pca.share))


def benchmark_files() -> dict[str, Path]:
    """Returns every benchmark there is, name -> file: those of the wheel, else those of the checkout."""
    package = Path(str(files("faceeval")))
    for folder in (package / "_manifests", package.parent / "datasets"):
        found = {path.parent.name: path for path in sorted(folder.glob("*/benchmark.json"))}
        if found:
            return found
    return {}
