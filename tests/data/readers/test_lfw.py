# SPDX-License-Identifier: MIT
"""Copies of Labeled Faces in the Wild in every layout, whole and damaged, and the traps other readers fall into."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from lfw_writer import LAYOUTS, TRAIN, FakeLfw, picture, write_lfw
from PIL import Image

from faceeval.data.faces import FaceSet
from faceeval.data.labels.pairs import pair_rows, read_people
from faceeval.data.manifest import Manifest, checksum, load_manifest
from faceeval.data.opening import Opening
from faceeval.data.readers import lfw
from faceeval.data.table import load_faces
from faceeval.errors import InputError, MissingFileError, UnknownNameError


@pytest.fixture
def fake(tmp_path: Path) -> FakeLfw:
    return write_lfw(tmp_path)


def load(root: Path, split: str = "all", **options: object) -> FaceSet:
    return lfw.load(root, split, Opening(**options))  # type: ignore[arg-type]


def expected_names(counts: dict[str, int]) -> list[str]:
    return [f"{person}/{person}_{n:04d}.jpg" for person in sorted(counts) for n in range(1, counts[person] + 1)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_reads_the_same(tmp_path: Path, layout: str) -> None:
    fake = write_lfw(tmp_path, layout)
    faces = load(fake.root, size=50)
    assert (faces.name, faces.split, faces.size) == ("lfw", "all", 50)
    assert list(faces.names) == expected_names(fake.counts)
    assert faces.people == tuple(sorted(fake.counts))
    assert faces.identities is not None
    assert [faces.people[number] for number in faces.identities] == [name.partition("/")[0] for name in faces.names]
    assert dict(faces.attributes) == {}
    assert faces.landmarks is None
    rows = [faces.names.index(f"John_Doe/John_Doe_{number:04d}.jpg") for number in (2, 10)]
    for image, number in zip(faces.read(np.array(rows)), (2, 10), strict=True):
        small = Image.fromarray(picture("John_Doe", number)).resize((50, 50), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(image, np.asarray(small).transpose(2, 0, 1), atol=6)


def test_the_digest_is_of_the_alignment_and_not_of_the_layout(tmp_path: Path) -> None:
    digests: dict[str, set[str]] = {}
    for layout in LAYOUTS:
        faces = load(write_lfw(tmp_path / layout, layout).root)
        digests.setdefault(str(faces.provenance["variant"]), set()).add(faces.digest)
    assert {variant: len(found) for variant, found in digests.items()} == dict.fromkeys(lfw.VARIANTS, 1)
    assert len(set.union(*digests.values())) == 4


@pytest.mark.parametrize(("newline", "mark"), [("\r\n", ""), ("\n", "\ufeff"), ("\r\n", "\ufeff")])
def test_line_ends_and_marks_make_no_difference(tmp_path: Path, newline: str, mark: str) -> None:
    plain, other = write_lfw(tmp_path / "a"), write_lfw(tmp_path / "b", newline=newline, mark=mark)
    for split in lfw.LISTS:
        assert load(other.root, split).digest == load(plain.root, split).digest
        assert lfw.read_view(other.root, split).first == lfw.read_view(plain.root, split).first


def test_without_the_list_of_people_the_folder_says_who_there_is(tmp_path: Path) -> None:
    assert load(write_lfw(tmp_path / "a", lists=False).root).digest == load(write_lfw(tmp_path / "b").root).digest


def test_the_folder_of_images_may_be_named_itself(fake: FakeLfw, tmp_path: Path) -> None:
    assert load(fake.images).digest == load(fake.root).digest
    link = tmp_path / "link"
    link.symlink_to(fake.images)
    assert load(link, "train").digest == load(fake.root, "train").digest
    renamed = fake.images.rename(fake.root / "faces160")
    assert load(renamed).provenance["variant"] == "unknown"
    assert load(renamed, "train").names == load(link.parent / "faces160", "train").names


def test_view_1_has_people_of_its_own(fake: FakeLfw) -> None:
    train, test = load(fake.root, "train"), load(fake.root, "test")
    assert train.people == TRAIN
    assert not set(train.people) & set(test.people)
    assert sorted((*train.names, *test.names)) == sorted(load(fake.root).names)


def test_the_splits_are_those_whose_lists_are_there(fake: FakeLfw) -> None:
    assert lfw.splits(fake.root) == ["all", "train", "test"]
    (fake.lists / "peopleDevTest.txt").unlink()
    assert lfw.splits(fake.root) == ["all", "train"]


def test_pairs_find_their_images_and_keep_their_folds(fake: FakeLfw) -> None:
    faces = load(fake.root)
    pairs = lfw.read_view(fake.root, "all")
    first, second = pair_rows(pairs, faces.names)
    assert [faces.names[row] for row in first] == list(pairs.first)
    assert faces.identities is not None
    np.testing.assert_array_equal(faces.identities[first] == faces.identities[second], pairs.same)
    assert pairs.folds.tolist() == [0, 0, 1, 1]
    for split in ("train", "test"):
        part = load(fake.root, split)
        pair_rows(lfw.read_view(fake.root, split), part.names)  # raises where one is not among them


# what scikit-learn's reader does: the n-th file of the sorted folder


@pytest.mark.parametrize("stray", ["John_Doe_0000.txt", ".DS_Store", "._John_Doe_0001.jpg", "Thumbs.db"])
@pytest.mark.parametrize("lists", [True, False])
def test_files_that_are_no_images_shift_nothing(tmp_path: Path, stray: str, lists: bool) -> None:
    fake = write_lfw(tmp_path, lists=lists)
    whole = load(fake.root, size=32)
    (fake.images / "John_Doe" / stray).write_bytes(b"stray")
    again = load(fake.root, size=32)
    assert again.digest == whole.digest
    np.testing.assert_array_equal(again.images(), whole.images())


@pytest.mark.parametrize("stray", ["0.jpg", "John_Doe_1.jpg", "John_Doe_0001 (1).jpg", "Jane_Roe_0001.jpg"])
@pytest.mark.parametrize("lists", [True, False])
def test_images_with_other_names_are_refused(tmp_path: Path, stray: str, lists: bool) -> None:
    fake = write_lfw(tmp_path, lists=lists)
    (fake.images / "John_Doe" / stray).write_bytes(b"stray")
    with pytest.raises(InputError, match="John_Doe_0001") as caught:
        load(fake.root)
    assert caught.value.got == stray


def test_an_image_is_the_one_its_number_says_whatever_lacks_before_it(fake: FakeLfw) -> None:
    whole = load(fake.root, size=32)
    images = dict(zip(whole.names, whole.images(), strict=True))
    fake.image("John_Doe", 3).unlink()
    with pytest.raises(MissingFileError, match=r"not there: 1 \(John_Doe/John_Doe_0003\.jpg\)"):
        load(fake.root)
    faces = load(fake.root, size=32, skip_missing=True)
    assert faces.skipped == ("John_Doe/John_Doe_0003.jpg",)
    assert faces.digest != whole.digest
    for name, image in zip(faces.names, faces.images(), strict=True):
        np.testing.assert_array_equal(image, images[name])
    fake.image("John_Doe", 2).unlink()
    left, pairs = load(fake.root, skip_missing=True), lfw.read_view(fake.root, "all")
    with pytest.raises(InputError, match="would move the borders of the folds"):
        pair_rows(pairs, left.names)


# what torchvision's reader does: its archive has to stay, folds are not told


def test_no_archive_has_to_stay(tmp_path: Path) -> None:
    fake = write_lfw(tmp_path, "torchvision")
    assert not list(fake.root.rglob("*.tgz"))
    assert load(fake.root).provenance["variant"] == "funneled"
    assert len(lfw.read_view(fake.root, "all").folds) == 4


def test_other_suffixes_and_cases_are_found(fake: FakeLfw) -> None:
    whole = load(fake.root, size=32)
    images = whole.images()
    Image.open(fake.image("Al_Bo", 1)).save(fake.image("Al_Bo", 1, ".png"))
    fake.image("Al_Bo", 1).unlink()
    fake.image("Kim_Li", 2).rename(fake.images / "Kim_Li" / "kim_li_0002.JPG")
    target = fake.image("Zoe_Abel", 1).rename(fake.root / "elsewhere.jpg")
    fake.image("Zoe_Abel", 1).symlink_to(target)
    faces = load(fake.root, size=32)
    assert faces.digest == whole.digest
    np.testing.assert_array_equal(faces.images(), images)
    fake.image("Kim_Li", 2).write_bytes(b"")
    with pytest.raises(InputError, match="one image for each number"):
        load(fake.root)


def test_several_alignments_are_told_apart_by_name(tmp_path: Path) -> None:
    write_lfw(tmp_path, "original")
    write_lfw(tmp_path, "deepfunneled")
    with pytest.raises(InputError, match="original and deepfunneled") as caught:
        load(tmp_path)
    assert "--data lfw:original" in caught.value.todo
    assert load_faces("lfw:deepfunneled", "test", root=tmp_path).provenance["variant"] == "deepfunneled"
    with pytest.raises(UnknownNameError, match="did you mean 'deepfunneled'"):
        load_faces("lfw:deep-funneled", "test", root=tmp_path)
    assert load(tmp_path / "lfw-deepfunneled").provenance["variant"] == "deepfunneled"


def test_people_and_images_that_no_list_knows_are_refused(fake: FakeLfw) -> None:
    path = fake.lists / "people.txt"
    text = path.read_text()
    path.write_text(text.replace("John_Doe\t12", "John_Doe\t10"))
    with pytest.raises(InputError, match=r"not listed: 2 \(John_Doe/John_Doe_0011\.jpg, John_Doe/John_Doe_0012\.jpg\)"):
        load(fake.root)
    path.write_text(text.replace("3\nAl_Bo\t2", "2"))
    with pytest.raises(InputError, match=r"not listed: 1 \(Al_Bo\)") as caught:
        load(fake.root)
    assert "may be cut short" in caught.value.todo
    assert len(load(fake.root, "train").people) == 3  # which has a list of its own


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.rsplit("Kim_Li", 1)[0], "3 people in block 2.*\n.*cut short"),
        (lambda text: text + "Kim_Li\t1\n", "from line 10 on"),
        (lambda text: text.replace("Al_Bo\t2", "Jane_Roe\t3"), "Jane_Roe in lines 3 and 7"),
        (lambda text: text.replace("Al_Bo\t2", "Al_Bo\t0"), "line 7: 'Al_Bo 0'"),
        (lambda text: text.replace("Al_Bo\t2", "Al_Bo\ttwo"), "line 7: 'Al_Bo two'"),
        (lambda text: text.replace("Al_Bo", "../Al_Bo"), "'../Al_Bo' in line 7"),
        (lambda text: "<html>", "web page"),
        (lambda text: "\0\xff", "a line with a count alone"),
        (lambda text: "", "the end of the file"),
        (lambda text: "people\n" + text, "line 1: 'people'"),
    ],
)
def test_damaged_lists_are_named(fake: FakeLfw, change: object, words: str) -> None:
    path = fake.lists / "people.txt"
    path.write_text(change(path.read_text()))  # type: ignore[operator]
    with pytest.raises(InputError, match=words) as caught:
        load(fake.root)
    assert str(path) in str(caught.value)


def test_lists_of_people_keep_their_folds(fake: FakeLfw) -> None:
    listed = read_people(fake.lists / "people.txt")
    assert listed.folds.tolist() == [0, 0, 0, 1, 1, 1]
    assert dict(zip(listed.people, listed.images.tolist(), strict=True)) == fake.counts
    assert tuple(read_people(fake.lists / "peopleDevTrain.txt").folds) == (0, 0, 0)


def test_what_is_not_there_is_asked_for(fake: FakeLfw, tmp_path: Path) -> None:
    for split, name in (("train", "peopleDevTrain.txt"), ("test", "peopleDevTest.txt")):
        (fake.lists / name).unlink()
        with pytest.raises(MissingFileError, match=name):
            load(fake.root, split)
    (fake.lists / "pairs.txt").unlink()
    with pytest.raises(MissingFileError, match=r"pairs\.txt"):
        lfw.read_view(fake.root, "all")
    with pytest.raises(MissingFileError, match="not a folder"):
        load(tmp_path / "absent")
    with pytest.raises(MissingFileError, match="not a folder"):
        load(fake.lists / "people.txt")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(MissingFileError, match="no such folder"):
        load(empty)
    (empty / "lfw-funneled.tgz").write_bytes(b"")
    with pytest.raises(MissingFileError, match=r"only the archive .*lfw-funneled\.tgz"):
        load(empty)


def test_unknown_names_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Known: all, test, train"):
        load(tmp_path / "absent", "validation")
    with pytest.raises(UnknownNameError):
        lfw.read_view(tmp_path / "absent", "10fold")
    with pytest.raises(UnknownNameError, match="crop"):
        load(tmp_path / "absent", crop="centre")


def test_a_damaged_image_is_named_when_it_is_read(fake: FakeLfw) -> None:
    fake.image("Al_Bo", 2).write_bytes(fake.image("Al_Bo", 2).read_bytes()[:700])
    faces = load(fake.root)
    faces.read(np.array([0]))
    with pytest.raises(InputError, match=r"Al_Bo_0002\.jpg"):
        faces.images()


@pytest.fixture
def manifest(fake: FakeLfw) -> Manifest:
    """A manifest of which the fake copy is the published data."""
    published = load_manifest("lfw")
    files = tuple(
        entry.model_copy(update={"bytes": (path := fake.lists / entry.path).stat().st_size, "md5": checksum(path)})
        for entry in published.files
        if entry.role != "images"
    )
    assert len(files) == 6
    total, train = sum(fake.counts.values()), sum(fake.counts[person] for person in TRAIN)
    splits = {"all": total, "train": train, "test": total - train}
    return published.model_copy(update={"splits": splits, "files": files})


def test_a_perfect_copy_raises_nothing(fake: FakeLfw, manifest: Manifest) -> None:
    assert lfw.check(manifest, fake.root) == []


def test_the_manifest_has_the_facts() -> None:
    manifest = load_manifest("lfw")
    assert manifest.splits["all"] == 13_233 == manifest.splits["train"] + manifest.splits["test"]
    assert manifest.identities == 5_749
    sums = {entry.path: entry.md5 for entry in manifest.files}
    assert sums["pairs.txt"] == "9f1ba174e4e1c508ff7cdf10ac338a7d"
    assert sums["pairsDevTest.txt"] == "5132f7440eb68cf58910c8a45a2ac10b"


def test_what_verify_finds(fake: FakeLfw, manifest: Manifest) -> None:
    (fake.lists / "peopleDevTest.txt").unlink()
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "JPEG")
    fake.image("Al_Bo", 1).write_bytes(buffer.getvalue())
    fake.image("Al_Bo", 2).write_bytes(fake.image("Al_Bo", 2).read_bytes()[:-300])
    said = [str(finding) for finding in lfw.check(manifest, fake.root)]
    assert said == [
        "note: peopleDevTest.txt: not there; list will be unknown",
        "error: images: bad images: 2 (Al_Bo_0001.jpg is 64x64, not 250x250, Al_Bo_0002.jpg is cut short)",
    ]


def test_a_copy_that_is_all_of_another_size_is_noted(fake: FakeLfw, manifest: Manifest) -> None:
    for path in fake.root.rglob("*.jpg"):
        with Image.open(path) as image:
            image.resize((112, 112)).save(path)
    said = [str(finding) for finding in lfw.check(manifest, fake.root)]
    assert said == ["note: images: of 112x112 pixels, not the 250x250 published"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("Jane_Roe\t1\t3", "Jane_Roe\t1\t4", r"images of the copy in .*pairs\.txt.*Jane_Roe_0004"),
        ("Kim_Li\t2\tAl_Bo", "Kim_Li\t2\tJane_Roe", "Jane_Roe in folds 1 and 2"),
    ],
)
def test_verify_holds_the_pairs_against_the_images(
    fake: FakeLfw, manifest: Manifest, old: str, new: str, words: str
) -> None:
    path = fake.lists / "pairs.txt"
    path.write_text(path.read_text().replace(old, new))
    findings = [finding for finding in lfw.check(manifest, fake.root) if finding.level == "error"]
    assert [finding.subject for finding in findings] == ["labels"]
    assert re.search(words, findings[0].message)


def test_every_alignment_is_verified(tmp_path: Path) -> None:
    write_lfw(tmp_path, "original")
    second = write_lfw(tmp_path, "funneled")
    second.image("Al_Bo", 1).write_text("<html>")
    errors = [one for one in lfw.check(load_manifest("lfw"), tmp_path) if one.level == "error"]
    assert [str(one) for one in errors] == ["error: funneled, images: bad images: 1 (Al_Bo_0001.jpg cannot be opened)"]
