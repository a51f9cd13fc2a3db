# SPDX-License-Identifier: MIT
"""Copies of CelebA in every layout and dialect, whole and damaged."""

from __future__ import annotations

import dataclasses
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from celeba_writer import LAYOUTS, FakeCelebA, smooth_image, write_tables
from PIL import Image

from faceeval.data.crops import crop_box
from faceeval.data.faces import FaceSet
from faceeval.data.opening import Opening
from faceeval.data.readers import celeba
from faceeval.errors import FaceevalError, InputError, MissingFileError, UnknownNameError

Make = Callable[..., FakeCelebA]
SPLITS = ("train", "validation", "test")


def load(root: Path, split: str, **options: object) -> FaceSet:
    return celeba.load(root, split, Opening(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_layout_reads_the_same(fake_celeba: Make, layout: str, newline: str) -> None:
    fake = fake_celeba(layout, newline=newline)
    for code, split in enumerate(SPLITS):
        faces = load(fake.root, split, size=32)
        rows = np.flatnonzero(fake.partition == code)
        assert faces.name == "celeba"
        assert faces.split == split
        assert list(faces.names) == [fake.names[row] for row in rows]
        assert list(faces.attributes) == fake.attribute_names  # no forty-first, empty name
        for column, name in enumerate(fake.attribute_names):
            np.testing.assert_array_equal(faces.attributes[name], fake.attributes[rows, column] == 1)
            assert faces.attributes[name].dtype == np.uint8
        images = faces.read(np.arange(len(faces)))
        assert images.shape == (4, 3, 32, 32)
        for image, row in zip(images, rows, strict=True):
            cut = Image.fromarray(smooth_image(row)[20:198]).resize((32, 32), Image.Resampling.BILINEAR)
            np.testing.assert_allclose(image, np.asarray(cut).transpose(2, 0, 1), atol=6)
        if layout == "kaggle":
            assert faces.identities is None  # that copy has no identities
        else:
            np.testing.assert_array_equal(faces.identities, fake.identities[rows])


def test_the_digest_is_of_the_data_and_not_of_its_dialect(fake_celeba: Make) -> None:
    digests = {load(fake_celeba(layout).root, "test").digest for layout in LAYOUTS}
    assert len(digests) == 1


def test_the_digest_tells_data_apart(fake_celeba: Make) -> None:
    fake = fake_celeba()
    digests = [
        load(fake.root, "test").digest,
        load(fake.root, "train").digest,
        load(fake.root, "test", size=65).digest,
        load(fake.root, "test", crop="center170").digest,
    ]
    fake.attributes[-1, 0] *= -1
    write_tables(fake, "flat")
    digests.append(load(fake.root, "test").digest)
    assert len(set(digests)) == len(digests)
    assert load(fake.root, "test").digest == digests[-1]


def test_landmarks_follow_the_crop_and_the_scale(fake_celeba: Make) -> None:
    fake = fake_celeba()
    rows = fake.partition == 2
    points = fake.landmarks[rows].reshape(-1, 5, 2)
    uncut = load(fake.root, "test", size=178)
    assert uncut.landmarks is not None
    np.testing.assert_allclose(uncut.landmarks, points - [0, 20], atol=1e-4)
    half = load(fake.root, "test", size=54, crop="center108")
    assert half.landmarks is not None
    assert half.landmarks.dtype == np.float32
    # the centre of pixel 0 of the small image is the corner between pixels 0 and 1 of the large one
    np.testing.assert_allclose(half.landmarks, (points - [35, 55] - 0.5) / 2, atol=1e-4)


def test_a_landmark_stays_on_what_it_marks(fake_celeba: Make) -> None:
    fake = fake_celeba()
    fake.landmarks[11] = [60, 100, 110, 90, 89, 130, 70, 150, 108, 151]
    write_tables(fake, "flat")
    pixels = np.zeros((218, 178, 3), np.uint8)
    for x, y in fake.landmarks[11].reshape(5, 2):
        pixels[y - 2 : y + 3, x - 2 : x + 3] = 255
    Image.fromarray(pixels).save(fake.images / "000012.jpg", quality=100, subsampling=0)
    faces = load(fake.root, "test", size=64)
    image = faces.read(np.array([3]))[0].astype(float).mean(0)
    assert faces.landmarks is not None
    for x, y in faces.landmarks[3]:
        patch = image[round(float(y)) - 2 :, round(float(x)) - 2 :][:5, :5]
        rows, columns = np.indices(patch.shape)
        centre = [(columns * patch).sum(), (rows * patch).sum()] / patch.sum() + np.round([x, y]) - 2
        np.testing.assert_allclose(centre, [x, y], atol=0.1)


def test_label_files_may_stand_in_different_orders(fake_celeba: Make) -> None:
    fake = fake_celeba()
    expected = load(fake.root, "test")
    order = np.random.default_rng(0).permutation(12)
    shuffled = dataclasses.replace(
        fake,
        names=[fake.names[row] for row in order],
        partition=fake.partition[order],
        identities=fake.identities[order],
        landmarks=fake.landmarks[order],
    )
    attributes = fake.label_file("list_attr_celeba").read_bytes()
    write_tables(shuffled, "flat")
    fake.label_file("list_attr_celeba").write_bytes(attributes)
    faces = load(fake.root, "test")
    assert faces.names == expected.names
    assert faces.digest == expected.digest
    np.testing.assert_array_equal(faces.identities, expected.identities)
    np.testing.assert_array_equal(faces.landmarks, expected.landmarks)


@pytest.mark.parametrize("suffix", [".JPG", ".jpeg"])
def test_images_are_found_by_their_stem(fake_celeba: Make, suffix: str) -> None:
    faces = load(fake_celeba(suffix=suffix).root, "test")
    assert faces.names[0] == "000009.jpg"
    assert faces.read(np.array([0])).shape == (1, 3, 64, 64)


def test_the_png_copy_is_found(fake_celeba: Make) -> None:
    fake = fake_celeba()
    folder = fake.root / "img_align_celeba_png"
    folder.mkdir()
    for path in list(fake.images.iterdir()):
        Image.open(path).save(folder / f"{path.stem}.png")
        path.unlink()
    fake.images.rmdir()
    assert load(fake.root, "train").read(np.arange(4)).shape == (4, 3, 64, 64)


def test_what_a_mac_leaves_behind_is_no_image(fake_celeba: Make) -> None:
    fake = fake_celeba()
    (fake.images / "._000001.jpg").write_bytes(b"\0\5\x16\7")
    (fake.images / ".DS_Store").write_bytes(b"")
    (fake.images / "Thumbs.db").write_bytes(b"")
    assert len(load(fake.root, "test")) == 4


def test_identities_and_landmarks_are_optional(fake_celeba: Make) -> None:
    fake = fake_celeba()
    digest = load(fake.root, "test").digest
    fake.label_file("identity_CelebA").unlink()
    fake.label_file("list_landmarks_align_celeba").unlink()
    faces = load(fake.root, "test")
    assert faces.identities is None
    assert faces.landmarks is None
    assert faces.digest == digest


def test_square_images_are_taken_whole_and_have_no_landmarks(fake_celeba: Make) -> None:
    fake = fake_celeba()
    for path in fake.images.iterdir():
        Image.fromarray(smooth_image(3, 96, 96)).save(path, "JPEG", quality=95)
    faces = load(fake.root, "test", size=96, crop="none")
    assert faces.landmarks is None  # the file gives them in the aligned frame
    np.testing.assert_allclose(faces.read(np.array([2]))[0], smooth_image(3, 96, 96).transpose(2, 0, 1), atol=8)
    with pytest.raises(InputError, match="178x218"):
        load(fake.root, "test").read(np.array([2]))


def test_provenance_names_the_box_and_no_place(fake_celeba: Make) -> None:
    fake = fake_celeba()
    provenance = load(fake.root, "test", crop="low170").provenance
    assert (provenance["crop_top"], provenance["crop_left"], provenance["crop_size"]) == (26, 3, 170)
    assert "bilinear" in str(provenance["filter"])
    assert str(fake.root) not in str(provenance)


def test_faces_can_be_sent_to_other_processes(fake_celeba: Make) -> None:
    faces = load(fake_celeba().root, "test", size=16)
    copy = pickle.loads(pickle.dumps(faces))
    np.testing.assert_array_equal(copy.read(np.array([1, 0])), faces.read(np.array([1, 0])))


def cut_last_row(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    if lines[0].strip().isdigit():
        lines[0] = f"{int(lines[0]) - 1}\n"
    path.write_text("".join(lines[:-1]))


@pytest.mark.parametrize("name", ["list_attr_celeba", "list_eval_partition", "identity_CelebA"])
def test_a_label_file_shorter_than_the_others_is_named(fake_celeba: Make, name: str) -> None:
    fake = fake_celeba()
    cut_last_row(fake.label_file(name))
    with pytest.raises(InputError, match=r"000012\.jpg") as caught:
        load(fake.root, "test")
    assert name in str(caught.value)


def test_labels_for_fewer_images_than_there_are_are_refused(fake_celeba: Make) -> None:
    fake = fake_celeba()
    for name in ("list_attr_celeba", "list_eval_partition"):
        cut_last_row(fake.label_file(name))
    with pytest.raises(InputError, match=r"11 rows; images without one: 1 \(000012\.jpg\)") as caught:
        load(fake.root, "test")
    assert "12 images" in caught.value.expected


def test_labels_for_more_images_than_there_are_are_refused(fake_celeba: Make) -> None:
    fake = fake_celeba()
    (fake.images / "000005.jpg").unlink()
    (fake.images / "000007.jpg").unlink()
    with pytest.raises(MissingFileError, match=r"10 of them; not there: 2 \(000005\.jpg, 000007\.jpg\)"):
        load(fake.root, "test")


def test_rows_without_images_can_be_left_out_and_are_listed(fake_celeba: Make) -> None:
    fake = fake_celeba()
    whole = load(fake.root, "validation")
    images = whole.images()
    (fake.images / "000005.jpg").unlink()
    (fake.images / "000012.jpg").unlink()
    faces = load(fake.root, "validation", skip_missing=True)
    assert faces.skipped == ("000005.jpg",)
    assert faces.names == whole.names[1:]
    np.testing.assert_array_equal(faces.attributes["Young"], whole.attributes["Young"][1:])
    np.testing.assert_array_equal(faces.images(), images[1:])
    assert faces.digest != whole.digest
    assert faces.provenance["skipped"] == 1


def test_a_count_line_that_promises_more_is_believed(fake_celeba: Make) -> None:
    fake = fake_celeba()
    path = fake.label_file("list_attr_celeba")
    path.write_text(path.read_text().replace("12\n", "202599\n", 1))
    with pytest.raises(InputError, match=r"202599 rows.*\n.*12; it may be cut short"):
        load(fake.root, "test")


@pytest.mark.parametrize("value", [0, 2, -7])
def test_attribute_values_other_than_minus_one_and_one_are_refused(fake_celeba: Make, value: int) -> None:
    fake = fake_celeba()
    fake.attributes[4, 1] = value
    write_tables(fake, "flat")
    with pytest.raises(InputError, match=f"{value} \\(000005.jpg, Eyeglasses\\)"):
        load(fake.root, "test")


def test_unknown_partition_codes_are_refused(fake_celeba: Make) -> None:
    fake = fake_celeba()
    fake.partition[2] = 3
    write_tables(fake, "flat")
    with pytest.raises(InputError, match=r"3 \(000003\.jpg\)"):
        load(fake.root, "test")


def test_an_empty_split_is_refused(fake_celeba: Make) -> None:
    fake = fake_celeba()
    fake.partition[:] = 0
    write_tables(fake, "flat")
    assert len(load(fake.root, "train")) == 12
    with pytest.raises(InputError, match="none among 12"):
        load(fake.root, "test")


def test_attributes_without_names_are_refused(fake_celeba: Make) -> None:
    fake = fake_celeba()
    path = fake.label_file("list_attr_celeba")
    path.write_text("".join(path.read_text().splitlines(keepends=True)[2:]))
    with pytest.raises(InputError, match="attribute names"):
        load(fake.root, "test")


@pytest.mark.parametrize("name", ["list_attr_celeba", "list_eval_partition"])
def test_needed_label_files_are_asked_for(fake_celeba: Make, name: str) -> None:
    fake = fake_celeba()
    fake.label_file(name).unlink()
    with pytest.raises(MissingFileError, match=f"{name}.txt or {name}.csv"):
        load(fake.root, "test")


def test_the_image_folder_is_asked_for(fake_celeba: Make) -> None:
    fake = fake_celeba()
    fake.images.rename(fake.root / "images")
    with pytest.raises(MissingFileError, match="no such folder"):
        load(fake.root, "test")
    (fake.root / "img_align_celeba.zip").write_bytes(b"PK")
    with pytest.raises(MissingFileError, match=r"only the archive .*img_align_celeba\.zip") as caught:
        load(fake.root, "test")
    assert "unpack" in caught.value.todo
    with pytest.raises(MissingFileError, match="not a folder"):
        load(fake.root / "elsewhere", "test")


def test_unknown_names_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="validation"):
        load(tmp_path / "absent", "valid")
    with pytest.raises(UnknownNameError, match="center178"):
        load(tmp_path / "absent", "test", crop="center-178")
    with pytest.raises(InputError, match="image size"):
        load(tmp_path / "absent", "test", size=0)


def test_a_bad_image_is_named_when_it_is_read(fake_celeba: Make) -> None:
    fake = fake_celeba()
    path = fake.images / "000010.jpg"
    path.write_bytes(path.read_bytes()[:1500])
    faces = load(fake.root, "test")
    faces.read(np.array([0, 2, 3]))
    with pytest.raises(FaceevalError, match=r"000010\.jpg"):
        faces.read(np.arange(4))


@pytest.mark.skipif("FACEEVAL_PORTRAITS" not in os.environ, reason="FACEEVAL_PORTRAITS does not name the portraits")
def test_portraits_read_as_celeba() -> None:
    root = Path(os.environ["FACEEVAL_PORTRAITS"])
    counts = {split: len(load(root, split)) for split in SPLITS}
    assert counts == {"train": 120, "validation": 40, "test": 40}
    faces = load(root, "test", size=128)
    assert list(faces.attributes) == ["Eyeglasses", "Male", "Young"]
    images = faces.read(np.arange(40))
    assert images.shape == (40, 3, 128, 128)
    assert images.std((1, 2, 3)).min() > 20
    # faces are aligned at the eyes, (69, 111) and (108, 111) of the stored image
    scale = 128 / crop_box("center178").size
    assert faces.landmarks is not None
    np.testing.assert_allclose(
        faces.landmarks[:, :2].mean(0), np.array([[69.5, 91.5], [108.5, 91.5]]) * scale - 0.5, atol=1
    )
