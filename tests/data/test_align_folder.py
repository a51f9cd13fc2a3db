# SPDX-License-Identifier: MIT
"""``faceeval data align``: whole sets, stopped and taken up again."""

from __future__ import annotations

import csv
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import faceeval.data.landmarks.align_folder as align_folder
from faceeval.cli import main
from faceeval.data.landmarks.align import align_face, preset_at
from faceeval.data.landmarks.align_folder import NO_FACE, NO_LANDMARKS, AlignCounts, AlignJob, align_images
from faceeval.data.landmarks.files import COLUMNS, read_landmarks
from faceeval.data.landmarks.similarity import ARCFACE
from faceeval.errors import InputError, MissingFileError, OutputError, UnknownNameError

NAMES = ("a.jpg", "b/c.PNG", "b/d e.png", "f.png")
FACE = np.array(ARCFACE)


def points_of(index: int) -> np.ndarray:
    return (FACE * (0.5 + 0.1 * index) + [10 * index, 3]).round(2)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four photographs, a file that is none, and the landmarks of all of them."""
    folder = tmp_path / "photos"
    (folder / "b").mkdir(parents=True)
    random = np.random.default_rng(0)
    for index, name in enumerate(NAMES):
        small = random.integers(0, 256, (9, 8 + index % 2, 3), dtype=np.uint8)
        Image.fromarray(small).resize((120 + 20 * (index % 2), 150)).save(folder / name)
    write_landmarks(tmp_path / "points.csv", {name: points_of(index) for index, name in enumerate(NAMES)})
    return folder


def write_landmarks(path: Path, points: dict[str, np.ndarray], header: bool = True) -> Path:
    rows = [[name, *values.ravel().tolist()] for name, values in points.items()]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["image", *COLUMNS]] * header + rows)
    return path


def job_of(photos: Path, **changes: object) -> AlignJob:
    return AlignJob(**{"preset": "arcface", "landmarks": photos.parent / "points.csv", **changes})  # type: ignore[arg-type]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_image_becomes_a_png_of_its_name(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    steps: list[tuple[int, int]] = []
    counts = align_images(photos, out, job_of(photos, batch_size=3), lambda *step: steps.append(step))
    assert counts == AlignCounts(images=4, aligned=4, new=4, not_found=0, unreadable=0)
    assert steps[-1] == (4, 4)
    assert {name for name in contents(out) if name.endswith(".png")} == {"a.png", "b/c.png", "b/d e.png", "f.png"}
    image = np.asarray(Image.open(photos / NAMES[1])).transpose(2, 0, 1)
    expected, points = align_face(image, preset_at("arcface"), points_of(1))
    assert np.array_equal(np.asarray(Image.open(out / "b/c.png")).transpose(2, 0, 1), expected)
    record = json.loads((out / "align.json").read_text())
    assert record["complete"]
    assert record["counts"] == {"images": 4, "aligned": 4, "not_found": 0, "unreadable": 0}
    assert record["settings"]["preset"] == "arcface"
    assert any(version.startswith("Pillow ") for version in record["versions"])
    table = read_landmarks(out / "landmarks.csv")
    assert table.rows_of(["b/c.png"]).tolist() == [1]
    assert np.allclose(table.points[1], points, atol=0.006)
    assert (out / "not-found.csv").read_text() == "image,reason\n"


def test_aligned_images_can_be_aligned_again_by_their_own_landmarks(photos: Path, tmp_path: Path) -> None:
    align_images(photos, tmp_path / "out", job_of(photos))
    again = job_of(photos, landmarks=tmp_path / "out" / "landmarks.csv", preset="celeba", size=89)
    assert align_images(tmp_path / "out", tmp_path / "again", again).aligned == 4
    assert Image.open(tmp_path / "again" / "a.png").size == (89, 109)


def test_a_second_run_does_what_lacks(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    align_images(photos, out, job_of(photos))
    whole = contents(out)
    (out / "f.png").unlink()
    kept = (out / "a.png").stat().st_mtime_ns
    assert align_images(photos, out, job_of(photos)).new == 1
    assert contents(out) == whole
    assert (out / "a.png").stat().st_mtime_ns == kept
    Image.open(photos / "a.jpg").save(photos / "g.png")
    counts = align_images(photos, out, job_of(photos, batch_size=2))  # a new image, but the landmarks do not know it
    assert (counts.aligned, counts.new, counts.not_found) == (4, 0, 1)
    assert f"g.png,{NO_LANDMARKS}" in (out / "not-found.csv").read_text()


def test_a_run_that_was_stopped_leaves_whole_files_and_goes_on(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    align_images(photos, tmp_path / "straight", job_of(photos))
    out, write = tmp_path / "out", align_folder.write_png

    def stop(path: Path, image: np.ndarray) -> None:
        if path.name == "f.png":
            raise KeyboardInterrupt
        write(path, image)

    monkeypatch.setattr(align_folder, "write_png", stop)
    with pytest.raises(KeyboardInterrupt):
        align_images(photos, out, job_of(photos, batch_size=2))
    record = json.loads((out / "align.json").read_text())
    assert not record["complete"]
    assert record["counts"]["aligned"] == 3
    assert not [name for name in contents(out) if name.endswith(".tmp")]
    monkeypatch.setattr(align_folder, "write_png", write)
    assert align_images(photos, out, job_of(photos)).new == 1
    assert contents(out) == contents(tmp_path / "straight")


@pytest.mark.parametrize(
    ("change", "word"),
    [({"preset": "dlib"}, "preset arcface"), ({"size": 96}, "size"), ({"landmarks": "other.csv"}, "landmarks")],
)
def test_other_settings_in_the_same_folder_are_refused(
    photos: Path, tmp_path: Path, change: dict[str, object], word: str
) -> None:
    out = tmp_path / "out"
    align_images(photos, out, job_of(photos))
    write_landmarks(tmp_path / "other.csv", {name: points_of(1) for name in NAMES})
    if "landmarks" in change:
        change = {"landmarks": tmp_path / "other.csv"}
    before = contents(out)
    with pytest.raises(OutputError, match=word):
        align_images(photos, out, job_of(photos, **change))
    assert contents(out) == before


def test_other_folders_are_refused(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"align\.json"):
        align_images(photos, tmp_path / "full", job_of(photos))
    for inside in (photos, photos / "b" / "aligned"):
        with pytest.raises(InputError, match="outside"):
            align_images(photos, inside, job_of(photos))
    align_images(photos, tmp_path / "out", job_of(photos))
    (tmp_path / "out" / "align.json").write_text("{")
    with pytest.raises(OutputError, match="damaged"):
        align_images(photos, tmp_path / "out", job_of(photos))


def test_what_gives_no_face_is_listed_and_what_is_mended_is_tried_again(photos: Path, tmp_path: Path) -> None:
    out, good = tmp_path / "out", (photos / "a.jpg").read_bytes()
    (photos / "a.jpg").write_bytes(good[:200])
    (photos / "page.png").write_text("<html>not found</html>")
    flat = {name: points_of(index) for index, name in enumerate(NAMES)} | {"f.png": np.full((5, 2), np.nan)}
    job = job_of(photos, landmarks=write_landmarks(tmp_path / "some.csv", flat))
    assert align_images(photos, out, job) == AlignCounts(5, 2, 2, 1, 2)
    with (out / "not-found.csv").open(newline="") as file:
        reasons = dict(csv.reader(file))
    assert reasons["a.jpg"].startswith("unreadable")
    assert "text" in reasons["page.png"]
    assert "not finite" in reasons["f.png"]
    (photos / "a.jpg").write_bytes(good)
    assert align_images(photos, out, job) == AlignCounts(5, 3, 1, 1, 1)


def test_names_that_collide_or_lead_away_are_refused(photos: Path, tmp_path: Path) -> None:
    Image.open(photos / "a.jpg").save(photos / "a.png")
    with pytest.raises(InputError, match=r"a\.jpg and a\.png"):
        align_images(photos, tmp_path / "out", job_of(photos))
    for number, name in enumerate(("/etc/a.jpg", "b/../../a.jpg", "b\\..\\..\\a.jpg", "c:a.jpg")):
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w") as file:
            file.writestr(zipfile.ZipInfo("good.jpg"), b"")
            file.writestr(zipfile.ZipInfo(name), b"")
        with pytest.raises(InputError, match="stay inside" if ".." not in name.split("/") else "."):
            align_images(tmp_path / f"{number}.zip", tmp_path / "out", job_of(photos))
    assert not (tmp_path / "out").exists()


def test_zip_files_are_read_too(photos: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as file:
        for name in NAMES:
            file.write(photos / name, name)
    assert align_images(tmp_path / "photos.zip", tmp_path / "out", job_of(photos)).aligned == 4


def test_landmark_files_in_every_dialect_give_the_same_points(photos: Path, tmp_path: Path) -> None:
    points = {name: points_of(index).round() for index, name in enumerate(("a.jpg", "b.jpg"))}
    expected = read_landmarks(write_landmarks(tmp_path / "0.csv", points))
    assert expected.points.shape == (2, 5, 2)
    assert expected.points[1, 4].tolist() == points["b.jpg"][4].tolist()
    text = (tmp_path / "0.csv").read_text()
    rows = text.splitlines()[1:]
    order = [7, 2, 3, 4, 1, 5, 6, 8, 9, 10]
    shuffled = "\n".join(",".join([c[0], *(c[i] for i in order)]) for c in (r.split(",") for r in text.splitlines()))
    dialects = [
        "﻿" + text.replace("\r\n", "\n"), "\n".join(rows), shuffled, text.replace("a.jpg", '"a.jpg"'),
        "\n".join(["2", " ".join(COLUMNS), *(row.replace(".0", "").replace(",", "  ") for row in rows)]),
    ]  # fmt: skip
    for number, dialect in enumerate(dialects, start=1):
        path = tmp_path / f"{number}.csv"
        path.write_text(dialect, encoding="utf-8")
        table = read_landmarks(path)
        assert table.names.tolist() == [b"a.jpg", b"b.jpg"]
        assert np.array_equal(table.points, expected.points)
    assert expected.rows_of(["b.png", "c.jpg", "a.jpg"]).tolist() == [1, -1, 0]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a.jpg,1,2,3,4,5,6,7,8,9\n", "10 columns in line 1"),
        ("a.jpg,1,2,3,4,5,6,7,8,9,10\n\nb.jpg,1,2,3\n", "3 values in line 3"),
        ("a.jpg,1,2,3,4,5,6,7,8,9,10\nb.jpg,1,2,3,4,5,6,7,8,9,NULL\n", "'NULL' in line 2"),
        ("a.jpg,1,2,3,4,5,6,7,8,9,10\na.jpg,1,2,3,4,5,6,7,8,9,10\n", "again: 1"),
        ("image," + ",".join(COLUMNS), "none"),
        ("<html>a,b</html>", "web page"),
    ],
)
def test_damaged_landmark_files_are_refused(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "points.csv").write_text(text)
    with pytest.raises(InputError, match=word):
        read_landmarks(tmp_path / "points.csv")


def test_landmarks_of_other_images_or_of_the_person_are_refused(photos: Path, tmp_path: Path) -> None:
    other = write_landmarks(tmp_path / "other.csv", {"x.jpg": FACE})
    with pytest.raises(InputError, match=r"x\.jpg"):
        align_images(photos, tmp_path / "out", job_of(photos, landmarks=other))
    swapped = {name: points_of(index)[[1, 0, 2, 4, 3]] for index, name in enumerate(NAMES)}
    with pytest.raises(InputError, match="mirrored"):
        align_images(photos, tmp_path / "out", job_of(photos, landmarks=write_landmarks(tmp_path / "s.csv", swapped)))
    with pytest.raises(MissingFileError):
        align_images(photos, tmp_path / "out", job_of(photos, landmarks=tmp_path / "none.csv"))
    with pytest.raises(InputError, match="box"):
        align_images(photos, tmp_path / "out", job_of(photos, preset="facenet"))
    for change in ({"preset": "arc"}, {"choose": "best"}):
        with pytest.raises(UnknownNameError):
            align_images(photos, tmp_path / "out", job_of(photos, **change))
    assert not (tmp_path / "out").exists()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["faceeval", "data", "align", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        out = capsys.readouterr()
        return code, out.out, out.err

    return call


def test_the_command(run: Callable[..., tuple[int, str, str]], photos: Path, tmp_path: Path) -> None:
    out, points = tmp_path / "out", tmp_path / "points.csv"
    (photos / "page.png").write_text("<html>")
    code, printed, _ = run(photos, out, "--preset", "sphereface", "--landmarks", points)
    assert code == 0
    assert "4 of 5 images aligned" in printed
    assert "1 unreadable" in printed
    assert Image.open(out / "a.png").size == (96, 112)
    code, _, err = run(photos, out, "--preset", "celeba", "--landmarks", points)
    assert code == 2
    assert "preset sphereface" in err
    code, _, err = run(photos, out, "--preset", "sphereface", "--landmarks", points, "--choose", "central")
    assert code == 2
    assert "--choose" in err


def test_the_command_ends_well_after_ctrl_c(
    run: Callable[..., tuple[int, str, str]], photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(align_folder, "write_png", stop)
    code, _, err = run(photos, tmp_path / "out", "--preset", "arcface", "--landmarks", tmp_path / "points.csv")
    assert code == 130
    assert "goes on" in err
    assert set(contents(tmp_path / "out")) == {"align.json", "landmarks.csv", "not-found.csv"}


def test_faces_are_found_where_no_landmarks_are_given(tmp_path: Path) -> None:
    pytest.importorskip("facenet_pytorch")
    from faceeval.data.procfaces.population import sample_factors
    from faceeval.data.procfaces.render import render

    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    face = render(sample_factors(0), 128)
    Image.fromarray(face.image.transpose(1, 2, 0)).save(photos / "face.png")
    Image.new("RGB", (128, 128)).save(photos / "black.png")
    Image.new("RGB", (30, 20)).save(photos / "tiny.png")
    counts = align_images(photos, out, AlignJob("celeba"))
    assert counts == AlignCounts(images=3, aligned=1, new=1, not_found=2, unreadable=0)
    assert f"black.png,{NO_FACE}" in (out / "not-found.csv").read_text()
    assert np.allclose(read_landmarks(out / "landmarks.csv").points[0, :2], [[69, 111], [108, 111]], atol=0.006)
    assert align_images(photos, out, AlignJob("celeba")).new == 0
    cut = align_images(photos, tmp_path / "cut", AlignJob("facenet"))
    assert cut.aligned == 1
    assert Image.open(tmp_path / "cut" / "face.png").size == (160, 160)
    with pytest.raises(OutputError, match="choose"):
        align_images(photos, out, AlignJob("celeba", choose="central"))
