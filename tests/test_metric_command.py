# SPDX-License-Identifier: MIT
"""``faceeval metric`` as a user types it: on folders, zips, files of features, and lists; and how it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceeval.cli import main
from faceeval.data.images import write_png
from faceeval.metrics import (
    GaussianStats,
    SmallSampleWarning,
    dfn_ratios,
    frechet_distance,
    identity_similarity,
    pixel_rmse,
    ssim,
)

Run = Callable[..., tuple[int, str, str]]
JUDGE = ["--judge", "procfaces"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs ``faceeval metric`` with arguments and returns exit code, stdout, stderr."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["faceeval", "metric", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        out = capsys.readouterr()
        return code, out.out, out.err

    return call


def answer(run: Run, *arguments: object) -> dict[str, Any]:
    code, out, err = run(*arguments, "--json")
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def pictures(seed: int, count: int, side: int = 32) -> np.ndarray:
    """Smooth pictures: blurred noise around a colour of their own."""
    chance = np.random.default_rng(seed)
    coarse = chance.integers(0, 256, (count, 3, side // 4, side // 4))
    return coarse.repeat(4, axis=2).repeat(4, axis=3).astype(np.uint8)


def fill(folder: Path, images: np.ndarray) -> Path:
    for index, image in enumerate(images):
        write_png(folder / f"{index:04d}.png", image)
    return folder


@pytest.fixture
def sets(tmp_path: Path) -> tuple[Path, Path]:
    """Twelve pictures, and the same a little brighter."""
    images = pictures(0, 12)
    brighter = np.clip(images.astype(int) + 20, 0, 255).astype(np.uint8)
    return fill(tmp_path / "real", images), fill(tmp_path / "fake", brighter)


def embeddings(images: np.ndarray) -> np.ndarray:
    import torch

    from faceeval.judges import load_judge

    return load_judge("procfaces")(torch.from_numpy(images))["embedding"]


def refused(run: Run, *arguments: object) -> str:
    code, out, err = run(*arguments)
    lines = err.strip().splitlines()
    assert (code, out, len(lines)) == (2, "", 3), err
    assert lines[0].startswith("error: expected ")
    assert lines[1].startswith("       got ")
    return err


def test_the_help_needs_no_torch() -> None:
    code = (
        "import sys; sys.argv = ['faceeval', 'metric', 'fid', '--help']\nfrom faceeval.cli import main\n"
        "try:\n    main()\nfinally:\n    print([m for m in ('torch', 'numpy', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


def test_fid_of_folders_is_the_functions_value(run: Run, sets: tuple[Path, Path]) -> None:
    found = answer(run, "fid", *sets, *JUDGE)
    real, fake = pictures(0, 12), np.clip(pictures(0, 12).astype(int) + 20, 0, 255).astype(np.uint8)
    with pytest.warns(SmallSampleWarning):
        expected = frechet_distance(embeddings(real), embeddings(fake))
    value = found["values"]["frechet_distance"]
    assert value["value"] == pytest.approx(expected, rel=1e-6)
    assert (value["label"], value["better"]) == ("FD-procfaces", "lower")


def test_only_a_number_that_can_be_better_says_which_way(run: Run, sets: tuple[Path, Path]) -> None:
    values = answer(run, "kid", *sets, *JUDGE)["values"]
    assert values["kernel_distance"]["better"] == "lower"
    assert "better" not in values["kernel_distance_error"]
    values = answer(run, "dfn", sets[0], sets[0], *JUDGE)["values"]
    assert (values["dfn_mean"]["better"], values["dfn_iqr"]["better"]) == ("near 1", "lower")


def test_the_json_holds_what_the_number_depends_on(run: Run, sets: tuple[Path, Path]) -> None:
    found = answer(run, "fid", *sets, *JUDGE)
    assert found["judge"]["judge"] == "procfaces"
    assert len(found["judge"]["weights_sha256"]) == 64
    assert found["judge"]["output"] == "embedding"
    assert {"faceeval", "python", "numpy", "scipy", "torch", "pillow"} <= set(found["versions"])
    for side, path in zip(("real", "fake"), sets, strict=True):
        record = found["inputs"][side]
        assert (record["path"], record["kind"], record["n"], record["skipped"]) == (str(path), "folder", 12, 0)
        assert len(record["pixels_sha256"]) == 64
        assert record["device"] in ("cpu", "cuda")
    assert "faceeval metric fid" in found["command"]
    assert any("compare only" in text or "biased" in text for text in found["notes"])


def test_a_table_goes_to_stdout_and_notes_to_stderr(run: Run, sets: tuple[Path, Path]) -> None:
    code, out, err = run("fid", *sets, *JUDGE)
    assert code == 0
    assert "FD-procfaces ↓" in out
    assert "12 images" in out
    assert "note: " in err
    assert run("fid", *sets, *JUDGE, "--quiet")[2] == ""


def test_a_set_has_one_distance_however_it_is_stored(run: Run, sets: tuple[Path, Path], tmp_path: Path) -> None:
    real, fake = sets
    packed = tmp_path / "fake.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for file in fake.iterdir():
            archive.write(file, f"inner/{file.name}")
    first = answer(run, "fid", real, fake, *JUDGE, "--save-stats", tmp_path / "stats.npz")
    features = tmp_path / "features.npz"
    assert run("features", real, *JUDGE, "-o", features)[0] == 0
    expected = first["values"]["frechet_distance"]["value"]
    for one, other in ((real, packed), (tmp_path / "stats.npz", packed), (features, fake)):
        found = answer(run, "fid", one, other, *JUDGE)
        assert found["values"]["frechet_distance"]["value"] == pytest.approx(expected, rel=1e-6)
        assert found["judge"] == first["judge"]
        assert found["inputs"]["fake"]["pixels_sha256"] == first["inputs"]["fake"]["pixels_sha256"]
    assert GaussianStats.load(tmp_path / "stats.npz").n == 12


def test_statistics_need_no_judge(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faceeval.judges.load_judge", None)
    rows = np.random.default_rng(0).standard_normal((50, 4))
    np.savez(tmp_path / "theirs.npz", mu=rows.mean(0), sigma=np.cov(rows.T))
    GaussianStats.from_features(rows + 1).save(tmp_path / "ours.npz")
    found = answer(run, "fid", tmp_path / "theirs.npz", tmp_path / "ours.npz")
    assert found["values"]["frechet_distance"]["value"] == pytest.approx(4.0, abs=1e-9)
    assert found["values"]["frechet_distance"]["label"] == "Fréchet distance"
    assert found["judge"] is None
    assert found["inputs"]["real"]["n"] is None
    assert any("how many images" in text for text in found["notes"])


def test_principal_components_are_fitted_where_asked(run: Run, tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        np.savez(tmp_path / f"{name}.npz", features=chance.standard_normal((60, 6)))
    a, b, c = (tmp_path / f"{name}.npz" for name in "abc")
    whole = answer(run, "fid", a, b)["values"]["frechet_distance"]["value"]
    pooled = answer(run, "fid", a, b, "--pca", 3)
    outside = answer(run, "fid", a, b, "--pca", 3, "--reference", c)
    values = [found["values"]["frechet_distance_pca"]["value"] for found in (pooled, outside)]
    assert max(values) < whole
    assert values[0] != values[1]
    assert pooled["settings"] == {"components": 3, "fitted_on": "both sets"}
    assert outside["inputs"]["reference"]["n"] == 60
    assert "--reference alone" in refused(run, "fid", a, b, "--reference", c)


def test_differently_made_features_are_not_compared(run: Run, sets: tuple[Path, Path], tmp_path: Path) -> None:
    real, fake = sets
    stats, other = tmp_path / "stats.npz", tmp_path / "other.npz"
    answer(run, "fid", real, fake, *JUDGE, "--save-stats", stats)
    answer(run, "fid", real, fake, "--judge", "procfaces-teacher", "--save-stats", other)
    message = refused(run, "fid", stats, other)
    assert "judge procfaces" in message
    assert "procfaces-teacher" in message


def test_kid_and_prdc_are_the_functions_values(run: Run, tmp_path: Path) -> None:
    from faceeval.metrics.kernel import kernel_distance, kernel_distance_subsets
    from faceeval.metrics.manifold import manifold_scores

    chance = np.random.default_rng(0)
    a, b = chance.standard_normal((60, 4)), chance.standard_normal((50, 4)) + 0.5
    np.savez(tmp_path / "a.npz", features=a)
    np.savez(tmp_path / "b.npz", features=b)
    sides = tmp_path / "a.npz", tmp_path / "b.npz"
    found = answer(run, "kid", *sides, "--exact")["values"]["kernel_distance"]
    assert (found["value"], found["label"]) == (pytest.approx(kernel_distance(a, b)), "kernel distance")
    found = answer(run, "kid", *sides, "--subsets", 7, "--subset-size", 20, "--seed", 3)
    expected = kernel_distance_subsets(a, b, 7, 20, 3)
    assert found["values"]["kernel_distance"]["value"] == pytest.approx(expected.mean)
    assert found["values"]["kernel_distance_error"]["value"] == pytest.approx(expected.error)
    assert found["settings"] == {"subsets": 7, "subset_size": 20, "seed": 3}
    found = answer(run, "prdc", *sides, "-k", 3)
    scores = manifold_scores(a, b, 3)
    for name in ("precision", "recall", "density", "coverage"):
        assert found["values"][name]["value"] == pytest.approx(getattr(scores, name))
    GaussianStats.from_features(a).save(tmp_path / "stats.npz")
    assert "features of each image" in refused(run, "kid", tmp_path / "stats.npz", sides[1])
    found = answer(run, "fid-infinity", tmp_path / "stats.npz", sides[1], "--points", 4)["values"]
    assert found["finite"]["value"] == pytest.approx(frechet_distance(GaussianStats.from_features(a), b))


def test_dfn_and_similarity_pair_by_name(run: Run, sets: tuple[Path, Path]) -> None:
    source, edited = sets
    (edited / "0003.png").rename(edited / "0003.PNG")
    before = embeddings(pictures(0, 12))
    after = embeddings(np.clip(pictures(0, 12).astype(int) + 20, 0, 255).astype(np.uint8))
    found = answer(run, "dfn", source, edited, *JUDGE)["values"]
    ratios = dfn_ratios(before, after)
    assert found["dfn_mean"]["value"] == pytest.approx(ratios.mean(), rel=1e-5)
    assert found["dfn_mean"]["low"] < found["dfn_mean"]["value"] < found["dfn_mean"]["high"]
    assert found["dfn_iqr"]["value"] == pytest.approx(np.subtract(*np.percentile(ratios, [75, 25])), rel=1e-4)
    found = answer(run, "similarity", source, edited, *JUDGE)["values"]
    assert found["identity_similarity"]["value"] == pytest.approx(identity_similarity(before, after).mean(), rel=1e-5)


def test_dfn_of_files_of_features(run: Run, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((9, 5)) * np.arange(1, 10)[:, None]
    names = np.array([f"{index}.png" for index in range(9)])
    np.savez(tmp_path / "a.npz", features=rows, names=names)
    np.savez(tmp_path / "b.npz", features=0.9 * rows[::-1], names=names[::-1])
    found = answer(run, "dfn", tmp_path / "a.npz", tmp_path / "b.npz")["values"]
    assert found["dfn_mean"]["value"] == pytest.approx(0.9)
    assert found["dfn_iqr"]["value"] == pytest.approx(0.0, abs=1e-12)


def test_pixels_are_compared_pair_by_pair(run: Run, sets: tuple[Path, Path]) -> None:
    source, edited = sets
    a, b = pictures(0, 12), np.clip(pictures(0, 12).astype(int) + 20, 0, 255).astype(np.uint8)
    found = answer(run, "rmse", source, edited)["values"]
    errors = pixel_rmse(a, b)
    assert found["rmse_pixel_mean"]["value"] == pytest.approx(errors.mean())
    assert found["rmse_pixel_global"]["value"] == pytest.approx(np.sqrt((errors**2).mean()))
    assert found["rms_of_image_l1"]["value"] <= found["rmse_pixel_global"]["value"]
    found = answer(run, "ssim", source, edited)["values"]
    assert found["ssim"]["value"] == pytest.approx(ssim(a, b).mean())
    found = answer(run, "psnr", source, edited)["values"]
    assert found["psnr"]["value"] == pytest.approx((20 * np.log10(255 / errors)).mean())
    assert found["equal_pairs"]["value"] == 0


def test_equal_pairs_do_not_make_a_mean_infinite(run: Run, sets: tuple[Path, Path]) -> None:
    source, edited = sets
    write_png(edited / "0000.png", pictures(0, 12)[0])
    found = answer(run, "psnr", source, edited)["values"]
    assert found["equal_pairs"]["value"] == 1
    assert 20 < found["psnr"]["value"] < 40
    found = answer(run, "psnr", source, source)["values"]
    assert found["psnr_median"]["value"] is None
    assert found["equal_pairs"]["value"] == 12
    assert "inf" in run("psnr", source, source)[1]


def write_pairs(folder: Path) -> tuple[Path, Path]:
    """Ten people of two images each, told apart without error, in two folds."""
    names = [f"p{person}/p{person}_{image:04d}.jpg" for person in range(8) for image in (1, 2)]
    rows = np.eye(8).repeat(2, axis=0) + 0.01 * np.random.default_rng(0).standard_normal((16, 8))
    np.savez(folder / "embeddings.npz", embeddings=rows.astype(np.float32), names=np.array(names))
    lines = ["2\t2"]
    for fold in (0, 4):
        lines += [f"p{person}\t1\t2" for person in (fold, fold + 1)]
        lines += [f"p{fold + 2}\t1\tp{fold + 3}\t1", f"p{fold}\t1\tp{fold + 3}\t2"]
    (folder / "pairs.txt").write_text("\n".join(lines) + "\n")
    return folder / "embeddings.npz", folder / "pairs.txt"


def test_verification_of_lfws_format_and_of_csv(run: Run, tmp_path: Path) -> None:
    stored, pairs = write_pairs(tmp_path)
    found = answer(run, "verification", stored, pairs)
    values = {key: value["value"] for key, value in found["values"].items()}
    assert values["verification_accuracy"] == 1.0
    assert values["standard_error"] == 0.0
    assert values["verification_auc"] == 1.0
    assert values["equal_error_rate"] == 0.0
    assert found["inputs"]["pairs"]["n"] == 8
    assert found["details"]["folds"]["n_pairs"] == [4, 4]
    table = tmp_path / "pairs.csv"
    rows = [("first", "second", "same", "fold")]
    for person in range(8):
        rows.append((f"p{person}_0001", f"p{person}_0002", "1", str(person % 2)))
        rows.append((f"p{person}_0001", f"p{(person + 1) % 8}_0002.png", "0", str(person % 2)))
    table.write_text("\n".join(",".join(row) for row in rows))
    found = answer(run, "verification", stored, table)
    assert found["values"]["verification_accuracy"]["value"] == 1.0
    assert found["inputs"]["pairs"]["n"] == 16


def test_verification_in_facenets_way(run: Run, tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    rows = chance.standard_normal((40, 8))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    np.savez(tmp_path / "e.npz", embeddings=rows, names=np.array([f"{index}.jpg" for index in range(40)]))
    lines = ["first,second,same", *(f"{i},{(i + 1 + i % 2) % 40},{i % 2}" for i in range(40))]
    (tmp_path / "pairs.csv").write_text("\n".join(lines))
    values = answer(run, "verification", tmp_path / "e.npz", tmp_path / "pairs.csv", "--mode", "facenet")["values"]
    assert 0.0 <= values["verification_accuracy"]["value"] <= 1.0
    assert values["std"]["value"] == pytest.approx(3 * values["standard_error"]["value"])


def test_a_study_of_raters(run: Run, tmp_path: Path) -> None:
    lines = ["rater,item,ours,theirs,[input]", *(f"r{i},1,1,2,3" for i in range(11)), "late,1,1,,2"]
    (tmp_path / "ranks.csv").write_text("\n".join(lines))
    found = answer(run, "study", tmp_path / "ranks.csv")
    assert [found["values"][f"percent {name}"]["value"] for name in ("ours", "theirs", "[input]")] == [100, 50, 0]
    assert found["values"]["kendall_w"]["value"] == 1.0
    assert found["details"]["n_dropped"] == 1
    assert any("dropped" in text for text in found["notes"])
    assert "[input]" in run("study", tmp_path / "ranks.csv")[1]


def test_errors_are_three_lines_and_cost_no_network(run: Run, sets: tuple[Path, Path], tmp_path: Path) -> None:
    real, fake = sets
    monkey = tmp_path / "empty"
    monkey.mkdir()
    assert "absent" in refused(run, "fid", tmp_path / "absent", fake)
    assert "which is empty" in refused(run, "fid", real, monkey)
    assert "did you mean 'procfaces'" in refused(run, "fid", real, fake, "--judge", "procface")
    assert "clean" in refused(run, "fid", real, fake, "--resize", "cleen")
    assert "--resize clean with procfaces" in refused(run, "fid", real, fake, *JUDGE, "--resize", "clean")
    assert "one.npz" in refused(run, "fid", tmp_path / "one.npz", fake)
    assert ".npz" in refused(run, "fid", real, fake, *JUDGE, "--save-stats", tmp_path / "stats.json")
    assert "embedding" in refused(run, "dfn", real, fake, "--judge", "procfaces-teacher")
    (fake / "0000.png").rename(fake / "9999.png")
    message = refused(run, "dfn", real, fake, *JUDGE)
    assert "lacks 1 (0000)" in message
    assert "lacks 1 (9999)" in message


def test_missing_weights_are_named_with_the_address(
    run: Run, sets: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "no weights here"))
    monkeypatch.delenv("FACEEVAL_WEIGHTS", raising=False)
    message = refused(run, "fid", *sets)
    assert "pt_inception-2015-12-05-6726825d.pth" in message
    assert "https://" in message


def test_images_that_cannot_be_used_are_named(run: Run, sets: tuple[Path, Path]) -> None:
    real, fake = sets
    write_png(fake / "0005.png", np.zeros((3, 32, 48), np.uint8))
    assert "0005.png" in refused(run, "fid", real, fake, *JUDGE)
    message = refused(run, "rmse", real, fake)
    assert "0005.png of 32x32 and 0005.png of 48x32" in message
    (fake / "0005.png").write_text("oops")
    assert "0005.png is text" in refused(run, "ssim", real, fake)


def test_one_image_is_no_distribution(run: Run, sets: tuple[Path, Path], tmp_path: Path) -> None:
    lone = fill(tmp_path / "lone", pictures(1, 1))
    assert f"1 in {lone}" in refused(run, "fid", sets[0], lone, *JUDGE)


def test_lists_that_do_not_fit_are_explained(run: Run, tmp_path: Path) -> None:
    stored, pairs = write_pairs(tmp_path)
    np.savez(tmp_path / "nameless.npz", embeddings=np.eye(4))
    assert "without names" in refused(run, "verification", tmp_path / "nameless.npz", pairs)
    (tmp_path / "pairs.csv").write_text("first,second,same\np0_0001,nobody,1\n")
    assert "nobody" in refused(run, "verification", stored, tmp_path / "pairs.csv")
    (tmp_path / "pairs.csv").write_text("first,second,same\np0_0001,p1_0001,yes\n")
    assert "line 2" in refused(run, "verification", stored, tmp_path / "pairs.csv")
    (tmp_path / "ranks.csv").write_text("ours,theirs\n1,two\n")
    assert "line 2, column theirs: 'two'" in refused(run, "study", tmp_path / "ranks.csv")


def test_ctrl_c_leaves_no_number(run: Run, sets: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("faceeval.protocols.sets.see_statistics", interrupted)
    code, out, err = run("fid", *sets, *JUDGE)
    assert (code, out) == (130, "")
    assert "no result" in err
