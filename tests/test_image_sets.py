# SPDX-License-Identifier: MIT
"""What a judge sees of a set: the same from images, features and statistics, in memory that does not grow."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from faceeval.data.npz import StoredFeatures, StoredStatistics
from faceeval.data.sources import ImageSource
from faceeval.errors import InputError
from faceeval.metrics import GaussianStats, frechet_distance
from faceeval.protocols.paired import pair, pixel_values
from faceeval.protocols.sets import Look, check_same_maker, open_set, see_features, see_statistics, serving_output


class Stand:
    """A judge that needs no network: the first pixels of an image are its features."""

    name, weights_sha256, attribute_names = "stand", "0" * 64, ()
    outputs: tuple[str, ...] = ("embedding", "attributes")
    settings: dict[str, str | int] = {"input_size": 8}  # noqa: RUF012  as judges have it

    def __init__(self, dim: int = 6) -> None:
        self.dim = dim

    def __call__(self, images: torch.Tensor) -> dict[str, NDArray[np.float32]]:
        if images.shape[2] != images.shape[3]:
            raise InputError("squares", f"shape {tuple(images.shape)}", "crop them")
        return {"embedding": images.flatten(1)[:, : self.dim].to(torch.float32).numpy()}


def picture(index: int, height: int = 8, width: int = 8) -> NDArray[np.uint8]:
    return np.random.default_rng(index).integers(0, 256, (3, height, width), np.uint8)


def source(count: int, read: object = picture, path: str = "set") -> ImageSource:
    return ImageSource(path, "folder", tuple(f"{index:05d}.png" for index in range(count)), read)  # type: ignore[arg-type]


def rows_of(count: int, dim: int = 6) -> NDArray[np.float32]:
    return np.stack([picture(index).reshape(-1)[:dim] for index in range(count)]).astype(np.float32)


LOOK = Look(Stand(), "embedding", batch_size=4)


def test_features_come_in_order_whatever_the_sizes() -> None:
    mixed = source(9, lambda index: np.tile(picture(index), (1, 1 + index % 2, 1 + index % 2)))
    expected = np.stack([np.tile(picture(i), (1, 1 + i % 2, 1 + i % 2)).reshape(-1)[:6] for i in range(9)])
    seen = see_features(mixed, LOOK)
    np.testing.assert_array_equal(seen.rows, expected)
    assert seen.record["n"] == seen.n == 9
    assert seen.made_with["output"] == "embedding"


@pytest.mark.parametrize("count", [4, 40])
def test_streamed_statistics_are_those_of_the_whole(count: int) -> None:
    done: list[tuple[int, int]] = []
    seen = see_statistics(source(count), LOOK, lambda *progress: done.append(progress))
    whole = GaussianStats.from_features(rows_of(count))
    streamed = seen.values if isinstance(seen.values, GaussianStats) else GaussianStats.from_features(seen.values)
    np.testing.assert_allclose(streamed.mean, whole.mean, rtol=1e-12)
    np.testing.assert_allclose(streamed.cov, whole.cov, rtol=1e-12)
    assert isinstance(seen.values, GaussianStats) == (count > 6)
    assert done[-1] == (count, count)


def test_files_of_features_and_statistics_stand_for_their_images(tmp_path: Path) -> None:
    rows = rows_of(40)
    np.savez(tmp_path / "rows.npz", features=rows)
    np.savez(tmp_path / "theirs.npz", mu=rows.mean(0), sigma=np.cov(rows.T))
    other = see_statistics(source(40, lambda index: picture(index + 1000)), LOOK).values
    expected = frechet_distance(rows, other)
    for name in ("rows.npz", "theirs.npz"):
        seen = see_statistics(open_set(tmp_path / name), None)
        assert frechet_distance(seen.values, other) == pytest.approx(expected, rel=1e-5)
    with pytest.raises(InputError, match="features of each image"):
        see_features(open_set(tmp_path / "theirs.npz"), None)


def test_broken_statistics_name_their_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", mu=np.zeros(3), sigma=np.eye(2))
    with pytest.raises(InputError, match=r"bad\.npz: "):
        see_statistics(open_set(tmp_path / "bad.npz"), None)
    np.savez(tmp_path / "nan.npz", features=np.full((4, 2), np.nan))
    with pytest.raises(InputError, match=r"nan\.npz: "):
        see_features(open_set(tmp_path / "nan.npz"), None)


def test_what_a_judge_refuses_is_named() -> None:
    with pytest.raises(InputError, match=r"set/00003\.png: shape"):
        see_features(source(6, lambda index: picture(index, 8, 9 if index == 3 else 8)), LOOK)


def test_too_few_images_cost_no_look() -> None:
    def read(index: int) -> NDArray[np.uint8]:
        raise AssertionError

    with pytest.raises(InputError, match="1 in set"):
        see_statistics(source(1, read), LOOK)
    with pytest.raises(InputError, match="at least 7 images"):
        see_features(source(6, read), LOOK, least=7)
    with pytest.raises(InputError, match="--judge"):
        see_features(source(6, read), None)


def test_judges_serve_as_far_as_they_can() -> None:
    assert serving_output(Stand()) == "embedding"
    assert serving_output(Stand(), ("attributes",)) == "attributes"
    with pytest.raises(InputError, match="stand, which gives embedding, attributes"):
        serving_output(Stand(), ("features",))


def test_makers_must_agree_as_far_as_they_are_known() -> None:
    def made(with_what: dict[str, str], path: str) -> object:
        return see_features(StoredFeatures(path, rows_of(4), (), with_what), None)

    check_same_maker(made({}, "a"), made({"judge": "x"}, "b"))  # type: ignore[arg-type]
    check_same_maker(made({"judge": "x"}, "a"), made({"judge": "x"}, "b"))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"resize tf1 \(a\) and resize clean \(b\)"):
        check_same_maker(made({"resize": "tf1"}, "a"), made({"resize": "clean"}, "b"))  # type: ignore[arg-type]


class TestPairs:
    def test_images_are_paired_by_name_and_rows_by_place(self) -> None:
        images = source(3)
        turned = ImageSource("edited", "zip", ("x/00002.jpg", "x/00000.png", "x/00001.webp"), picture)
        assert pair(images, turned) == [1, 2, 0]
        named = StoredFeatures("e.npz", rows_of(3), ("a/00001.png", "a/00002.png", "a/00000.png"))
        assert pair(images, named) == [2, 0, 1]
        assert pair(images, StoredFeatures("e.npz", rows_of(3))) == [0, 1, 2]

    def test_what_has_no_partner_is_listed(self) -> None:
        with pytest.raises(InputError, match=r"edited lacks 2 \(00003, 00004\)"):
            pair(source(5), source(3, path="edited"))
        with pytest.raises(InputError, match=r"5 \(set\) and 3 \(e\.npz\)"):
            pair(source(5), StoredFeatures("e.npz", rows_of(3)))
        with pytest.raises(InputError, match="statistics of all"):
            pair(source(5), StoredStatistics("s.npz", np.zeros(2), np.eye(2), 5))

    def test_values_come_in_the_order_of_the_sources(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("faceeval.protocols.paired.PIXELS_AT_ONCE", 400)
        sizes = [8, 8, 8, 9, 8]
        before, after = (source(5, lambda i, add=add: picture(i + add, sizes[i], 8)) for add in (0, 50))  # type: ignore[misc]
        calls: list[int] = []

        def difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.float64]:
            calls.append(len(a))
            return np.abs(a.astype(float) - b).mean(axis=(1, 2, 3))

        values, digests = pixel_values(before, after, range(5), difference)
        expected = [np.abs(picture(i, n, 8).astype(float) - picture(i + 50, n, 8)).mean() for i, n in enumerate(sizes)]
        np.testing.assert_allclose(values, expected)
        assert calls == [2, 1, 1, 1]
        assert digests["source"] != digests["edited"]

    def test_pairs_of_two_sizes_are_named(self) -> None:
        with pytest.raises(InputError, match=r"00001\.png of 8x8 and 00001\.png of 9x8"):
            pixel_values(
                source(3), source(3, lambda i: picture(i, 8, 8 + i % 2)), range(3), lambda a, b: np.zeros(len(a))
            )


def peak(call: object) -> int:
    tracemalloc.start()
    call()  # type: ignore[operator]
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def test_memory_does_not_grow_with_the_number_of_features() -> None:
    def stream(count: int) -> Iterator[NDArray[np.float32]]:
        chance = np.random.default_rng(0)
        for _ in range(count // 100):
            yield chance.standard_normal((100, 64), dtype=np.float32)

    few, many = (peak(lambda count=count: GaussianStats.from_batches(stream(count))) for count in (5_000, 50_000))
    assert many <= 1.2 * few


def test_memory_does_not_grow_with_the_number_of_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faceeval.metrics.gaussian.CHUNK", 64)  # rows that are summed at a time, few or many
    drawn = [picture(index) for index in range(7)]
    look, sets = Look(Stand(64), "embedding"), [source(count, lambda index: drawn[index % 7]) for count in (200, 2000)]
    see_statistics(sets[0], look)  # what is loaded at the first call is no image's
    few, many = (peak(lambda given=given: see_statistics(given, look)) for given in sets)
    assert many <= 1.2 * few
