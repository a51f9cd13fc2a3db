# SPDX-License-Identifier: MIT
"""``faceeval data split`` as a user types it, and what it opens: copies of CelebA and LFW, the plan of procfaces."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from celeba_writer import FakeCelebA, write_tables

from faceeval.cli import main
from faceeval.data.landmarks.filter import hidden_by_cluster, read_centroids, write_centroids
from faceeval.data.selection import fai_split, select
from faceeval.data.splits import inputs as split_inputs
from faceeval.data.splits.inputs import open_split_input
from faceeval.data.splits.rules import SPLIT_RULES, make_split
from faceeval.data.table import load_faces
from faceeval.errors import InputError, MissingFileError

Run = Callable[..., tuple[int, str, str]]
Make = Callable[..., FakeCelebA]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["faceeval", "data", "split", *arguments])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        out = capsys.readouterr()
        return code, out.out, out.err

    return call


@pytest.fixture
def celeba(fake_celeba: Make) -> FakeCelebA:
    """Twelve images, four of each split, with both classes of each attribute in each."""
    fake = fake_celeba(attribute_names=("Young", "Eyeglasses", "Mouth_Slightly_Open"))
    fake.attributes[:] = np.where(np.arange(12) % 2 == 0, 1, -1)[:, None]
    fake.identities[:] = np.arange(12) // 2
    write_tables(fake, "flat")
    return fake


def test_no_argument_lists_the_protocols(run: Run) -> None:
    code, out, _ = run()
    assert code == 0
    assert all(name in out for name in SPLIT_RULES)
    assert "older_to_younger" in out


def test_lists_are_printed_with_count_and_digest(run: Run, celeba: FakeCelebA) -> None:
    code, out, err = run("fai", "--attr", "young", "--data", "celeba", "--root", str(celeba.root), "-n", "2")
    assert code == 0, err
    test = load_faces("celeba", "test", root=celeba.root)
    picked = fai_split(test, "Young", 2)
    digest = hashlib.sha256("\n".join(test.names[row] for row in picked.positives).encode()).hexdigest()
    assert digest in out
    assert "positives" in out
    assert "train" in out


def test_what_is_short_or_extended_is_said(run: Run, celeba: FakeCelebA) -> None:
    code, _, err = run("fai", "-a", "young", "--data", "celeba", "--root", str(celeba.root))
    assert code == 0
    assert "positives is short: 4 of 1000" in err
    assert "extended: 2 of the positives come from the validation split" in err


def test_chains_are_printed(run: Run, celeba: FakeCelebA) -> None:
    code, out, err = run("maae", "-a", "young", "--data", "celeba", "--root", str(celeba.root))
    assert code == 0
    assert "chain of 0: nothing, the control" in out
    assert "chain of 2: Young, Eyeglasses" in out
    assert "does not label Smiling" in err


def test_a_json_file_holds_everything(run: Run, celeba: FakeCelebA, tmp_path: Path) -> None:
    out = tmp_path / "new" / "split.json"
    arguments = ("maae", "-a", "Young", "-d", "celeba", "--root", str(celeba.root), "-n", "1", "-o", str(out))
    assert run(*arguments)[0] == 0
    record = json.loads(out.read_text())
    assert (record["split"], record["data"]) == ("maae/Young", "celeba")
    for entry in record["lists"].values():
        assert hashlib.sha256("\n".join(entry["names"]).encode()).hexdigest() == entry["sha256"]
        assert len(entry["names"]) == entry["count"]
    assert record["chains"][1] == ["Young"]
    before = out.read_bytes()
    assert run(*arguments)[0] == 0
    assert out.read_bytes() == before


def test_a_folder_holds_a_text_file_for_each_list(run: Run, celeba: FakeCelebA, tmp_path: Path) -> None:
    out = tmp_path / "lists"
    assert run("ipgan/leak", "-d", "celeba", "--root", str(celeba.root), "-o", str(out))[0] == 0
    record = json.loads((out / "split.json").read_text())
    assert sorted(path.name for path in out.iterdir()) == ["split.json", "train.txt", "validation.txt"]
    for name, entry in record["lists"].items():
        content = (out / f"{name}.txt").read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"]
        assert len(content.split(b"\n")) == entry["count"]


def test_published_lists_are_recognised(run: Run) -> None:
    code, out, err = run("maae", "-a", "smiling")
    assert code == 0
    assert out.count(" yes") == 3
    assert "NO" not in out
    assert "not the published" not in err
    assert " yes" not in run("maae", "-a", "smiling", "-n", "499")[1]


def test_other_lists_than_the_published_are_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faceeval.data.splits.rules.published", lambda data, key: {"gallery": "0" * 64})
    _, out, err = run("ipgan/ident")
    assert "NO" in out
    assert "not the published lists" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("fay",), "did you mean 'fai'"),
        (("fai",), "pass --attr with one of Eyeglasses"),
        (("fai", "-a", "Young", "--filter", "score"), "diat alone"),
        (("diat", "-a", "mouth_open", "--filter", "scores"), "did you mean 'score'"),
        (("bw/celeba", "-a", "Young"), "leave out --attr"),
        (("fai", "-a", "Yung"), "did you mean 'Young'"),
        (("bw/lfw", "--data", "celeba"), "choose lfw or procfaces"),
        (("bw/celeba", "--data", "celebb"), "did you mean 'celeba'"),
    ],
)
def test_mistakes_are_told_in_three_lines(run: Run, arguments: tuple[str, ...], words: str) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert len(err.strip().splitlines()) == 3
    assert words in err


def test_the_place_is_checked_before_anything_is_read(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(split_inputs, "open_split_input", lambda *_, **__: pytest.fail("opened"))
    (tmp_path / "a.json").mkdir()
    (tmp_path / "list.txt").write_text("")
    for name in ("a.json", "list.txt"):
        assert run("fai", "-a", "Young", "-o", str(tmp_path / name))[0] == 2


# --- what is opened


def test_nothing_of_procfaces_is_rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEEVAL_CACHE", str(tmp_path))
    monkeypatch.setattr("faceeval.data.procfaces.standard.load", lambda *_, **__: pytest.fail("rendered"))
    given = open_split_input("fai", "procfaces")
    assert [len(given.part(name)) for name in ("train", "validation", "test")] == [8000, 1000, 4000]
    assert len(given.part("train").attributes) == 16
    assert not any(tmp_path.iterdir())
    with pytest.raises(InputError, match="leave out --root"):
        open_split_input("bw/lfw", "procfaces", tmp_path)


def test_a_dataset_without_splits_is_tested_as_a_whole(celeba: FakeCelebA, monkeypatch: pytest.MonkeyPatch) -> None:
    from faceeval.errors import unknown_name

    everything = load_faces("celeba", "test", root=celeba.root)

    def only_all(name: str, split: str, **_: object) -> object:
        if split != "all":
            raise unknown_name("split", split, ["all"])
        return everything

    monkeypatch.setattr(split_inputs, "load_faces", only_all)
    given = open_split_input("fai", "celeba", celeba.root)
    assert given.part("test") is everything
    assert set(given.faces) == {"test"}


def test_an_empty_optional_split_does_no_harm(celeba: FakeCelebA) -> None:
    celeba.partition[celeba.partition == 1] = 0
    write_tables(celeba, "flat")
    given = open_split_input("fai", "celeba", celeba.root)
    assert set(given.faces) == {"test", "train"}
    with pytest.raises(InputError, match="validation"):
        open_split_input("bw/celeba", "celeba", celeba.root)
    with pytest.raises(MissingFileError):
        open_split_input("fai", "celeba", celeba.root / "none")


def test_diat_reads_the_landmarks_of_the_file(celeba: FakeCelebA, tmp_path: Path) -> None:
    celeba.landmarks[:, 0:6:2] = [69, 108, 88]
    celeba.landmarks[1, 4] = 107
    write_tables(celeba, "flat")
    given = open_split_input("diat", "celeba", celeba.root, filter_by="score")
    assert given.hidden is not None
    assert np.flatnonzero(given.hidden).tolist() == [1]
    made = make_split("diat", given, "mouth_open", 1)
    assert made.lists[1].names == ("000002.jpg",)
    assert "yaw asymmetry up to 0.5: keeps 3 of 4" in made.notes[0]
    path = tmp_path / "centroids.txt"
    centroids = np.sort(np.random.default_rng(2).uniform(60, 160, (20, 10)).round(6), axis=0)
    write_centroids(path, centroids)
    given = open_split_input("diat", "celeba", celeba.root, centroids=path)
    expected = hidden_by_cluster(celeba.landmarks[:4].reshape(-1, 5, 2), read_centroids(path))
    np.testing.assert_array_equal(given.hidden, expected)


def test_centroids_are_fitted_once_on_all_splits_and_kept(
    celeba: FakeCelebA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEEVAL_CACHE", str(tmp_path))
    asked = []

    def fit(names: list[str], landmarks: np.ndarray) -> np.ndarray:
        asked.append((list(names), landmarks))
        return np.sort(np.random.default_rng(2).uniform(60, 160, (20, 10)).round(6), axis=0)

    monkeypatch.setattr(split_inputs, "fit_centroids", fit)
    first, again = (open_split_input("diat", "celeba", celeba.root) for _ in range(2))
    assert len(asked) == 1
    assert sorted(asked[0][0]) == celeba.names
    np.testing.assert_array_equal(asked[0][1], celeba.landmarks.reshape(-1, 5, 2))
    np.testing.assert_array_equal(first.hidden, again.hidden)
    assert len(list((tmp_path / "diat").glob("celeba-*.txt"))) == 1
    own = tmp_path / "own.txt"
    open_split_input("diat", "celeba", celeba.root, centroids=own)
    assert own.is_file()


def test_diat_without_landmarks_says_so(celeba: FakeCelebA) -> None:
    celeba.label_file("list_landmarks_align_celeba").unlink()
    with pytest.raises(InputError, match="five landmarks of celeba"):
        open_split_input("diat", "celeba", celeba.root, filter_by="score")


def test_pairs_come_from_a_copy_of_lfw(tmp_path: Path) -> None:
    people = {"Ann_Lee": 3, "Bob_Ray": 2}
    for person, count in people.items():
        folder = tmp_path / "lfw" / person
        folder.mkdir(parents=True)
        for number in range(1, count + 1):
            (folder / f"{person}_{number:04d}.jpg").write_bytes(b"")
    (tmp_path / "pairs.txt").write_text("1\t1\nAnn_Lee\t1\t3\nAnn_Lee\t2\tBob_Ray\t1\n")
    given = open_split_input("ipgan/adv", "lfw", tmp_path)
    forward, backward = make_split("ipgan/adv", given).lists
    assert forward.names == ("Ann_Lee/Ann_Lee_0002.jpg\tBob_Ray/Bob_Ray_0001.jpg\t0",)
    assert backward.names == ("Bob_Ray/Bob_Ray_0001.jpg\tAnn_Lee/Ann_Lee_0002.jpg\t0",)
    with pytest.raises(MissingFileError, match="pairsDevTrain"):
        open_split_input("bw/lfw", "lfw", tmp_path)


def test_hash_order_of_many_names_is_that_of_the_definition() -> None:
    names = [f"n{place:07d}/{place % 7:04d}_01.jpg" for place in range(3000)]
    expected = sorted(names, key=lambda name: (hashlib.sha256(f"t:{name}".encode()).hexdigest(), name))
    assert select(3000, names, "t") == expected
