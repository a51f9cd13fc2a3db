# SPDX-License-Identifier: MIT
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from toy_faces import SIZE, Nothing, Painter, toy_faces
from toy_runs import TOY, run, toy_panel

from faceeval import score as scoring
from faceeval.benchmark import Benchmark
from faceeval.errors import InputError, MissingFileError
from faceeval.method import MethodCard
from faceeval.protocols.chosen import choose
from faceeval.protocols.rows import TIMED
from faceeval.score import EditedFolder, git_commit, load_panel, load_user_method

EDITORS = """
import torch
from faceeval.method import MethodCard

class Plain:
    def edit(self, images, attribute, value):
        return images

class Told:
    card = MethodCard(name="told", year=2026)
    def __init__(self, attribute):
        self.attribute = attribute
    def edit(self, images, attribute, value):
        return images // 2

class Needy:
    def __init__(self, weights):
        pass

class Mute:
    pass

number = 3
"""


@pytest.fixture
def editors(tmp_path, monkeypatch):
    (tmp_path / "toy_editors.py").write_text(EDITORS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("toy_editors", None)


@pytest.fixture
def edited(tmp_path):
    """Painter's edits as a folder, as another tool would leave them."""
    folder, faces = tmp_path / "mine", toy_faces()
    folder.mkdir()
    chosen = choose(faces, "Eyeglasses", 30)
    images = torch.from_numpy(chosen.read(np.arange(60)))
    edits = Painter().edit(images, "Eyeglasses", torch.from_numpy(chosen.targets))
    for name, image in zip(chosen.names, edits.numpy(), strict=True):
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / f"{name}.png")
    return folder


def test_a_class_of_ones_own_is_scored_under_its_path(editors):
    method = load_user_method("toy_editors:Told", "Eyeglasses")
    assert method.attribute == "Eyeglasses"
    assert method.card == MethodCard(name="toy_editors:Told", year=2026)
    result = run(method)
    assert result.method == "toy_editors:Told"
    assert [row.kind for row in result.summary.rows] == ["method", "identity", "truth"]
    plain = run(load_user_method("toy_editors:Plain", "Eyeglasses"))
    assert plain.row("toy_editors:Plain").values["pixel_rmse_error"].value == 0


@pytest.mark.parametrize(
    ("target", "kind", "message"),
    [
        ("toy_editors", InputError, "package.module:Class"),
        (":Plain", InputError, "package.module:Class"),
        ("toy_editors:Plane", InputError, "Plain"),
        ("toy_editors:number", InputError, "Plain"),
        ("no_such_module:Plain", MissingFileError, "PYTHONPATH"),
        ("toy_editors:Needy", InputError, "constructor"),
        ("toy_editors:Mute", InputError, "without edit"),
    ],
)
def test_a_class_that_cannot_be_used_is_refused(editors, target, kind, message):
    with pytest.raises(kind, match=message):
        load_user_method(target, "Young")


def test_images_made_elsewhere_score_as_their_maker_does(edited):
    here, there = run(Painter()), run(EditedFolder(edited))
    assert there.method == "mine"
    assert there.row("mine").absent[TIMED] == "nothing was edited here"
    for metric, value in here.row("painter").values.items():
        if metric not in (TIMED, "own_realness_score"):
            assert there.row("mine").values[metric] == value, metric
    named = EditedFolder(edited, name="theirs")
    with pytest.raises(InputError, match="prepare"):
        named.edit_named(("a",), torch.zeros(1, 3, SIZE, SIZE, dtype=torch.uint8), "Young", torch.ones(1))


def test_a_missing_or_wrong_edit_is_found_before_any_work(edited):
    first = sorted(edited.iterdir())[0]
    Image.new("RGB", (SIZE + 1, SIZE)).save(first)
    with pytest.raises(InputError, match=first.name):
        run(EditedFolder(edited))
    first.unlink()
    with pytest.raises(MissingFileError, match=first.stem):
        run(EditedFolder(edited))
    with pytest.raises(MissingFileError, match="--edited"):
        EditedFolder(edited / "nowhere")


def test_a_judge_that_is_not_here_is_left_out_with_the_reason(monkeypatch):
    def load(name, **options):
        raise MissingFileError(f"weights of {name}", "none in any folder", "put them there")

    monkeypatch.setattr(scoring, "load_judge", load)
    panel = load_panel(Benchmark.load("celeba"))
    assert dict(panel.judges) == {}
    assert "put them there" in panel.missing("realism")
    assert "no attribute classifier" in panel.missing("attributes")
    with pytest.raises(MissingFileError):
        load_panel(Benchmark.load("procfaces"))


def test_one_network_in_several_roles_is_loaded_once(monkeypatch):
    names = []

    def load(name, **options):
        names.append(name)
        return toy_panel()["identity"]

    monkeypatch.setattr(scoring, "load_judge", load)
    panel = load_panel(Benchmark.load("procfaces"))
    assert names == ["procfaces"]
    assert set(panel.judges) == {"attributes", "identity", "realism"}


def test_progress_ends_at_the_number_of_images():
    calls = []
    run(Nothing(), progress=lambda done, total: calls.append((done, total)), n_per_class=20)
    assert calls[-1] == (40, 40)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_the_benchmark_decides_the_number_of_images():
    assert run(Nothing()).summary.data.positives == TOY.n_per_class
    assert run(Nothing(), n_per_class=7).summary.settings["n_per_class"] == 7


def test_notes_that_json_cannot_hold_become_text():
    class Odd(Painter):
        card = MethodCard(name="odd", notes={"path": Path("a"), "shape": (1, 2)})

    assert run(Odd(), n_per_class=5).summary.method["notes"] == {"path": "a", "shape": [1, 2]}


def test_the_commit_is_that_of_the_checkout():
    commit = git_commit()
    top = Path(scoring.__file__).parents[1]
    if not (top / ".git").exists():
        assert commit is None
        return
    head = subprocess.run(["git", "-C", str(top), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    assert commit is not None
    assert commit.removesuffix("-dirty") == head.stdout.strip()
