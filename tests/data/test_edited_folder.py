# SPDX-License-Identifier: MIT
"""Folders of images made elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from faceeval.data.folder import edited_images, list_images, stem
from faceeval.data.images import write_png
from faceeval.errors import InputError, MissingFileError

NAMES = ("000003.jpg", "000001.jpg", "procfaces-00002")


def fill(folder: Path, size: int = 32) -> dict[str, np.ndarray]:
    images = {
        name: np.random.default_rng(row).integers(0, 256, (3, size, size), np.uint8) for row, name in enumerate(NAMES)
    }
    for name, image in images.items():
        write_png(folder / f"{stem(name)}.png", image)
    return images


def test_edits_are_paired_by_stem_whatever_the_order(tmp_path: Path) -> None:
    images = fill(tmp_path)
    read = edited_images(tmp_path, NAMES, 32)
    for indices in ([0, 1, 2], [2, 0], [1, 1]):
        np.testing.assert_array_equal(read(np.array(indices)), [images[NAMES[index]] for index in indices])
    assert read(np.array([], np.int64)).shape == (0, 3, 32, 32)


def test_suffixes_count_in_any_case_and_other_files_not(tmp_path: Path) -> None:
    images = fill(tmp_path)
    (tmp_path / "000001.png").rename(tmp_path / "000001.PNG")
    (tmp_path / "notes.txt").write_text("made on Tuesday")
    (tmp_path / "._000001.png").write_bytes(b"\0")
    np.testing.assert_array_equal(edited_images(tmp_path, NAMES, 32)(np.array([1]))[0], images["000001.jpg"])


def test_of_sources_in_folders_the_last_part_counts(tmp_path: Path) -> None:
    images = fill(tmp_path)
    names = [f"somebody/{name}" for name in NAMES]
    np.testing.assert_array_equal(edited_images(tmp_path, names, 32)(np.array([1]))[0], images[NAMES[1]])
    with pytest.raises(InputError, match="differ in their folder"):
        edited_images(tmp_path, [*names, f"else/{NAMES[0]}"], 32)


def test_more_edits_than_needed_are_no_harm(tmp_path: Path) -> None:
    fill(tmp_path)
    assert edited_images(tmp_path, NAMES[:1], 32)(np.array([0])).shape == (1, 3, 32, 32)


def test_missing_edits_are_listed_beside_what_is_there_instead(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "000001.png").rename(tmp_path / "000001_edited.png")
    with pytest.raises(MissingFileError, match=r"lacks 1 \(000001\)") as caught:
        edited_images(tmp_path, NAMES, 32)
    assert "1 (000001_edited.png)" in caught.value.got
    with pytest.raises(MissingFileError, match=r"lacks 9 \(0, 1, 2, \.\.\.\)"):
        edited_images(tmp_path, [f"{n}.jpg" for n in range(9)], 32)


def test_images_of_another_size_are_listed(tmp_path: Path) -> None:
    fill(tmp_path)
    write_png(tmp_path / "000001.png", np.zeros((3, 64, 48), np.uint8))
    with pytest.raises(InputError, match=r"1 \(000001\.png is 48x64\)") as caught:
        edited_images(tmp_path, NAMES, 32)
    assert "32x32" in caught.value.expected


def test_two_edits_of_one_source_are_refused(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "000001.webp").write_bytes((tmp_path / "000001.png").read_bytes())
    with pytest.raises(InputError, match=r"both 000001\.png and 000001\.webp"):
        edited_images(tmp_path, NAMES, 32)


def test_a_file_that_is_no_image_is_named_before_scoring(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "000003.png").write_text("oops")
    with pytest.raises(InputError, match=r"000003\.png is text"):
        edited_images(tmp_path, NAMES, 32)


def test_the_folder_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="absent"):
        edited_images(tmp_path / "absent", NAMES, 32)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        edited_images(tmp_path / "file", NAMES, 32)


def test_listing_is_sorted_and_does_not_descend(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "c.jpeg", "d.txt", ".hidden.png", "E.JPEG"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "f.png").write_bytes(b"")
    assert [path.name for path in list_images(tmp_path)] == ["E.JPEG", "a.png", "b.JPG", "c.jpeg"]


def test_a_folder_of_folders_is_explained(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    with pytest.raises(InputError, match="but folders: test"):
        list_images(tmp_path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("000001.jpg", "000001"), ("a.b.PNG", "a.b"), ("procfaces-00001", "procfaces-00001"), ("v1.2", "v1.2")],
)
def test_only_image_suffixes_are_cut_off(name: str, expected: str) -> None:
    assert stem(name) == expected
