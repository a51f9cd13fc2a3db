# SPDX-License-Identifier: MIT
from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_faces import QUICK, Faces, draw_faces

from faceeval.errors import InputError, OutputError, UnknownNameError
from faceeval.judges.training import JudgeLabels, TrainingSettings, _rate, train_judge

TINY = TrainingSettings(epochs=1, batch_size=8, precision="float32")


@pytest.fixture(scope="module")
def few() -> Faces:
    return draw_faces(24, seed=5, people=4)


@pytest.mark.parametrize("kind", ["procfaces", "procfaces-teacher"])
def test_a_trained_judge_reads_faces_it_never_saw(kind: str, trained: Path) -> None:
    card = json.loads((trained / f"{kind}.json").read_text())["card"]
    assert card["test"]["attribute_accuracy_mean"] > 0.9
    if kind == "procfaces":
        assert card["test"]["verification"]["auc"] > 0.9


def test_the_card_tells_how_the_judge_was_made(trained: Path) -> None:
    card = json.loads((trained / "procfaces.json").read_text())["card"]
    assert card["seed"] == 3
    assert card["seconds"] > 0
    assert card["training"]["faces"] == 192
    assert card["training"]["people"] == 8
    assert card["training"]["precision"] in ("float32", "bfloat16")  # "auto" has been decided
    assert card["parameters"] < 2_000_000
    assert set(card["test"]["pose_error_degrees"]) == {"yaw", "pitch", "roll"}


def test_weights_stay_small(trained: Path) -> None:
    assert (trained / "procfaces.safetensors").stat().st_size < 4_000_000
    assert (trained / "procfaces-teacher.safetensors").stat().st_size < 1_000_000


def test_the_log_shows_learning(trained: Path) -> None:
    rows = [json.loads(line) for line in (trained / "procfaces.log.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == list(range(1, QUICK.epochs + 1))
    assert rows[-1]["loss"] < 0.7 * rows[0]["loss"]
    assert "validation" in rows[-1]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_same_seed_gives_the_same_bytes(precision: str, few: Faces, tmp_path: Path) -> None:
    chosen = replace(TINY, precision=precision)
    paths = [
        train_judge("procfaces", *few, seed, tmp_path / str(n), settings=chosen) for n, seed in enumerate((1, 1, 2))
    ]
    first, again, other = (path.read_bytes() for path in paths)
    assert first == again
    assert first != other


def test_the_global_source_of_chance_is_left_alone(few: Faces, tmp_path: Path) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    train_judge("procfaces-teacher", *few, 1, tmp_path, settings=TINY)
    assert torch.equal(before, torch.get_rng_state())


def test_progress_counts_to_the_end(few: Faces, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    train_judge("procfaces-teacher", *few, 1, tmp_path, lambda done, total: seen.append((done, total)), settings=TINY)
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_memory_mapped_faces_give_the_same_bytes(few: Faces, tmp_path: Path) -> None:
    np.save(tmp_path / "faces.npy", few[0])
    mapped = np.load(tmp_path / "faces.npy", mmap_mode="r")
    paths = [
        train_judge("procfaces-teacher", x, few[1], 1, tmp_path / n, settings=TINY)
        for n, x in (("a", few[0]), ("b", mapped))
    ]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_unknown_kinds_are_refused(few: Faces, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="procfaces-teacher"):
        train_judge("inception", *few, 1, tmp_path)


def test_malformed_faces_are_refused(few: Faces, tmp_path: Path) -> None:
    images, labels = few
    for wrong in (images[:, :, :32, :32], images[:5], images.astype(np.float32)):
        with pytest.raises(InputError, match="one for each label"):
            train_judge("procfaces", wrong, labels, 1, tmp_path)
    with pytest.raises(InputError, match="2 faces"):
        train_judge("procfaces", *few, 1, tmp_path, settings=replace(TINY, batch_size=1))


def test_an_unwritable_folder_is_refused_before_training(few: Faces, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    def never(done: int, total: int) -> None:
        raise AssertionError("trained before it looked at the folder")

    with pytest.raises(OutputError, match="choose another folder"):
        train_judge("procfaces", *few, 1, tmp_path / "file" / "out", never)


def test_labels_must_fit_each_other(few: Faces) -> None:
    labels = few[1]
    with pytest.raises(InputError, match="pose"):
        JudgeLabels(labels.identities, labels.attributes, labels.attribute_names, labels.expression, labels.pose[:3])
    with pytest.raises(InputError, match=r"0\.\.7"):
        JudgeLabels(labels.identities, labels.attributes, labels.attribute_names, labels.expression + 6, labels.pose)


def test_the_learning_rate_rises_and_falls_to_nothing() -> None:
    chosen = TrainingSettings(warmup=0.1, learning_rate=1.0)
    rates = [_rate(step, 100, chosen) for step in range(100)]
    assert rates.index(max(rates)) in (9, 10)
    assert max(rates) == pytest.approx(1.0)
    assert rates[-1] < 1e-3
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))
