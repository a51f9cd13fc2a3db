# SPDX-License-Identifier: MIT
"""Manifests, and copies held against them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from celeba_writer import FakeCelebA, write_tables
from PIL import Image

from faceeval.data import manifest as manifests
from faceeval.data.manifest import Finding, Manifest, checksum, load_manifest, manifest_names, verify
from faceeval.data.procfaces import standard, store
from faceeval.data.procfaces.factors import ATTRIBUTE_NAMES, Factors, attribute_value
from faceeval.data.procfaces.population import SET_VERSION, identity_of, indices_of
from faceeval.data.procfaces.workers import Batch
from faceeval.data.readers import procfaces as procfaces_reader
from faceeval.data.readers.celeba import check
from faceeval.data.table import DATASETS
from faceeval.errors import InputError, MissingFileError, UnknownNameError
from faceeval.names import CELEBA_ATTRIBUTES

Make = Callable[..., FakeCelebA]


def test_the_manifests_say_what_the_readers_do() -> None:
    assert {"celeba", "procfaces"} <= set(manifest_names())
    celeba = load_manifest("celeba")
    assert celeba.attributes == CELEBA_ATTRIBUTES
    assert sum(celeba.splits.values()) == 202_599
    assert {entry.rows for entry in celeba.files} == {202_599}
    procfaces = load_manifest("procfaces")
    assert procfaces.version == str(SET_VERSION)
    assert procfaces.attributes == ATTRIBUTE_NAMES
    people = set()
    for split, count in procfaces.splits.items():
        numbers = indices_of(split)
        assert len(numbers) == count
        inside = {identity_of(index) for index in numbers}
        assert not people & inside
        people |= inside
    assert len(people) == procfaces.identities


def test_every_dataset_has_a_check_and_a_card() -> None:
    for name in manifest_names():
        assert name in DATASETS
        text = (manifests.manifests_folder() / name / "README.md").read_text(encoding="utf-8")
        assert load_manifest(name).citation in " ".join(text.split())


def test_unknown_datasets_list_the_known() -> None:
    for ask in (load_manifest, verify):
        with pytest.raises(UnknownNameError, match="did you mean 'celeba'"):
            ask("celeb")
    with pytest.raises(UnknownNameError):
        load_manifest("../datasets/celeba")


def test_a_broken_manifest_names_the_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = json.loads((manifests.manifests_folder() / "celeba" / "manifest.json").read_text())
    monkeypatch.setattr(manifests, "manifests_folder", lambda: tmp_path)
    path = tmp_path / "celeba" / "manifest.json"
    path.parent.mkdir()
    for change, words in (
        ({"identities": "many"}, "identities: "),
        ({"licens": "none"}, "licens: Extra"),
        ({"files": [{"path": "a", "role": "attributes", "required": True, "md5": "xyz"}]}, "files.0.md5: "),
        ({"name": "celeba2"}, "'celeba2'"),
    ):
        path.write_text(json.dumps({**fields, **change}))
        with pytest.raises(InputError, match=words):
            load_manifest("celeba")
    path.write_text('{"name": ')
    with pytest.raises(InputError, match="the whole file"):
        load_manifest("celeba")


def test_the_wheel_s_copy_is_preferred_and_absence_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "faceeval"
    (package / "_manifests" / "inside").mkdir(parents=True)
    (tmp_path / "datasets" / "beside").mkdir(parents=True)
    monkeypatch.setattr(manifests.faceeval, "__file__", str(package / "__init__.py"))
    with pytest.raises(MissingFileError, match="install faceeval again"):
        manifest_names()  # a folder `datasets` without manifests is another project's
    (tmp_path / "datasets" / "beside" / "manifest.json").write_text("{}")
    assert manifest_names() == ["beside"]
    (package / "_manifests" / "inside" / "manifest.json").write_text("{}")
    assert manifest_names() == ["inside"]


@pytest.fixture
def described(fake_celeba: Make) -> tuple[FakeCelebA, Manifest]:
    """A fake copy, and a manifest of which it is the published data."""
    fake = fake_celeba("official")
    manifest = load_manifest("celeba")
    files = tuple(
        entry.model_copy(update={"bytes": (path := fake.root / entry.path).stat().st_size, "md5": checksum(path)})
        for entry in manifest.files
        if entry.role != "images"
    )
    update = {
        "splits": {"train": 4, "validation": 4, "test": 4},
        "attributes": tuple(fake.attribute_names),
        "files": files,
    }
    return fake, manifest.model_copy(update=update)


def test_the_published_data_raise_nothing(described: tuple[FakeCelebA, Manifest]) -> None:
    fake, manifest = described
    steps: list[tuple[int, int]] = []
    assert check(manifest, fake.root, lambda done, total: steps.append((done, total))) == []
    assert steps[-1] == (12, 12)


def test_other_data_in_the_layout_are_noted_and_not_refused(fake_celeba: Make) -> None:
    findings = verify("celeba", fake_celeba().root)
    assert {finding.level for finding in findings} == {"note"}
    said = "\n".join(map(str, findings))
    assert "note: list_attr_celeba.txt: " in said
    assert "4 images, not the 162770 published" in said
    assert "without labels for 37 (Arched_Eyebrows, " in said


def test_one_changed_label_changes_the_checksum(described: tuple[FakeCelebA, Manifest]) -> None:
    fake, manifest = described
    path = fake.root / "Eval" / "list_eval_partition.txt"
    path.write_text(path.read_text().replace("000001.jpg 0", "000001.jpg 1"))
    subjects = [finding.subject for finding in check(manifest, fake.root)]
    assert subjects == ["list_eval_partition.txt", "train", "validation"]


def test_conversions_and_absent_files_are_noted(fake_celeba: Make) -> None:
    said = "\n".join(map(str, verify("celeba", fake_celeba("kaggle").root)))
    assert "list_attr_celeba.csv: a conversion of list_attr_celeba.txt" in said
    assert "identity_CelebA.txt: not there; identities will be unknown" in said


def test_bad_images_are_errors(described: tuple[FakeCelebA, Manifest]) -> None:
    fake, manifest = described
    paths = sorted(fake.images.iterdir())
    paths[0].write_bytes(paths[0].read_bytes()[:-300])
    paths[1].write_text("<html>")
    Image.new("RGB", (64, 64)).save(paths[2])
    (finding,) = check(manifest, fake.root)
    assert finding.level == "error"
    assert finding.message == (
        "bad images: 3 (000001.jpg is cut short, 000002.jpg cannot be opened, 000003.jpg is 64x64, not 178x218)"
    )


def test_people_in_two_splits_are_an_error(described: tuple[FakeCelebA, Manifest]) -> None:
    fake, manifest = described
    fake.identities[:] = np.arange(12)
    fake.identities[11] = 2
    write_tables(fake, "official")
    errors = [finding for finding in check(manifest, fake.root) if finding.level == "error"]
    assert errors == [Finding("error", "identities", "people in more than one split: 1 (2)")]


def test_labels_that_cannot_be_read_are_an_error(described: tuple[FakeCelebA, Manifest]) -> None:
    fake, manifest = described
    (fake.images / "000004.jpg").unlink()
    errors = [finding for finding in check(manifest, fake.root) if finding.level == "error"]
    assert [finding.subject for finding in errors] == ["labels"]
    assert "000004" in errors[0].message


def test_verify_asks_for_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FACEEVAL_DATA", raising=False)
    with pytest.raises(MissingFileError, match="--root"):
        verify("celeba")
    with pytest.raises(MissingFileError, match="not a folder"):
        verify("celeba", tmp_path / "absent")


class FakeWorkers:
    """Draws flat images of the right shape, at once."""

    def render(self, indices: range, size: int) -> object:
        yield fake_batch(indices, size)


def fake_batch(indices: object, size: int, **_: object) -> Batch:
    shade = (np.array(list(indices)) % 256).astype(np.uint8)[:, None, None, None]  # type: ignore[call-overload]
    images = shade * np.ones((1, 3, size, size), np.uint8)
    return Batch(images, np.zeros((len(shade), 5, 2), np.float32), images[:, 0])


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A validation split in the cache, as if rendered by the fake renderer."""
    monkeypatch.setenv("FACEEVAL_CACHE", str(tmp_path))
    monkeypatch.setattr(procfaces_reader, "render_batch", fake_batch)
    folder = standard.set_folder()
    store.build(folder, "validation-16", indices_of("validation"), 16, FakeWorkers(), None)  # type: ignore[arg-type]
    return folder


def test_a_sound_cache_raises_nothing(cached: Path) -> None:
    steps: list[tuple[int, int]] = []
    assert verify("procfaces", progress=lambda done, total: steps.append((done, total))) == []
    assert steps == [(1000, 1000)]


def test_an_empty_cache_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEEVAL_CACHE", str(tmp_path))
    (finding,) = verify("procfaces")
    assert finding.level == "note"
    assert "faceeval data build" in finding.message


def test_damaged_pixels_in_the_cache_are_an_error(cached: Path) -> None:
    path = cached / "validation-16.npy"
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    (finding,) = verify("procfaces")
    assert (finding.level, finding.subject) == ("error", "validation-16.json")
    assert "damaged" in finding.message


def test_what_another_renderer_made_is_an_error(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def brighter(indices: list[int], size: int, **_: object) -> Batch:
        batch = fake_batch(indices, size)
        return batch._replace(images=np.minimum(batch.images, 250) + np.uint8(3))

    monkeypatch.setattr(procfaces_reader, "render_batch", brighter)
    (finding,) = verify("procfaces")
    assert finding.message == "differs by up to 3 grey levels from what is rendered here now"


def test_labels_of_another_version_are_an_error(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def other_age(face: Factors, name: str) -> bool:
        return attribute_value(face, name) != (name == "Young")

    monkeypatch.setattr(procfaces_reader, "attribute_value", other_age)
    (finding,) = verify("procfaces")
    assert "labels of Young" in finding.message


@pytest.mark.skipif("FACEEVAL_PORTRAITS" not in os.environ, reason="FACEEVAL_PORTRAITS does not name the portraits")
def test_the_portraits_are_sound_and_not_celeba() -> None:
    findings = verify("celeba", os.environ["FACEEVAL_PORTRAITS"])
    assert {finding.level for finding in findings} == {"note"}
    assert "120 images, not the 162770 published" in "\n".join(map(str, findings))
