# SPDX-License-Identifier: MIT
"""What is written in CelebA's layout is what its reader reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from known_faces import known_faces, rows_in, through_jpeg
from PIL import Image

from faceeval.data.export.table import export_faces
from faceeval.data.faces import FaceSet
from faceeval.data.manifest import verify
from faceeval.data.table import load_faces
from faceeval.errors import InputError

SPLITS = ("train", "validation", "test")


def sources(size: int = 178) -> dict[str, FaceSet]:
    return {split: known_faces(split, 2, size, first_person=2 * number) for number, split in enumerate(SPLITS)}


@pytest.mark.parametrize("lossless", [True, False])
def test_celeba_is_read_back_equal(tmp_path: Path, lossless: bool) -> None:
    faces, root, seen = sources(), tmp_path / "copy", []
    export_faces("celeba", faces, root, lossless=lossless, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (24, 24)
    for split, source in faces.items():
        back = load_faces("celeba", split, size=178, root=root)
        assert rows_in(source, back, root).tolist() == list(range(8))
        assert dict(back.attributes).keys() == dict(source.attributes).keys()
        for name, values in source.attributes.items():
            np.testing.assert_array_equal(back.attributes[name], values)
        np.testing.assert_array_equal(back.identities, source.identities)
        assert back.landmarks is not None
        np.testing.assert_array_equal(back.landmarks, np.rint(source.landmarks))
        np.testing.assert_array_equal(back.images(), source.images() if lossless else framed(source.images()))


def framed(images: np.ndarray) -> np.ndarray:
    """Images in CelebA's frame and through JPEG; the crop cuts at 20, amid JPEG's blocks of 8."""
    return through_jpeg(np.pad(images, ((0, 0), (0, 0), (20, 20), (0, 0)), mode="edge"))[:, :, 20:198]


def test_the_label_files_look_like_the_published_ones(tmp_path: Path) -> None:
    export_faces("celeba", sources(), tmp_path / "copy")
    anno = tmp_path / "copy" / "Anno"
    lines = (anno / "list_attr_celeba.txt").read_bytes().split(b"\n")
    assert lines[:3] == [b"24", b"Male Smiling ", b"000001.jpg  1  1"]
    assert lines[-1] == b""
    assert (anno / "list_landmarks_align_celeba.txt").read_text().startswith("24\nlefteye_x lefteye_y righteye_x")
    assert (anno / "identity_CelebA.txt").read_text().splitlines()[-1] == "000024.jpg 5"
    partition = (tmp_path / "copy" / "Eval" / "list_eval_partition.txt").read_text().splitlines()
    assert [partition[0], partition[8], partition[16]] == ["000001.jpg 0", "000009.jpg 1", "000017.jpg 2"]
    with Image.open(tmp_path / "copy" / "Img" / "img_align_celeba" / "000001.jpg") as image:
        assert image.size == (178, 218)
        assert image.format == "JPEG"


def test_verify_finds_no_error_in_it(tmp_path: Path) -> None:
    export_faces("celeba", sources(), tmp_path / "copy", lossless=True)
    assert [finding for finding in verify("celeba", tmp_path / "copy") if finding.level == "error"] == []


def test_other_sizes_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leave out --size"):
        export_faces("celeba", sources(64), tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []
