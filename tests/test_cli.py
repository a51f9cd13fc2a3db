# SPDX-License-Identifier: MIT
"""The commands as a user types them: what they print where, and how they refuse."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faceeval.cli import main
from faceeval.cli.score import _checkpoint_size
from faceeval.cli.train import parse_overrides
from faceeval.errors import InputError

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs ``faceeval`` with arguments and returns exit code, stdout, stderr."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["faceeval", *arguments])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        out = capsys.readouterr()
        return code, out.out, out.err

    return call


def write_celeba(root: Path, count: int = 48) -> Path:
    """Writes a small set in CelebA's layout: half of it train, the rest shared by validation and test."""
    folder = root / "img_align_celeba"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    names = [f"{index:06d}.jpg" for index in range(1, count + 1)]
    for name in names:
        pixels = rng.integers(0, 255, (14, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((178, 218), Image.Resampling.BICUBIC).save(folder / name)
    rows = [f"{name} {1 if index % 2 else -1}" for index, name in enumerate(names)]
    (root / "list_attr_celeba.txt").write_text("\n".join([str(count), "Male ", *rows]) + "\n")
    parts = [0 if index < count // 2 else 1 + index % 4 // 2 for index in range(count)]
    lines = [f"{name} {part}" for name, part in zip(names, parts, strict=True)]
    (root / "list_eval_partition.txt").write_text("\n".join(lines) + "\n")
    return root


def assert_three_lines(code: int, err: str, *words: str) -> None:
    assert code == 2
    lines = err.strip().splitlines()
    assert len(lines) == 3, err
    assert lines[0].startswith("error: expected ")
    assert lines[1].startswith("       got ")
    assert "Traceback" not in err
    for word in words:
        assert word in err


def test_help_needs_no_torch() -> None:
    code = "import sys; sys.argv = ['faceeval', '--help']\nfrom faceeval.cli import main\ntry:\n    main()\nfinally:\n"
    code += "    heavy = {'torch', 'numba', 'scipy', 'sklearn', 'PIL', 'matplotlib'} & set(sys.modules)\n"
    code += "    print('heavy:', sorted(heavy))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "heavy: []" in done.stdout
    assert "score" in done.stdout
    assert "train" in done.stdout


@pytest.mark.parametrize("kind", ["methods", "metrics", "datasets", "judges", "protocols", "attributes"])
def test_list_prints_what_exists(run: Run, kind: str) -> None:
    code, out, _ = run("list", kind)
    assert code == 0
    assert len(out.strip().splitlines()) > 1
    code, out, _ = run("list", kind, "--json")
    assert code == 0
    assert len(json.loads(out)) >= 1


def test_the_methods_of_the_readme_are_listed(run: Run) -> None:
    _, out, _ = run("list", "methods", "--json")
    assert {"identity", "cyclegan", "fai"} <= {row["method"] for row in json.loads(out)}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["score", "--method", "cyclegn", "--attr", "young"], ["did you mean 'cyclegan'"]),
        (["score", "--method", "cyclegan", "--attr", "yung"], ["did you mean 'Young'"]),
        (["score", "--method", "cyclegan"], ["--attr"]),
        (["score", "--attr", "young"], ["--edited"]),
        (["score", "--method", "identity", "--attr", "young", "--data", "celeb"], ["did you mean 'celeba'"]),
        (["score", "--method", "identity", "--attr", "male", "--data", "celeba", "--root", "nowhere"], ["nowhere"]),
        (["score", "--method", "no.such.module:Editor", "--attr", "young"], ["no.such.module"]),
        (["score", "--edited", "no/folder", "--attr", "young"], ["no/folder"]),
        (["score", "--method", "fai", "--attr", "young", "-c", "missing.safetensors"], ["missing.safetensors"]),
        (["score", "--method", "fai", "--attr", "Wearing_Hat"], ["faceeval train --method fai --attr Wearing_Hat"]),
        (["list", "method s"], ["methods"]),
        (["train"], ["--judge"]),
        (["train", "--method", "fai"], ["--attr"]),
        (["train", "--method", "fai", "--attr", "young", "--set", "batch"], ["KEY=VALUE"]),
        (["train", "--method", "fai", "--attr", "young", "--set", "bach_size=4"], ["batch_size"]),
        (["report", "nothing-here.json"], ["nothing-here.json"]),
        (["data", "show", "procfces"], ["did you mean 'procfaces'"]),
    ],
)
def test_a_users_error_is_three_lines_and_exit_code_2(
    run: Run, arguments: list[str], words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run(*arguments)
    assert_three_lines(code, err, *words)
    assert not list(tmp_path.rglob("*.json"))


def test_data_list_says_where_copies_are(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FACEEVAL_DATA", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    root = write_celeba(tmp_path / "c", 4)

    def places(*arguments: str) -> dict[str, str]:
        code, out, _ = run("data", "list", *arguments)
        assert code == 0
        rows = [line for line in out.splitlines()[1:] if line and line[0] != " "]
        return {row.split()[0]: row.split()[1] for row in rows}

    assert places("--root", str(root))["celeba"].startswith(str(tmp_path)[:20])
    elsewhere = places()
    assert elsewhere.pop("procfaces") == "made"
    assert {elsewhere.pop("folder"), elsewhere.pop("hf")} == {"wherever"}
    assert len(elsewhere) >= 10
    assert set(elsewhere.values()) == {"-"}


def test_an_output_that_cannot_be_written_is_refused_before_any_work(run: Run, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    code, _, err = run("score", "--method", "identity", "--attr", "young", "--out", str(blocked / "results"))
    assert_three_lines(code, err)


def test_a_celeba_folder_is_scored_and_reported(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "no weights here"))
    root, results = write_celeba(tmp_path / "celeba"), tmp_path / "results"
    arguments = ["--data", "celeba", "--root", str(root), "--size", "64", "--out", str(results)]
    code, out, err = run("score", "--method", "identity", "--attr", "male", *arguments)
    assert code == 0, err
    assert "identity" in out
    assert "meaningless" in " ".join(err.split())
    result = results / "celeba-64" / "Male" / "identity.json"
    assert json.loads(result.read_text())["data"]["short"] is True
    page = tmp_path / "page.html"
    code, out, err = run("report", str(results), "-o", str(page), "--markdown")
    assert code == 0, err
    assert "| *identity* |" in out or "identity" in out
    assert page.read_text().startswith("<!")


def test_json_goes_to_stdout_alone(run: Run, tmp_path: Path) -> None:
    root = write_celeba(tmp_path / "celeba")
    where = ["--data", "celeba", "--root", str(root), "--size", "64", "--out", str(tmp_path / "results")]
    code, out, _ = run("score", "--method", "identity", "--attr", "male", "--json", *where)
    assert code == 0
    assert json.loads(out)["attribute"] == "Male"


def test_train_then_score_on_a_celeba_folder(run: Run, tmp_path: Path) -> None:
    root = write_celeba(tmp_path / "celeba")
    where = ["--data", "celeba", "--root", str(root)]
    run_folder = tmp_path / "run"
    small = ["--preset", "quick", "--steps", "2", "--set", "batch_size=4", "--set", "width=8", "--set", "d_width=8"]
    code, out, err = run("train", "--method", "fai", "--attr", "male", *where, *small, "--out", str(run_folder))
    assert code == 0, err
    weights = Path(out.strip())
    assert weights.is_file()
    assert _checkpoint_size(weights) == _checkpoint_size(run_folder) == 64
    scored = ["score", "--method", "fai", "--attr", "male", *where, "-c", str(weights), "--out", str(tmp_path / "out")]
    code, out, err = run(*scored)
    assert code == 0, err
    assert "fai" in out
    assert (tmp_path / "out" / "celeba-64" / "Male" / "fai.jsonl").is_file()


def test_exported_sources_can_be_edited_elsewhere_and_scored(run: Run, tmp_path: Path) -> None:
    root = write_celeba(tmp_path / "celeba")
    where = ["--root", str(root), "--size", "64"]
    folder = tmp_path / "sources"
    code, out, err = run("data", "export", "celeba", str(folder), "--layout", "editing", "--attr", "male", *where)
    assert code == 0, err
    assert "wanted.csv" in out
    options = ["--data", "celeba", *where, "--out", str(tmp_path / "out")]
    code, out, err = run("score", "--edited", str(folder), "--attr", "male", *options)
    assert code == 0, err
    assert "sources" in out


def test_outdated_faces_are_pruned_and_nothing_else(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from faceeval.data.procfaces.standard import set_folder

    monkeypatch.setenv("FACEEVAL_CACHE", str(tmp_path))
    kept = [set_folder(), tmp_path / "procfaces" / "v1-mine", tmp_path / "other" / f"v1-{'0' * 16}"]
    old = tmp_path / "procfaces" / f"v1-{'0' * 16}"
    for folder in [*kept, old]:
        folder.mkdir(parents=True)
        (folder / "images.npy").write_bytes(bytes(2_000_000))
    code, out, _ = run("data", "prune")
    assert code == 0
    assert "1 outdated folders removed, 2 MB freed" in out
    assert not old.exists()
    assert all((folder / "images.npy").is_file() for folder in kept)
    assert "0 outdated folders removed" in run("data", "prune")[1]


def test_a_small_preset_on_other_data_is_trained_without_the_teacher_of_procfaces(run: Run, tmp_path: Path) -> None:
    root, out = write_celeba(tmp_path / "celeba"), tmp_path / "run"
    command = ["train", "--method", "fai", "--attr", "male", "--data", "celeba", "--root", str(root), "--steps", "1"]
    code, _, err = run(*command, "--set", "batch_size=2", "-o", str(out))
    assert code == 0
    assert "trained without" in err
    card = json.loads((out / "fai-Male.json").read_text())
    assert card["config"]["guidance"]["guided"] is False
    assert "teacher_sha256" not in card["notes"]
    code, _, err = run(*command, "--set", "guided=true", "-o", str(tmp_path / "other"))
    assert_three_lines(code, err, "guided=false")


def test_ctrl_c_while_scoring_leaves_no_result(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("faceeval.score.score", interrupted)
    root, results = write_celeba(tmp_path / "celeba"), tmp_path / "results"
    where = ["--data", "celeba", "--root", str(root), "--size", "64", "--out", str(results)]
    code, out, err = run("score", "--method", "identity", "--attr", "male", *where)
    assert (code, out) == (130, "")
    assert "no result was written" in err
    assert not list(results.rglob("*.json*"))


def test_ctrl_c_while_training_says_where_to_go_on(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt("stopped after step 7; the checkpoint in run goes on from there")

    monkeypatch.setattr("reference_models.training.train", interrupted)
    root = write_celeba(tmp_path / "celeba")
    code, out, err = run("train", "--method", "fai", "--attr", "male", "--data", "celeba", "--root", str(root))
    assert (code, out) == (130, "")
    assert "stopped after step 7" in err


def test_overrides_are_json_or_text() -> None:
    assert parse_overrides(["steps=10", "lr=1e-4", "flip=true", "skip=full", "betas=[0.5, 0.9]"]) == {
        "steps": 10,
        "lr": 1e-4,
        "flip": True,
        "skip": "full",
        "betas": [0.5, 0.9],
    }
    with pytest.raises(InputError):
        parse_overrides(["steps"])
