# SPDX-License-Identifier: MIT
"""What the generation protocol does with a set: draws or reads it, shows it to the judge, compares it with another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from faceeval.data.faces import FaceSet
from faceeval.data.selection import select
from faceeval.errors import InputError
from faceeval.metrics.bias import frechet_distance_bias
from faceeval.metrics.jackknife import jackknife_statistic
from faceeval.metrics.kernel import kernel_distance_subsets
from faceeval.metrics.manifold import expected_coverage, manifold_scores
from faceeval.metrics.realism import frechet_distance
from faceeval.protocols.asked import Images, Indices
from faceeval.protocols.edits import check_edits
from faceeval.protocols.experiments import Given
from faceeval.protocols.looked import people_of
from faceeval.protocols.panel import Panel
from faceeval.protocols.thumbnails import thumbnails
from faceeval.results import Value
from faceeval.results.sweeps import Point

DRAWN_AT_ONCE = 500  # each block has a seed of its own, whatever the batch size
DRAWN_AGAIN = 4  # faces drawn twice, to see that the seed decides them
PARTS = 20  # of a jackknife: its standard error is good to a sixth
MOST_DIMENSIONS = 256  # beyond, so many Fréchet distances would take minutes
NORMAL_95 = 1.959964  # standard normal quantile at 0.975
POINTS = 100  # of a drawn distribution
TILE = 1024  # rows and columns of distances held at a time: 8 MB

Features = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Drawn:
    """A set of images as the judge sees it.

    Attributes:
        images: uint8, (N, 3, S, S); empty where they are read again when they are needed.
        features: float32, (N, D).
        parts: Which part of a jackknife each image is in, 0..PARTS - 1; None where there are too few people for it.
    """

    images: Images
    features: Features
    parts: Indices | None


@dataclass(frozen=True, eq=False)
class Reals(Drawn):
    """Real images.

    Attributes:
        faces: The split.
        rows: Which images of it, in hash order.
    """

    faces: FaceSet
    rows: Indices

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the images."""
        return tuple(self.faces.names[row] for row in self.rows.tolist())

    def image(self, place: int) -> Images:
        """Returns one of the images, uint8 (3, S, S)."""
        return np.asarray(self.faces.read(self.rows[place : place + 1])[0])


def draw(method: Any, n: int, size: int, given: Given) -> Drawn:
    """Has a method draw faces, and shows them to the judge.

    Args:
        method: Samples.
        n: Number of faces.
        size: Their side.
        given: Judges, seed, batch size, clock and progress.

    Raises:
        InputError: What came back are no pictures, or a seed does not decide them.
    """
    name = method.card.name

    def sample(count: int, block: int) -> Images:
        seed = int(np.random.SeedSequence([given.seed, block]).generate_state(1)[0])
        with given.clock.part("images"), torch.inference_mode():
            return check_edits(method.sample(count, seed), (count, 3, size, size), f"{name}.sample")

    first, again, other = (sample(DRAWN_AGAIN, block) for block in (0, 0, 1))
    differ = bool((first != first[0]).any())  # a network that draws one face only is no error: it gets its score
    if not np.array_equal(first, again) or (differ and np.array_equal(first, other)):
        got = "other faces the second time" if not np.array_equal(first, again) else "the same faces from two seeds"
        todo = "draw from torch.Generator().manual_seed(seed) and nothing else"
        raise InputError(f"from {name}.sample faces that depend on the seed alone", got, todo)
    starts = range(0, n, DRAWN_AT_ONCE)
    images = np.concatenate([sample(min(DRAWN_AT_ONCE, n - start), block) for block, start in enumerate(starts)])
    batches = (images[start : start + given.batch_size] for start in range(0, n, given.batch_size))
    return Drawn(images, _features(batches, n, f"looking at {name}", given), np.arange(n) % PARTS)


def see_reals(faces: FaceSet, n: int, name: str, given: Given) -> Reals:
    """Chooses so many images of a split by the hash rule, and shows them to the judge.

    The training images are those of the split ``bw/celeba``, where the data are CelebA.
    """
    tag = f"faceeval/1/bw/{faces.name.partition(':')[0]}/fid"
    tag = tag if faces.split == "train" else f"{tag}/{faces.split}"
    places = {one: row for row, one in enumerate(faces.names)}
    rows = np.array([places[one] for one in select(n, faces.names, tag)], np.int64)
    none = np.empty((0, 3, faces.size, faces.size), np.uint8)
    features = _features(_read(faces, rows, given), n, f"looking at {name}", given)
    return Reals(none, features, _parts(faces, rows), faces, rows)


def halved(real: Reals, given: Given) -> Drawn:
    """Shows real images to the judge after their resolution was halved."""
    side = max(1, real.faces.size // 2)
    batches = (thumbnails(images, side) for images in _read(real.faces, real.rows, given))
    features = _features(batches, len(real.rows), "looking at them at half resolution", given)
    return Drawn(real.images, features, real.parts)


def point(real: Drawn, other: Drawn, k: int, seed: int) -> Point:
    """Compares a set with a real one.

    Args:
        real: The real one.
        other: The other, of as many images.
        k: Neighbours a ball reaches to.
        seed: Seed of the subsets of the kernel distance.
    """
    shape = manifold_scores(real.features, other.features, k)
    n = len(other.features)
    values = {
        "frechet_distance": _frechet(real, other),
        "manifold_precision": Value(value=shape.precision, n=n),
        "manifold_recall": Value(value=shape.recall, n=n),
        "manifold_density": Value(value=shape.density, n=n),
        "manifold_coverage": Value(value=shape.coverage, n=n),
    }
    found = kernel_distance_subsets(real.features, other.features, seed=seed)
    half = NORMAL_95 * found.error
    values["kernel_distance"] = Value(value=found.mean, low=found.mean - half, high=found.mean + half, n=n)
    return Point(values=values)


def sample_size_alone(real: Drawn, k: int, keys: tuple[str, ...]) -> Point:
    """Returns what two sets of so many images are expected to be apart if they are of one distribution.

    Args:
        real: What that distribution is known by.
        k: Neighbours a ball reaches to.
        keys: Measures, of which some are not known beforehand.
    """
    n = len(real.features)
    values = {
        "frechet_distance": Value(value=frechet_distance_bias(real.features, n, n), n=n),
        "kernel_distance": Value(value=0.0, n=n),
        "manifold_density": Value(value=1.0, n=n),
        "manifold_coverage": Value(value=expected_coverage(n, n, k), n=n),
    }
    absent = {key: "depends on the distribution" for key in keys if key not in values}
    return Point(values=values, absent=absent)


def nearest(features: Features, real: Features) -> tuple[NDArray[np.float64], Indices]:
    """Returns how far each image's nearest real one is, float64 (N,), and which that is, int64 (N,)."""
    center = real.mean(axis=0, dtype=np.float64)
    least, where = np.full(len(features), np.inf), np.zeros(len(features), np.int64)
    for start in range(0, len(features), TILE):
        tall = features[start : start + TILE].astype(np.float64) - center
        mine = slice(start, start + len(tall))
        for left in range(0, len(real), TILE):
            wide = real[left : left + TILE].astype(np.float64) - center
            squared = (tall**2).sum(axis=1)[:, None] + (wide**2).sum(axis=1) - 2.0 * tall @ wide.T
            columns = squared.argmin(axis=1)
            found = squared[np.arange(len(tall)), columns]
            nearer = found < least[mine]
            where[mine] = np.where(nearer, left + columns, where[mine])
            least[mine] = np.where(nearer, found, least[mine])
    return np.sqrt(np.maximum(least, 0.0)), where


def cumulative(distances: NDArray[np.float64]) -> tuple[tuple[float, float], ...]:
    """Returns the share of images within each distance, thinned to what a picture can show."""
    shares = np.linspace(0.0, 1.0, POINTS + 1)
    return tuple(
        (round(x, 4), round(y, 4))
        for x, y in zip(np.quantile(distances, shares).tolist(), shares.tolist(), strict=True)
    )


def _frechet(real: Drawn, other: Drawn) -> Value:
    """Returns the distance; people and samples are left out part by part for its interval."""
    n, dimensions = other.features.shape
    whole = frechet_distance(real.features, other.features)
    if real.parts is None or other.parts is None or dimensions > MOST_DIMENSIONS or n - n // PARTS * 2 <= dimensions:
        return Value(value=whole, n=n)
    sides = ((real.features, real.parts), (other.features, other.parts))

    def without(kept: Indices) -> float:
        first, second = (features[np.isin(parts, kept)] for features, parts in sides)
        return frechet_distance(first, second)

    found = jackknife_statistic(without, PARTS)
    return Value(value=whole, low=max(0.0, found.low), high=found.high, n=n)


def _parts(faces: FaceSet, rows: Indices) -> Indices | None:
    """Deals people out to the parts of a jackknife; images where nobody is known, nothing where there are too few."""
    who = people_of(faces, rows)
    place = np.arange(len(rows)) if who is None else np.unique(who, return_inverse=True)[1]
    return place % PARTS if place.max() >= PARTS - 1 else None


def _read(faces: FaceSet, rows: Indices, given: Given) -> Iterator[Images]:
    for start in range(0, len(rows), given.batch_size):
        with given.clock.part("data"):
            images = faces.read(rows[start : start + given.batch_size])
        yield images


def _features(batches: Iterator[Images], n: int, said: str, given: Given) -> Features:
    """Shows images to the judge of realism, and to no other."""
    panel, advance = Panel({"realism": given.panel.judges["realism"]}), given.bar(said)
    found: list[Features] = []
    done = 0
    for images in batches:
        with given.clock.part("judge"):
            found.append(panel.look(np.ascontiguousarray(images))["realism"])
        done += len(images)
        advance(done, n)
    return np.concatenate(found)
