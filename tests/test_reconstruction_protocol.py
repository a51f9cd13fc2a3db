# SPDX-License-Identifier: MIT
"""Faces drawn from their own codes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_people import SIZE, people_faces, people_given
from toy_runs import TOY

from faceeval.errors import InputError
from faceeval.experiment import run_experiment
from faceeval.method import MethodCard
from faceeval.metrics import rms_of_image_l1, rmse_pixel_global, rmse_pixel_mean, ssim
from faceeval.protocols.printed import BW_TABLE_1

SETS = {"test": people_faces(), "other": people_faces(9, name="other")}


class Painter:
    """Draws faces again as a function says."""

    def __init__(self, change=lambda images: images, name: str = "painter"):
        self.card = MethodCard(name=name)
        self.change = change

    def reconstruct(self, images):
        return self.change(images)


def brighter(images):
    return torch.where(images < 128, images + 10, images - 10)


def noisy(images):
    generator = torch.Generator().manual_seed(int(images[0, :, 0, 0].sum()))
    noise = torch.randn(images.shape[1:], generator=generator) * 20
    return (images.float() + noise).round().clamp(0, 255).to(torch.uint8)


def draw(*methods, **changes):
    options = changes.pop("options", {})
    given = people_given(**{"faces": SETS, **changes})
    return run_experiment("reconstruction", methods or (Painter(),), given, benchmark=TOY, options=options)


def value(sweep, key, curve="painter", place=0):
    return sweep.curve(curve).points[place].values[key].value


def test_what_returns_its_input_is_perfect():
    sweep = draw()
    for curve in ("painter", "identity"):
        for place in (0, 1):
            assert [value(sweep, key, curve, place) for key in ("rmse_pixel_global", "rms_of_image_l1")] == [0, 0]
            assert value(sweep, "ssim", curve, place) == pytest.approx(1, abs=1e-12)
            assert "came back" in sweep.curve(curve).points[place].absent["psnr"]
    assert sweep.summary.axis.ticks == ("toy", "other")


def test_ten_grey_levels_off_are_ten_by_every_reading():
    sweep = draw(Painter(brighter))
    for key in ("rmse_pixel_global", "rmse_pixel_mean", "rms_of_image_l1"):
        assert value(sweep, key) == pytest.approx(10, abs=1e-12)
    assert value(sweep, "psnr") == pytest.approx(20 * np.log10(25.5), abs=1e-12)
    assert "painter draws the faces of toy 10.0 grey levels off" in sweep.summary.lead


def test_the_numbers_are_those_of_the_metrics_on_the_whole_set():
    sweep = draw(Painter(noisy), batch_size=1)
    for place, faces in enumerate(SETS.values()):
        source = faces.images()
        drawn = np.concatenate([noisy(torch.from_numpy(image[None])).numpy() for image in source])
        for metric in (rmse_pixel_global, rmse_pixel_mean, rms_of_image_l1):
            assert value(sweep, metric.__name__, place=place) == pytest.approx(metric(source, drawn), rel=1e-12)
        assert value(sweep, "ssim", place=place) == pytest.approx(ssim(source, drawn).mean(), rel=1e-12)
    point = sweep.curve("painter").points[0].values["rmse_pixel_global"]
    assert point.low < point.value < point.high
    assert point.n == 120


def test_the_mean_face_is_the_best_that_is_the_same_for_all():
    mean = np.rint(SETS["test"].images().mean(0)).astype(np.uint8)
    sweep = draw(Painter(lambda images: torch.from_numpy(mean).expand(images.shape).contiguous()))
    assert value(sweep, "rmse_pixel_global") == value(sweep, "rmse_pixel_global", "mean face")
    for shift in (-4, 4):
        other = torch.from_numpy((mean.astype(int) + shift).clip(0, 255).astype(np.uint8))
        worse = draw(Painter(lambda images, other=other: other.expand(images.shape).contiguous()))
        assert value(worse, "rmse_pixel_global") > value(sweep, "rmse_pixel_global", "mean face")


def test_a_thumbnail_of_every_pixel_loses_nothing_and_fewer_lose_more():
    off = {}
    for side in (4, 8, SIZE):
        sweep = draw(options={"thumbnail": side})
        off[side] = value(sweep, "rmse_pixel_global", f"thumbnail of {side} x {side} pixels")
    assert off[4] > off[8] > off[SIZE] == 0
    with pytest.raises(InputError, match="pixels"):
        draw(options={"thumbnail": SIZE + 1})


def test_nothing_depends_on_the_batch_size():
    one, other = (draw(Painter(brighter), batch_size=size) for size in (7, 50))
    for curve in ("painter", "mean face", "thumbnail of 6 x 6 pixels"):
        assert one.curve(curve) == other.curve(curve)
    assert one.images == other.images
    np.testing.assert_array_equal(one.tiles, other.tiles)


def test_every_image_has_a_line_with_values_at_its_own_place():
    sweep = draw(Painter(noisy))
    assert len(sweep.images) == 120 + 54
    assert sweep.images[0].name == f"toy/{SETS['test'].names[0]}"
    table = sweep.per_image("painter", "pixel_rmse")
    assert np.isnan(table[:120, 1]).all()
    assert np.isnan(table[120:, 0]).all()
    assert np.sqrt((table[120:, 1] ** 2).mean()) == pytest.approx(value(sweep, "rmse_pixel_global", place=1))


def test_fewer_images_are_a_quick_look():
    sweep = draw(count=10)
    assert "quick look" in sweep.summary.notices[0]
    assert [sweep.summary.settings[f"images of {name}"] for name in ("toy", "other")] == [10, 10]
    assert sweep.summary.data.images == 10
    with pytest.raises(InputError, match="at least 2 images"):
        draw(count=1)


def test_the_same_images_in_two_sets_are_said():
    sweep = draw(faces={"test": SETS["test"], "toy:role": people_faces(9, name="toy:role")})
    assert sweep.summary.notices == ("54 of the 54 images of toy:role are images of toy too",)


def test_faces_are_shown_by_every_method_and_its_worst():
    sweep = draw(Painter(noisy), Painter(brighter, "other painter"))
    rows = [(row.name, row.curve) for row in sweep.summary.grid.rows]
    assert ("toy, 1", "thumbnail of 6 x 6 pixels") in rows
    assert ("other, worst of painter", "painter") in rows
    assert ("other, worst of painter", "other painter") not in rows
    assert sweep.tiles.shape[:2] == (len(rows), 2)
    worst = np.nanmax(sweep.per_image("painter", "pixel_rmse")[:, 0])
    shown = next(row.shown for row in sweep.summary.grid.rows if row.name == "toy, worst of painter")
    assert shown == f"RMSE of painter {worst:.1f}"


def test_what_the_paper_prints_is_there():
    table = draw().summary.printed
    assert table.rows["trained on CelebA"] == ("22.87", "23.64", "22.87", "21.23")
    assert len(BW_TABLE_1["trained on VGGFace2"]) == len(table.heads) + 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda images: images.float(), "float32"),
        (lambda images: images[:, :, :8, :8], "shape"),
        (lambda images: images[:-1], "shape"),
        (lambda images: None, "NoneType"),
    ],
)
def test_what_is_no_picture_is_refused(change, said):
    with pytest.raises(InputError, match=said):
        draw(Painter(change))


def test_sets_that_do_not_go_together_are_refused():
    with pytest.raises(InputError, match="toy twice"):
        draw(faces={"test": SETS["test"], "toy": SETS["other"]})
    with pytest.raises(InputError, match="8 px in other"):
        draw(faces={"test": SETS["test"], "other": replace(SETS["other"], size=8)})
    with pytest.raises(InputError, match="lacks reconstruct"):
        draw(type("Blind", (), {"card": MethodCard(name="blind")})())


def test_as_many_components_as_directions_draw_other_people_exactly():
    # flat faces before flat backgrounds: three colours of each
    for components, exact in ((6, True), (5, False)):
        sweep = draw(options={"components": components})
        for place in (0, 1):
            off = value(sweep, "rmse_pixel_global", f"{components} principal components", place)
            assert (off < 1e-9) == exact
    assert value(draw(options={"components": 40}), "rmse_pixel_global", "40 principal components") < 1e-9
    assert off < value(sweep, "rmse_pixel_global", "mean face", 1)


def test_a_linear_code_needs_more_images_than_components():
    point = draw().curve("99 principal components").points[0]
    assert point.absent["ssim"] == "too few images to fit it on half of the people"
    assert "principal" not in draw().summary.lead
    with pytest.raises(InputError, match="at least 1 principal component"):
        draw(options={"components": 0})
