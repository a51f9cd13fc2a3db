# SPDX-License-Identifier: MIT
"""Copies of PubFig of both versions, whole and damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pubfig_writer import IMAGES, RECT, FakePubFig, picture, write_pubfig

from faceeval.data.faces import FaceSet
from faceeval.data.labels.url_lists import attribute_name
from faceeval.data.manifest import Manifest, load_manifest
from faceeval.data.opening import Opening
from faceeval.data.readers import pubfig
from faceeval.errors import InputError, MissingFileError, UnknownNameError
from faceeval.names import CELEBA_ATTRIBUTES


@pytest.fixture
def fake(tmp_path: Path) -> FakePubFig:
    return write_pubfig(tmp_path)


def load(root: Path, split: str = "test", **options: object) -> FaceSet:
    return pubfig.load(root, split, Opening(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(("split", "prefix"), [("train", "dev"), ("test", "eval")])
def test_the_lists_are_read_in_their_order(fake: FakePubFig, split: str, prefix: str) -> None:
    faces = load(fake.root, split)
    keys = IMAGES[prefix]
    stems = [f"{person.replace(' ', '_')}_{number:04d}" for person, number in keys]
    assert list(faces.names) == [f"{stem[:-5]}/{stem}.jpg" for stem in stems]
    assert faces.identities is not None
    assert [faces.people[number] for number in faces.identities] == [person for person, _ in keys]
    wanted = ["Male", "Mouth_Slightly_Open", "5_o_Clock_Shadow", "Strong_Nose-Mouth_Lines"]
    assert list(faces.attributes) == wanted
    scores = np.array([fake.scores[key] for key in keys])
    np.testing.assert_array_equal(np.stack(list(faces.attributes.values()), 1), scores > 0)
    assert faces.landmarks is None


def test_the_face_is_cut_out_of_the_image(fake: FakePubFig) -> None:
    faces = load(fake.root, crop="box", size=70)
    assert faces.provenance["crop"] == "box"
    left, top, side = 35, 20, 70  # around the middle of a rect 60 wide and 70 high
    for image, key in zip(faces.images(), IMAGES["eval"], strict=True):
        cut = picture(*key)[top : top + side, left : left + side].transpose(2, 0, 1)
        assert np.abs(image.astype(int) - cut).mean() < 4
    wide = load(fake.root, size=91)
    assert wide.provenance["crop"] == "box1.3"
    assert RECT[1] - (91 - 70) / 2 > 0
    assert wide.images()[:, :, 45, 45].min() > 100


def test_layouts_and_line_ends_make_no_difference(fake: FakePubFig, tmp_path: Path) -> None:
    others = [
        write_pubfig(tmp_path / "a", inside="pubfig"),
        write_pubfig(tmp_path / "b", newline="\r\n", mark="\ufeff"),
    ]
    for split in pubfig.SPLITS:
        digests = {load(copy.root, split).digest for copy in (fake, *others)}
        assert len(digests) == 1


def test_version_1_1_has_no_checksums_and_the_same_faces(fake: FakePubFig, tmp_path: Path) -> None:
    old = write_pubfig(tmp_path / "old", version="1.1")
    assert load(old.root).digest == load(fake.root).digest
    assert pubfig.read_labels(pubfig.find_files(old.root), "test")[1].md5 == ()


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_lists_without_comments_are_known_by_their_width(fake: FakePubFig, tmp_path: Path, version: str) -> None:
    bare = write_pubfig(tmp_path / "bare", comments=False, version=version)
    assert load(bare.root).names == load(fake.root).names
    assert dict(load(bare.root).attributes) == {}


def test_fields_go_by_their_names(fake: FakePubFig) -> None:
    expected = load(fake.root)
    path = fake.folder / "eval_urls.txt"
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    lines[1] = lines[1][1:]
    swapped = [lines[0], *([line[0], line[3], line[1], line[4], line[2]] for line in lines[1:])]
    swapped[1][0] = "#" + swapped[1][0]
    path.write_text("\n".join("\t".join(line) for line in swapped))
    assert load(fake.root).digest == expected.digest


def test_attributes_have_celeba_s_names_where_they_mean_the_same() -> None:
    manifest = load_manifest("pubfig")
    assert len(manifest.attributes) == 73
    assert len(set(manifest.attributes) & set(CELEBA_ATTRIBUTES)) == 38
    assert attribute_name("5 o'Clock Shadow") == "5_o_Clock_Shadow"


def test_dead_addresses_are_listed(fake: FakePubFig) -> None:
    whole = load(fake.root)
    fake.image("Kim Li", 1).unlink()
    with pytest.raises(MissingFileError, match=r"not there: 1 \(Kim_Li/Kim_Li_0001\.jpg\)") as caught:
        load(fake.root)
    assert "--skip-missing" in caught.value.todo
    faces = load(fake.root, skip_missing=True)
    assert faces.skipped == ("Kim_Li/Kim_Li_0001.jpg",)
    assert faces.names == (whole.names[0], *whole.names[2:])
    np.testing.assert_array_equal(faces.attributes["Male"], np.delete(whole.attributes["Male"], 1))
    assert faces.digest != whole.digest


def test_other_suffixes_are_found(fake: FakePubFig) -> None:
    whole = load(fake.root)
    Image.open(fake.image("Kim Li", 1)).save(fake.image("Kim Li", 1, ".png"))
    fake.image("Kim Li", 1).unlink()
    fake.image("John Doe", 3).rename(fake.image("John Doe", 3, ".JPEG"))
    assert load(fake.root).digest == whole.digest


def change(name: str, old: str, new: str) -> Callable[[FakePubFig], None]:
    def apply(fake: FakePubFig) -> None:
        path = fake.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return apply


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (change("eval_urls.txt", "John Doe\t3\thttp", "John Doe\t3 http"), r"5 fields.*\n.*4 in line 3"),
        (change("eval_urls.txt", "Kim Li\t12", "Kim Li\t1"), "Kim Li 1 in lines 4 and 5"),
        (change("eval_urls.txt", "Kim Li\t12", "Kim Li\t0"), "'0' in line 5"),
        (change("eval_urls.txt", "Kim Li\t12", "../Kim Li\t12"), "'../Kim Li' in line 5"),
        (change("eval_urls.txt", "40,20,100,90", "40,20,100"), "'40,20,100' in line 3"),
        (change("eval_urls.txt", "40,20,100,90", "40,20,30,90"), "x0 < x1"),
        (change("eval_urls.txt", "\trect", "\tbox"), "no rect in person"),
        (change("eval_urls.txt", "# PubFig", "<html>"), "web page"),
        (change("eval_people.txt", "Kim Li", "Kim Lee"), r"others: 1 \(Kim Li\)"),
        (change("pubfig_attributes.txt", "Kim Li\t12", "Kim Li\t13"), r"not there: 1 \(Kim Li 12\)"),
        (change("pubfig_attributes.txt", "Kim Li\t12\t", "Kim Li\t12\tnan\t"), "fields"),
        (change("pubfig_attributes.txt", "#\tperson", "#\tname"), "names of attributes"),
        (change("pubfig_attributes.txt", "Mouth Slightly Open", "Male"), "Male twice"),
    ],
)
def test_damaged_lists_are_named(fake: FakePubFig, damage: Callable[[FakePubFig], None], words: str) -> None:
    damage(fake)
    with pytest.raises(InputError, match=words) as caught:
        load(fake.root)
    assert ".txt" in str(caught.value)


def test_a_changed_checksum_field_is_refused(fake: FakePubFig) -> None:
    path = fake.folder / "eval_urls.txt"
    path.write_text(path.read_text().rstrip()[:-1])
    with pytest.raises(InputError, match="MD5 of 32 digits"):
        load(fake.root)


@pytest.mark.parametrize("value", ["nan", "inf", "0.0", "yes"])
def test_scores_that_say_nothing_are_refused(fake: FakePubFig, value: str) -> None:
    path = fake.folder / "pubfig_attributes.txt"
    lines = path.read_text().splitlines()
    fields = lines[3].split("\t")
    lines[3] = "\t".join([*fields[:3], value, *fields[4:]])
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"line 4") as caught:
        load(fake.root)
    assert value in caught.value.got


def test_what_is_not_there_is_asked_for(fake: FakePubFig, tmp_path: Path) -> None:
    (fake.folder / "dev_urls.txt").unlink()
    assert pubfig.splits(fake.root) == ["test"]
    with pytest.raises(MissingFileError, match=r"dev_urls\.txt"):
        load(fake.root, "train")
    (fake.folder / "images").rename(fake.folder / "pictures")
    with pytest.raises(MissingFileError, match=r"images/Jane_Roe/Jane_Roe_0004\.jpg"):
        load(fake.root)
    with pytest.raises(MissingFileError, match="not a folder"):
        load(fake.folder / "eval_urls.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingFileError, match="dev_urls"):
        load(tmp_path / "empty")


def test_unknown_names_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Known: test, train"):
        load(tmp_path / "absent", "dev")
    with pytest.raises(UnknownNameError, match="box"):
        load(tmp_path / "absent", crop="boxes")


@pytest.fixture
def manifest(fake: FakePubFig) -> Manifest:
    """A manifest of which the fake copy is the published data."""
    update = {"splits": {"train": 3, "test": 4}, "attributes": tuple(load(fake.root).attributes)}
    return load_manifest("pubfig").model_copy(update=update)


def test_a_perfect_copy_raises_nothing(fake: FakePubFig, manifest: Manifest) -> None:
    steps: list[tuple[int, int]] = []
    assert pubfig.check(manifest, fake.root, lambda done, total: steps.append((done, total))) == []
    assert steps[-1] == (7, 7)


def test_verify_tells_other_images_and_boxes_beside_them(fake: FakePubFig, manifest: Manifest) -> None:
    path = fake.image("Kim Li", 1)
    Image.open(path).resize((40, 30)).save(path)
    said = [str(finding) for finding in pubfig.check(manifest, fake.root)]
    assert said == [
        "note: eval_urls.txt: not the published files, so that rects may miss the faces: 1 (Kim_Li/Kim_Li_0001.jpg)",
        "error: eval_urls.txt: rects outside their images: 1 (Kim_Li/Kim_Li_0001.jpg)",
    ]


def test_verify_tells_what_is_missing_or_in_both_sets(fake: FakePubFig, manifest: Manifest) -> None:
    (fake.folder / "dev_people.txt").unlink()
    change("dev_urls.txt", "Al Bo Cy\t2", "John Doe\t3")(fake)
    errors = [str(one) for one in pubfig.check(manifest, fake.root) if one.level == "error"]
    assert errors == ["error: identities: people in more than one split: 1 (John Doe)"]
    fake.image("John Doe", 3).unlink()
    errors = [str(one) for one in pubfig.check(manifest, fake.root) if one.level == "error"]
    assert "John_Doe_0003" in errors[0]
