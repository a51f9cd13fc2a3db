# SPDX-License-Identifier: MIT
"""FaceScrub as cut faces, as whole images and as MegaFace packed it; whole, as copies are, and damaged."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from celeba_writer import smooth_image
from PIL import Image
from small_photos import assert_equal_faces

from faceeval.data.faces import FaceSet
from faceeval.data.manifest import Manifest, load_manifest
from faceeval.data.opening import Opening
from faceeval.data.readers.facescrub import check, face_ids, find_files, load, write_face_ids
from faceeval.errors import InputError, MissingFileError, UnknownNameError

HEADER = "name\timage_id\tface_id\turl\tbbox\tsha256"
# list -> name, image_id, face_id, bbox; two faces share image 2
ROWS = {
    "actors": [("John Doe", 1, 1, (10, 20, 50, 90)), ("Al Roe Jr.", 4, 9, (5, 8, 45, 49))],
    "actresses": [
        ("Jane Roe", 1, 1, (0, 0, 70, 60)),
        ("Jane Roe", 2, 5, (11, 12, 44, 60)),
        ("Jane Roe", 2, 6, (40, 40, 90, 80)),
    ],
}
NAMES = (
    "John_Doe/John_Doe_1",
    "Al_Roe_Jr./Al_Roe_Jr._9",
    "Jane_Roe/Jane_Roe_1",
    "Jane_Roe/Jane_Roe_5",
    "Jane_Roe/Jane_Roe_6",
)
LAYOUTS = ("faces", "images", "megaface", "faces apart", "images apart", "megaface apart")


def whole_image(kind: str, image: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(smooth_image(image + 40 * (kind == "actors"), 100, 90)).save(buffer, "PNG")
    return buffer.getvalue()


def write(root: Path, layout: str = "faces", suffix: str = ".png", newline: str = "\n", mark: str = "") -> Path:
    """Writes PNG images whatever the suffix says, as downloaders do, so that cut faces are as in the whole image."""
    for kind, rows in ROWS.items():
        lines, place = [HEADER], root / kind if layout.endswith("apart") else root
        for name, image, face, (left, top, right, bottom) in rows:
            person, data = name.replace(" ", "_"), whole_image(kind, image)
            cut = io.BytesIO()
            Image.open(io.BytesIO(data)).crop((left, top, right, bottom)).save(cut, "PNG")
            path, content = {
                "faces": (f"faces/{person}/{person}_{image}_{face}{suffix}", cut.getvalue()),
                "images": (f"images/{person}/{person}_{image}{suffix}", data),
                "megaface": (f"{person}/{person}_{face}{suffix}", cut.getvalue()),
            }[layout.partition(" ")[0]]
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_bytes(content)
            digest = hashlib.sha256(data).hexdigest()
            url, box = f"http://example.org/{image}.jpg?a=1", f"{left},{top},{right},{bottom}"
            lines.append(f"{name}\t{image}\t{face}\t{url}\t{box}\t{digest}")
        (root / f"facescrub_{kind}.txt").write_bytes((mark + "".join(line + newline for line in lines)).encode())
    return root


def open_all(root: Path, **options: object) -> FaceSet:
    return load(root, "all", Opening(**{"size": 32, **options}))  # type: ignore[arg-type]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_reads_the_same(tmp_path: Path, layout: str) -> None:
    write(tmp_path / "FaceScrub", layout)
    faces = open_all(tmp_path)
    assert faces.names == NAMES
    assert faces.people == ("Al Roe Jr.", "Jane Roe", "John Doe")
    np.testing.assert_array_equal(faces.identities, [2, 0, 1, 1, 1])
    assert faces.attributes["Male"].tolist() == [1, 1, 0, 0, 0]
    assert face_ids(faces).tolist() == [1, 9, 1, 5, 6]
    assert_equal_faces(faces, open_all(write(tmp_path / "plain")))


@pytest.mark.parametrize("dialect", [{"newline": "\r\n"}, {"mark": "\ufeff"}, {"suffix": ".JPEG"}], ids=str)
@pytest.mark.parametrize("layout", ["faces", "images"])
def test_every_dialect_reads_the_same(tmp_path: Path, layout: str, dialect: dict[str, str]) -> None:
    assert_equal_faces(open_all(write(tmp_path / "a", layout, **dialect)), open_all(write(tmp_path / "b", layout)))


def test_whole_images_are_cut_in_or_around_the_box(tmp_path: Path) -> None:
    root = write(write(tmp_path, "faces"), "images")
    faces = open_all(root, size=24, crop="box")
    whole = Image.open(io.BytesIO(whole_image("actresses", 2)))
    cut = whole.crop((4, 12, 52, 60)).resize((24, 24), Image.Resampling.BILINEAR)  # 33 x 48 at (11, 12)
    np.testing.assert_array_equal(faces.read(np.array([3]))[0], np.asarray(cut).transpose(2, 0, 1))
    cut = whole.crop((11, 19, 44, 52)).resize((24, 24), Image.Resampling.BILINEAR)
    inside = open_all(root, size=24)
    np.testing.assert_array_equal(inside.read(np.array([3]))[0], np.asarray(cut).transpose(2, 0, 1))


def test_crops_that_show_nobody_or_have_no_box_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="face boxes, for the crop box"):
        open_all(write(tmp_path / "a", "faces"), crop="box")
    with pytest.raises(InputError, match="nobody knows whom it shows"):
        open_all(write(tmp_path / "b", "images"), crop="none")


def test_a_folder_may_lack_the_dot_at_its_end(tmp_path: Path) -> None:
    root = write(tmp_path / "a")
    (root / "faces" / "Al_Roe_Jr.").rename(root / "faces" / "Al_Roe_Jr")
    assert_equal_faces(open_all(root), open_all(write(tmp_path / "b")))


def test_columns_may_stand_in_another_order(tmp_path: Path) -> None:
    expected = open_all(write(tmp_path / "a"))
    path = write(tmp_path / "b") / "facescrub_actors.txt"
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    path.write_text("".join("\t".join([*reversed(row), "more"]) + "\n" for row in rows))
    assert_equal_faces(open_all(tmp_path / "b"), expected)


def test_hardly_any_copy_is_whole(tmp_path: Path) -> None:
    root = write(tmp_path)
    (root / "faces/Jane_Roe/Jane_Roe_2_5.png").unlink()
    with pytest.raises(MissingFileError, match=r"4 of them; not there: 1 \(Jane_Roe/Jane_Roe_5\)") as caught:
        open_all(root)
    assert "--skip-missing" in caught.value.todo
    faces = open_all(root, skip_missing=True)
    assert faces.skipped == ("Jane_Roe/Jane_Roe_5",)
    write_face_ids(faces, tmp_path / "used.tsv")
    assert (tmp_path / "used.tsv").read_text() == (
        "name\tface_id\nJohn_Doe\t1\nAl_Roe_Jr.\t9\nJane_Roe\t1\nJane_Roe\t6\n"
    )


@pytest.mark.parametrize("layout", ["faces", "images", "megaface"])
def test_images_without_a_row_are_refused(tmp_path: Path, layout: str) -> None:
    root = write(tmp_path, layout)
    path = root / "facescrub_actresses.txt"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:2]))
    with pytest.raises(InputError, match=r"3 rows; images without one: .*Jane_Roe"):
        open_all(root)


def test_a_copy_may_have_people_of_one_list_only(tmp_path: Path) -> None:
    root = write(tmp_path)
    for name in ("John_Doe", "Al_Roe_Jr."):
        for path in (root / "faces" / name).iterdir():
            path.unlink()
    (root / "facescrub_actors.txt").write_text(HEADER + "\n")
    assert open_all(root).people == ("Jane Roe",)
    (root / "facescrub_actresses.txt").write_text(HEADER + "\n")
    with pytest.raises(InputError, match="at least one face"):
        open_all(root)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("\t10,20,50,90\t", "\t10,20,50\t"), "line 2"),
        (lambda text: text.replace("\t10,20,50,90\t", "\t10,20,5,90\t"), "10,20,5,90 in line 2"),
        (lambda text: text.replace("\t10,20,50,90\t", "\t10,20,nan,90\t"), "line 2"),
        (lambda text: text.replace("\t10,20,50,90\t", "\t"), "5 in line 2"),
        (lambda text: text.replace("John Doe\t1\t1", "John Doe\tone\t1"), "line 2"),
        (lambda text: text.replace("John Doe", "../John"), "line 2"),
        (lambda text: text.rstrip()[:-1], "64 hexadecimal digits"),
        (lambda text: text + text.splitlines()[-1], "face 9 of Al Roe Jr. in lines 3 and 4"),
        (lambda text: text.replace("face_id", "id"), "no face_id"),
        (lambda text: text.partition("\n")[2], "no name, image_id"),
        (lambda text: "", "no name, image_id"),
        (lambda text: "<!doctype html>" + text, "web page"),
        (lambda text: "PK\0" + text, "binary"),
    ],
)
def test_a_damaged_list_is_named(tmp_path: Path, change: Callable[[str], str], message: str) -> None:
    path = write(tmp_path) / "facescrub_actors.txt"
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=message) as caught:
        open_all(tmp_path)
    assert "facescrub_actors.txt" in str(caught.value)


def test_a_copy_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"facescrub_actors\.txt"):
        find_files(tmp_path)
    (tmp_path / "facescrub.zip").write_bytes(b"PK")
    with pytest.raises(MissingFileError, match="only the archive"):
        find_files(tmp_path)
    with pytest.raises(MissingFileError, match="is not a folder"):
        find_files(tmp_path / "facescrub.zip")
    (tmp_path / "facescrub_actors.txt").write_text(HEADER)
    with pytest.raises(MissingFileError, match=r"facescrub_actresses\.txt in "):
        find_files(tmp_path)
    (tmp_path / "facescrub_actresses.txt").write_text(HEADER)
    with pytest.raises(MissingFileError, match="no folder with images"):
        find_files(tmp_path)
    with pytest.raises(UnknownNameError, match="all"):
        load(tmp_path, "test")
    with pytest.raises(UnknownNameError, match="box"):
        open_all(tmp_path, crop="boxes")


@pytest.fixture
def manifest() -> Manifest:
    return load_manifest("facescrub").model_copy(update={"splits": {"all": 5}})


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_published_data_raise_nothing(tmp_path: Path, manifest: Manifest, layout: str) -> None:
    assert check(manifest, write(tmp_path, layout)) == []


def test_other_pictures_behind_old_addresses_are_noted(tmp_path: Path, manifest: Manifest) -> None:
    root = write(tmp_path, "images")
    Image.new("RGB", (100, 90)).save(root / "images/Jane_Roe/Jane_Roe_2.png")
    (finding,) = check(manifest, root)
    assert str(finding) == (
        "note: images: other files than those published, by their SHA-256: 2 (Jane_Roe/Jane_Roe_5, Jane_Roe/Jane_Roe_6)"
    )


def test_damaged_images_are_an_error_once(tmp_path: Path, manifest: Manifest) -> None:
    root = write(tmp_path, "images")
    path = root / "images/Jane_Roe/Jane_Roe_2.png"
    path.write_bytes(path.read_bytes()[:-12])
    said = [str(finding) for finding in check(manifest, root)]
    assert said[0] == "error: images: bad images: 1 (Jane_Roe_2.png is cut short)"


def test_a_face_too_small_to_be_one_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "images") / "facescrub_actors.txt"
    path.write_text(path.read_text().replace("10,20,50,90", "10,20,50,30"))
    faces = open_all(tmp_path)
    with pytest.raises(InputError, match=r"40x10 in .*John_Doe_1\.png"):
        faces.images()
