# SPDX-License-Identifier: MIT
"""Lists of pairs in LFW's format: what they say, and what is wrong with those that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from faceeval.data.labels.pairs import pair_rows, read_pairs
from faceeval.errors import InputError, MissingFileError

SMALL = "2\t1\nJane_Roe\t1\t4\nJane_Roe\t2\tJohn-Paul_Doe\t10\nAnn\t3\t1\nAnn\t1\tBo\t1\n"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "pairs.txt"
    path.write_bytes(text.encode())
    return path


def made(blocks: int, count: int, head: str) -> str:
    lines = [head]
    for block in range(blocks):
        lines += [f"Person_{block}\t{2 * i + 1}\t{2 * i + 2}" for i in range(count)]
        lines += [f"Person_{block}\t{i + 1}\tOther_{block}\t{i + 1}" for i in range(count)]
    return "\n".join(lines) + "\n"


class TestReading:
    def test_a_small_list(self, tmp_path: Path) -> None:
        pairs = read_pairs(write(tmp_path, SMALL))
        assert pairs.first == (
            "Jane_Roe/Jane_Roe_0001.jpg",
            "Jane_Roe/Jane_Roe_0002.jpg",
            "Ann/Ann_0003.jpg",
            "Ann/Ann_0001.jpg",
        )
        assert pairs.second == (
            "Jane_Roe/Jane_Roe_0004.jpg",
            "John-Paul_Doe/John-Paul_Doe_0010.jpg",
            "Ann/Ann_0001.jpg",
            "Bo/Bo_0001.jpg",
        )
        assert pairs.same.tolist() == [True, False, True, False]
        assert pairs.folds.tolist() == [0, 0, 1, 1]

    def test_view_2(self, tmp_path: Path) -> None:
        pairs = read_pairs(write(tmp_path, made(10, 300, "10\t300")))
        assert len(pairs.first) == len(pairs.second) == len(pairs.same) == 6000
        assert np.bincount(pairs.folds).tolist() == [600] * 10
        assert all(pairs.same[pairs.folds == fold].sum() == 300 for fold in range(10))
        assert pairs.same[:300].all()

    @pytest.mark.parametrize("count", [1100, 500])  # pairsDevTrain, pairsDevTest
    def test_view_1(self, tmp_path: Path, count: int) -> None:
        pairs = read_pairs(write(tmp_path, made(1, count, str(count))))
        assert pairs.same.tolist() == [True] * count + [False] * count
        assert not pairs.folds.any()

    @pytest.mark.parametrize(
        "change",
        [
            lambda text: text.replace("\n", "\r\n"),
            lambda text: text.replace("\t", " "),
            lambda text: "\ufeff" + text,
            lambda text: text.rstrip("\n"),
            lambda text: text + "\n\n",
        ],
    )
    def test_what_does_not_matter(self, tmp_path: Path, change) -> None:
        plain, other = read_pairs(write(tmp_path, SMALL)), read_pairs(write(tmp_path, change(SMALL)))
        assert (other.first, other.second) == (plain.first, plain.second)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "a first line such as"),
            ("ten\t300\n", "a first line such as"),
            ("0\n", "a first line such as"),
            ("1\t1\t1\n", "a first line such as"),
            ("1\nAnn\t1\t2\n", "2 pairs, as its first line says.*\n.*1; it may be cut short"),
            ("1\nAnn\t1\t2\nAnn\t1\tBo\t2\nAnn\t3\t4\n", "2 pairs.*\n.*3;"),
            ("1\nAnn\t1\tBo\t2\nAnn\t1\t2\n", "NAME 1 4, one person.*\n.*line 2"),
            ("1\nAnn\t1\t2\nAnn\t3\t4\n", "NAME 1 OTHER 2, two people.*\n.*line 3"),
            ("1\nAnn\t1\t1\nAnn\t1\tBo\t2\n", "line 2 pairs an image with itself"),
            ("1\nAnn\t1\t01\nAnn\t1\tBo\t2\n", "line 2 pairs an image with itself"),
            ("1\nAnn\t1\t2\nAnn\t1\tAnn\t2\n", "line 3 names Ann twice"),
            ("1\nAnn\t1\tx\nAnn\t1\tBo\t2\n", "numbers of images, from 1"),
            ("1\nAnn\t0\t2\nAnn\t1\tBo\t2\n", "numbers of images, from 1"),
            ("1\nAnn\t1\t-2\nAnn\t1\tBo\t2\n", "numbers of images, from 1"),
            ("1\n../Ann\t1\t2\nAnn\t1\tBo\t2\n", "a person's name"),
            ("1\nAnn\t1\t2\nAnn\t1\tB\\o\t2\n", "a person's name"),
            ("1\n..\t1\t2\nAnn\t1\tBo\t2\n", "a person's name"),
            ("2\nAnn\t1\t2\nAnn\t2\t1\nAnn\t1\tBo\t2\nAnn\t2\tBo\t2\n", "lines 2 and 3 pair the same images"),
            ("<!DOCTYPE html>\n", "a web page"),
        ],
    )
    def test_what_is_wrong_is_said(self, tmp_path: Path, text: str, words: str) -> None:
        path = write(tmp_path, text)
        with pytest.raises(InputError, match=words) as caught:
            read_pairs(path)
        assert str(path) in str(caught.value)

    def test_an_archive_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "pairs.txt"
        path.write_bytes(b"PK\x03\x04\xff\xfe\0")
        with pytest.raises(InputError, match="binary data"):
            read_pairs(path)

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(MissingFileError, match=r"absent\.txt"):
            read_pairs(tmp_path / "absent.txt")


class TestRows:
    @pytest.mark.parametrize("form", ["{0}/{1}.jpg", "lfw/{0}/{1}.jpg", "{1}.png", "{1}", "C:\\aligned\\{1}.JPG"])
    def test_found_by_their_own_name(self, tmp_path: Path, form: str) -> None:
        pairs = read_pairs(write(tmp_path, SMALL))
        owners = ("Bo_0001", "Ann_0001", "Ann_0003", "Jane_Roe_0004", "Jane_Roe_0001", "John-Paul_Doe_0010")
        names = [form.format(own.rsplit("_", 1)[0], own) for own in (*owners, "Jane_Roe_0002", "Not_Asked_0001")]
        first, second = pair_rows(pairs, names)
        assert first.tolist() == [4, 6, 2, 1]
        assert second.tolist() == [3, 5, 1, 0]
        assert first.dtype == second.dtype == np.int64

    def test_an_array_of_names_will_do(self, tmp_path: Path) -> None:
        pairs = read_pairs(write(tmp_path, "1\nAnn\t1\t2\nAnn\t1\tBo\t1\n"))
        first, second = pair_rows(pairs, np.array(["Ann_0001.png", "Ann_0002.png", "Bo_0001.png"]))
        assert (first.tolist(), second.tolist()) == ([0, 0], [1, 2])

    def test_a_missing_image_is_never_skipped(self, tmp_path: Path) -> None:
        pairs = read_pairs(write(tmp_path, SMALL))
        with pytest.raises(InputError, match=r"5 of 7 are missing, the first Jane_Roe/Jane_Roe_0001\.jpg"):
            pair_rows(pairs, ["Ann_0001", "Ann_0003"])

    def test_an_image_twice(self, tmp_path: Path) -> None:
        pairs = read_pairs(write(tmp_path, SMALL))
        with pytest.raises(InputError, match="rows 0 and 1 are both Ann_0001"):
            pair_rows(pairs, ["a/Ann_0001.jpg", "b/Ann_0001.png"])
