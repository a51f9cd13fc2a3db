# SPDX-License-Identifier: MIT
"""What a judge sees of a set of images, wherever the set lies: images, features of theirs, or statistics of these.

Statistics are summed while the images stream by, so memory does not grow with their number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceeval.data.npz import StoredFeatures, StoredStatistics, read_npz
from faceeval.data.sources import ImageSource, batches, open_images
from faceeval.errors import InputError
from faceeval.judges import Judge
from faceeval.metrics.arrays import matrix
from faceeval.metrics.gaussian import GaussianStats

SERVES = ("features", "embedding", "attributes")  # outputs of a judge that can stand for an image, best first
Set = ImageSource | StoredFeatures | StoredStatistics
Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class Look:
    """One output of one judge.

    Attributes:
        judge: The judge.
        output: The output, among ``judge.outputs``.
        batch_size: Images shown to it at a time.
        device: Where it runs. Rounding depends on it, and on the batch size; both are recorded.
    """

    judge: Judge
    output: str
    batch_size: int = 32
    device: str = "cpu"

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Returns a row, float32, for each of the images, uint8 (n, 3, H, W)."""
        import torch

        return self.judge(torch.from_numpy(images))[self.output]

    @property
    def made_with(self) -> dict[str, Any]:
        """What decides the rows: judge, digest of its weights, output, and its settings."""
        settings = dict(getattr(self.judge, "settings", {}))
        name, digest = self.judge.name, self.judge.weights_sha256
        return {"judge": name, "weights_sha256": digest, "output": self.output, **settings}


@dataclass(frozen=True, eq=False)
class SeenSet:
    """A set as a judge saw it.

    Attributes:
        values: Features, (N, D), or their statistics.
        n: Number of images; None where a file of statistics does not say.
        record: Where the set is and what was read: ``path``, ``kind``, ``n``; for images also how many files were
            ``skipped``, the ``pixels_sha256`` of all pixels in order, and how they were looked at.
        made_with: What made the features; empty where a file does not say.
    """

    values: NDArray[Any] | GaussianStats
    n: int | None
    record: Mapping[str, Any]
    made_with: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> NDArray[Any]:
        """The features, (N, D), of a set that was seen by `see_features`."""
        assert not isinstance(self.values, GaussianStats)
        return self.values


def open_set(path: Path | str, *, column: str | None = None, split: str | None = None) -> Set:
    """Finds a set: a folder, zip file or saved dataset of images, or an ``.npz`` of features or statistics.

    Args:
        path: Where it is.
        column: Column of images, for a dataset with several.
        split: Split, for a dataset with several.

    Raises:
        MissingFileError: There is nothing at the path.
        InputError: It is none of these, or empty.
    """
    if Path(path).suffix.lower() in (".npz", ".npy"):
        return read_npz(path)
    return open_images(path, column=column, split=split)


def serving_output(judge: Judge, among: tuple[str, ...] = SERVES) -> str:
    """Returns the output of a judge that serves a purpose best.

    Args:
        judge: The judge.
        among: Outputs that serve it, best first.

    Raises:
        InputError: It has none of them.
    """
    found = [output for output in among if output in judge.outputs]
    if not found:
        got = f"{judge.name}, which gives {', '.join(judge.outputs)}"
        raise InputError(f"a judge that gives {' or '.join(among)}", got, "name another with --judge")
    return found[0]


def see_statistics(given: Set, look: Look | None, advance: Advance | None = None) -> SeenSet:
    """Returns what the Fréchet distance needs of a set.

    Args:
        given: The set.
        look: What turns images into features; only for images.
        advance: Called with images done and images in all.

    Returns:
        Statistics; or features, where there are so few that the distance is found faster from them.

    Raises:
        InputError: Fewer than two images, or something in the set cannot be used.
    """
    if isinstance(given, StoredFeatures):
        return _stored_features(given, least=2)
    if isinstance(given, StoredStatistics):
        mean, cov = given.mean, given.cov
        with naming(given.path):
            stats = GaussianStats.uncounted(mean, cov) if given.n is None else GaussianStats(given.n, mean, cov)
        record = {"path": given.path, "kind": "statistics", "n": given.n}
        return SeenSet(stats, given.n, record, given.made_with)
    digest = hashlib.sha256()
    rows = (rows for _, rows in _rows(given, look, digest, advance, least=2))
    first = next(rows)
    everything = chain([first], rows)
    few = len(given) < first.shape[1]
    values = np.concatenate(list(everything)) if few else GaussianStats.from_batches(everything)
    return _seen(given, values, look, digest.hexdigest())


def see_features(given: Set, look: Look | None, advance: Advance | None = None, *, least: int = 1) -> SeenSet:
    """Returns the features of every image of a set, in its order.

    Args:
        given: The set.
        look: What turns images into features; only for images.
        advance: Called with images done and images in all.
        least: Fewest images that make sense.

    Raises:
        InputError: The set holds statistics only, too few images, or something that cannot be used.
    """
    if isinstance(given, StoredStatistics):
        todo = "give the images, or save their features with `faceeval metric features`"
        raise InputError("images, or features of each image", f"statistics of all: {given.path}", todo)
    if isinstance(given, StoredFeatures):
        return _stored_features(given, least)
    digest, features = hashlib.sha256(), np.empty((0, 0), np.float32)
    for indices, rows in _rows(given, look, digest, advance, least):
        if not features.size:
            features = np.empty((len(given), rows.shape[1]), np.float32)
        features[indices] = rows
    return _seen(given, features, look, digest.hexdigest())


def check_same_maker(first: SeenSet, second: SeenSet) -> None:
    """Refuses to compare features of different makers, as far as the files say who made them.

    Raises:
        InputError: Judge, weights or settings differ.
    """
    a, b = first.made_with, second.made_with
    differing = [key for key in {**a, **b} if a.get(key) != b.get(key)] if a and b else []
    if differing:
        says = [
            f"{', '.join(f'{key} {made.get(key)}' for key in differing)} ({seen.record['path']})"
            for made, seen in ((a, first), (b, second))
        ]
        todo = "make both with one judge and one --resize; differently made features cannot be compared"
        raise InputError("two sets of features made alike", " and ".join(says), todo)


@contextmanager
def naming(place: str) -> Iterator[None]:
    """Puts a file's name into the errors of what looks at its content."""
    try:
        yield
    except InputError as error:
        raise InputError(error.expected, f"{place}: {error.got}", error.todo) from error


def _rows(
    source: ImageSource, look: Look | None, digest: Any, advance: Advance | None, least: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Shows a source to a judge, batch by batch."""
    if len(source) < least:
        raise InputError(f"at least {least} images", f"{len(source)} in {source.path}", "give more images")
    if look is None:
        raise InputError("a judge that turns images into features", "none", "name one with --judge")
    done = 0
    for indices, images in batches(source, look.batch_size, digest=digest):
        with naming(f"{source.path}/{source.names[indices[0]]}"):
            rows = look(images)
        yield indices, rows
        done += len(rows)
        if advance is not None:
            advance(done, len(source))


def _seen(source: ImageSource, values: Any, look: Look | None, pixels: str) -> SeenSet:
    assert look is not None  # or nothing had been seen
    record = {"path": source.path, "kind": source.kind, "n": len(source), "skipped": source.skipped}
    how = {"pixels_sha256": pixels, "batch_size": look.batch_size, "device": look.device}
    return SeenSet(values, len(source), {**record, **how}, look.made_with)


def _stored_features(given: StoredFeatures, least: int) -> SeenSet:
    with naming(given.path):
        rows = matrix("features", given.rows, rows=least)
    digest = hashlib.sha256(np.ascontiguousarray(rows).tobytes()).hexdigest()
    record = {"path": given.path, "kind": "features", "n": len(rows), "features_sha256": digest}
    return SeenSet(rows, len(rows), record, given.made_with)
