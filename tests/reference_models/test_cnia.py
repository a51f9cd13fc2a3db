# SPDX-License-Identifier: MIT
from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from drawn import drawn_faces

from faceeval.errors import CheckpointError, InputError, MissingFileError, UnknownNameError
from faceeval.method import AidedEditor, Editor, MethodCard
from reference_models import cnia, load_method
from reference_models.checkpoint import save_weights
from reference_models.cnia import (
    CNIA,
    Config,
    Wanted,
    build,
    content_each,
    objective,
    total_variation,
    transfer,
    wanted_features,
)
from reference_models.features import extractor
from reference_models.guides import Guides, collect, face_ellipses, fit_similarities, moved, nearest, tinted
from reference_models.losses import content
from reference_models.recipe import override
from reference_models.training import train

SIDE = 32
MICRO = Config(
    image_size=SIDE, features="random", k=2, steps=4, n_guides=12, attributes=("Eyeglasses", "Young"),
    id_layers=("conv4_1",), att_layers=("conv2_1", "conv3_1"),
)  # fmt: skip
PHI = extractor("random")
IMAGES = torch.randint(0, 256, (4, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
VALUES = torch.tensor([0.0, 1, 1, 0])
POINTS = torch.tensor([[10.0, 12], [21, 12], [16, 18], [11, 23], [20, 23]])


def faces_with_landmarks(count=40):
    faces = drawn_faces(count, SIDE)
    jitter = np.random.default_rng(0).normal(0, 1.5, (count, 5, 2)).astype(np.float32)
    young = np.arange(count, dtype=np.uint8) % 3 % 2
    return replace(faces, landmarks=POINTS.numpy() + jitter, attributes={**faces.attributes, "Young": young})


FACES = faces_with_landmarks()


def method(**changes):
    config = override(MICRO, changes)
    guides = collect(FACES, config.attributes, config.n_guides, config.k)
    return CNIA(guides, config, MethodCard(name="cnia", attributes=config.attributes))


def aids(count=4):
    region = torch.zeros(count, 1, SIDE, SIDE)
    region[:, :, 8:16] = 1
    return {"landmarks": POINTS.expand(count, 5, 2), "region": region}


def some_faces(count, seed=0):
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed)) * 2 - 1


# --- guides -----------------------------------------------------------------------------------------------------


def test_guides_are_the_first_faces_in_hash_order_with_their_labels():
    guides = collect(FACES, MICRO.attributes, 12, 2)
    order = sorted(FACES.names, key=lambda name: hashlib.sha256(f"faceeval/1/cnia/guides:{name}".encode()).hexdigest())
    chosen = [FACES.names.index(name) for name in order[:12]]
    assert torch.equal(guides.images, torch.from_numpy(np.array(FACES.read(chosen))))
    assert np.array_equal(guides.landmarks, FACES.landmarks[chosen])
    for column, attribute in enumerate(MICRO.attributes):
        assert np.array_equal(guides.labels[:, column], FACES.attributes[attribute][chosen])


def test_guides_that_cannot_be_collected_are_an_error():
    with pytest.raises(InputError, match="without landmarks"):
        collect(replace(FACES, landmarks=None), ("Eyeglasses",), 12, 2)
    with pytest.raises(InputError, match="41 faces"):
        collect(FACES, ("Eyeglasses",), 41, 2)
    with pytest.raises(InputError, match="only 4 of one kind"):
        collect(FACES, ("Eyeglasses", "Young"), 12, 11)
    with pytest.raises(UnknownNameError, match="Smiling"):
        collect(FACES, ("Smiling",), 12, 2)


def test_chosen_guides_are_distinct_and_show_what_is_wanted():
    distances = torch.rand(6, 12, generator=torch.Generator().manual_seed(0))
    labels, value = torch.arange(12) % 2, torch.tensor([0.0, 1, 0, 1, 1, 0])
    chosen = nearest(distances, labels, value, 5)
    assert chosen.shape == (6, 5)
    for row, wanted in enumerate(value.long()):
        assert len(set(chosen[row].tolist())) == 5
        assert (labels[chosen[row]] == wanted).all()
        left = set(torch.nonzero(labels == wanted)[:, 0].tolist()) - set(chosen[row].tolist())
        assert distances[row, chosen[row]].max() <= distances[row, list(left)].min()
        assert (distances[row, chosen[row]].diff() >= 0).all()


def test_mirrored_guides_are_seen_in_a_mirror():
    guides = collect(FACES, MICRO.attributes, 12, 2)
    both = guides.with_mirrored()
    assert torch.equal(both.images[:12], guides.images)
    assert torch.equal(both.images[12:], guides.images.flip(3))
    assert torch.equal(both.labels[12:], guides.labels)
    left_eye, right_eye = both.landmarks[12:, 0], guides.landmarks[:, 1]
    torch.testing.assert_close(left_eye[:, 0], SIDE - 1 - right_eye[:, 0])
    torch.testing.assert_close(left_eye[:, 1], right_eye[:, 1])


def test_a_similarity_is_found_again_and_moves_pictures_with_their_points():
    turn, shift = (
        torch.complex(torch.tensor(0.9), torch.tensor(0.2)),
        torch.complex(torch.tensor(2.0), torch.tensor(-3.0)),
    )
    target = torch.view_as_real(torch.view_as_complex(POINTS) * turn + shift)
    maps, left = fit_similarities(POINTS[None], target[None])
    torch.testing.assert_close(maps[0, 0], torch.stack([turn, shift]))
    assert left.item() == pytest.approx(0, abs=1e-4)
    rows, columns = torch.meshgrid(torch.arange(float(SIDE)), torch.arange(float(SIDE)), indexing="ij")
    x, y = POINTS[2]
    dot = torch.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8).expand(1, 3, SIDE, SIDE)
    seen = moved(dot, maps[0])[0, 0]
    where = [(seen * axis).sum() / seen.sum() for axis in (columns, rows)]
    torch.testing.assert_close(torch.stack(where), target[2], atol=0.05, rtol=0)


def test_what_no_similarity_can_do_is_left_over():
    bent = POINTS.clone()
    bent[2, 0] += 3.0  # a nose turned aside
    _, left = fit_similarities(torch.stack([POINTS, bent]), POINTS[None])
    assert left[0, 0].item() == pytest.approx(0, abs=1e-4)
    assert 1.0 < left[0, 1].item() < 3.0
    same = torch.eye(2)[None].expand(3, 2, 2) * 5
    assert fit_similarities(same, same[:2])[1].shape == (2, 3)


def test_tinted_guides_have_the_mean_colour_of_their_source_where_it_counts():
    sources, guides = some_faces(2) * 0.4, some_faces(6, 1).view(2, 3, 3, SIDE, SIDE) * 0.4
    mask = torch.zeros(2, 1, SIDE, SIDE)
    mask[:, :, 4:12, 6:20] = 1
    made = tinted(guides, sources, mask)
    means = made[:, :, :, 4:12, 6:20].mean((3, 4))
    torch.testing.assert_close(means, sources[:, None, :, 4:12, 6:20].mean((3, 4)).expand_as(means), atol=1e-5, rtol=0)
    torch.testing.assert_close(made.std((3, 4)), guides.std((3, 4)))
    assert torch.equal(tinted(guides, sources, 0 * mask), guides)


def test_an_ellipse_lies_on_the_face_and_turns_with_it():
    eyes_to_mouth = 11.0
    mask = face_ellipses(POINTS[None], (0.9, 1.3), SIDE)[0, 0]
    assert mask.shape == (SIDE, SIDE)
    rows, columns = (mask > 0.5).nonzero().T
    assert (rows.max() - rows.min() + 1).item() == pytest.approx(2 * 1.3 * eyes_to_mouth, abs=1.5)
    assert (columns.max() - columns.min() + 1).item() == pytest.approx(2 * 0.9 * eyes_to_mouth, abs=1.5)
    assert rows.float().mean().item() == pytest.approx(17.3, abs=0.6)
    assert mask.unique().min() >= 0
    assert mask.max() == 1
    across = face_ellipses(POINTS.flip(1)[None], (0.9, 1.3), SIDE)[0, 0]  # lying on its side
    torch.testing.assert_close(across, mask.T, atol=1e-4, rtol=0)


# --- losses -----------------------------------------------------------------------------------------------------


def test_losses_have_their_known_values():
    features = torch.zeros(2, 4, 3, 3)
    assert content_each(features, features + 1).tolist() == [0.5, 0.5]
    random = torch.rand(3, 4, 5, 5)
    torch.testing.assert_close(content_each(random, 0 * random).mean(), content(random, 0 * random))
    stripes = torch.zeros(1, 3, 4, 4)
    stripes[..., ::2] = 1
    assert total_variation(stripes).item() == 1
    assert total_variation(stripes.transpose(2, 3)).item() == 1
    assert total_variation(torch.ones(1, 3, 4, 4)).item() == 0


def test_the_objective_weighs_its_terms_and_looks_only_where_the_mask_is():
    source, guides = some_faces(2), some_faces(6, 1).view(2, 3, 3, SIDE, SIDE)
    mask = torch.zeros(2, 1, SIDE, SIDE)
    config = replace(MICRO, w_id=2.0, w_att=3.0, w_tv=0.5)
    wanted = wanted_features(PHI, source, guides, mask, config)
    torch.testing.assert_close(objective(PHI, source, wanted, config), 0.5 * total_variation(source))
    wanted = wanted_features(PHI, source, guides, mask + 1, config)
    found = objective(PHI, source, wanted, config) - 0.5 * total_variation(source)
    by_hand = 0.0
    for layer in config.att_layers:
        mean = PHI.features(guides.flatten(0, 1), [layer])[layer].unflatten(0, (2, 3)).mean(1)
        by_hand = by_hand + 3.0 * content_each(PHI.features(source, [layer])[layer], mean)
    torch.testing.assert_close(found, by_hand, rtol=1e-4, atol=1e-5)
    other = objective(PHI, some_faces(2, 5), wanted, replace(config, w_att=0.0, w_tv=0.0))
    assert (other > 0).all()  # the identity's


def test_a_mask_is_averaged_to_the_size_of_each_layer():
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., :3] = 1
    wanted = wanted_features(PHI, some_faces(1), some_faces(1)[:, None], mask, MICRO)
    assert {name: tuple(one.shape[2:]) for name, one in wanted.masks.items()} == {
        "conv2_1": (16, 16),
        "conv3_1": (8, 8),
    }
    assert wanted.masks["conv2_1"][0, 0, 0, :3].tolist() == [1, 0.5, 0]
    part = wanted.only(torch.tensor([0, 0]))
    assert isinstance(part, Wanted)
    assert part.identity["conv4_1"].shape[0] == 2


# --- optimisation -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
def test_without_the_attribute_loss_the_source_stays(optimiser):
    source, guides = some_faces(2), some_faces(4, 1).view(2, 2, 3, SIDE, SIDE)
    config = replace(MICRO, w_att=0.0, w_tv=0.0, optimiser=optimiser)
    made = transfer(PHI, source, guides, torch.ones(2, 1, SIDE, SIDE), config)
    torch.testing.assert_close(made, source, atol=1e-6, rtol=0)


def test_the_objective_falls_with_every_step():
    source, guides, trace = some_faces(3), some_faces(6, 1).view(3, 2, 3, SIDE, SIDE), []
    made = transfer(PHI, source, guides, torch.ones(3, 1, SIDE, SIDE), replace(MICRO, steps=12), trace)
    values = torch.stack(trace)
    assert values.shape == (13, 3)
    assert (values.diff(dim=0) <= 0).all()
    assert (values[-1] < 0.7 * values[0]).all()
    assert made.abs().max() <= 1


def test_adam_falls_too():
    source, guides, trace = some_faces(2), some_faces(4, 1).view(2, 2, 3, SIDE, SIDE), []
    transfer(PHI, source, guides, torch.ones(2, 1, SIDE, SIDE), replace(MICRO, optimiser="adam", steps=20), trace)
    assert len(trace) == 20
    assert (trace[-1] < trace[0]).all()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimiser": "adam"},
        {"aligned": True, "mirrored": True},
        {"guide_by": "features"},
        {"smooth": 0.8, "inside": True, "face": (1.0, 1.5), "tinted": True},
    ],
)
def test_edits_are_pictures_and_do_not_depend_on_the_batch_or_on_inference_mode(changes):
    editor, other = method(**changes), method(**changes)
    whole = editor.edit_aided(IMAGES, "Eyeglasses", VALUES, aids())
    assert (whole.dtype, whole.shape) == (torch.uint8, IMAGES.shape)
    assert not torch.equal(whole, IMAGES)
    with torch.inference_mode():
        inside = other.edit_aided(IMAGES.clone(), "Eyeglasses", VALUES.clone(), aids())
    assert torch.equal(inside, whole)
    for place in range(2):
        part = slice(place, place + 1)
        alone = editor.edit_aided(IMAGES[part], "Eyeglasses", VALUES[part], aids(1))
        assert (alone.int() - whole[part].int()).abs().max() <= 1
    assert all(p.grad is None for p in PHI.parameters())


def test_wanted_values_and_attributes_lead_to_other_guides():
    editor = method(steps=2)
    made = [editor.edit_aided(IMAGES, "Eyeglasses", torch.full((4,), value), aids()) for value in (0.0, 1.0)]
    assert not torch.equal(*made)
    assert not torch.equal(editor.edit_aided(IMAGES, "Young", torch.ones(4), aids()), made[1])
    assert torch.equal(editor.changed(steps=0).edit_aided(IMAGES, "Young", torch.ones(4), aids()), IMAGES)


# --- files and errors -------------------------------------------------------------------------------------------


def publish(folder, config=MICRO):
    guides = collect(FACES, config.attributes, config.n_guides, config.k)
    facts = {"method": "cnia", "attributes": config.attributes, "data": "drawn", "notes": {}}
    return save_weights(folder / "cnia.safetensors", {"guides": guides}, config=config, **facts), guides


def test_guides_come_back_whole_and_edit_all_their_attributes(tmp_path):
    path, guides = publish(tmp_path)
    loaded = load_method("cnia", attribute="Young", size=SIDE, checkpoint=tmp_path)
    assert isinstance(loaded, AidedEditor)
    assert not isinstance(loaded, Editor)
    assert torch.equal(loaded.guides.images, guides.images)
    assert loaded.guides.images.dtype == torch.uint8
    torch.testing.assert_close(loaded.guides.landmarks, guides.landmarks, atol=0.02, rtol=0)
    assert path.stat().st_size < 12 * 3 * SIDE**2 + 2000  # a byte for a value
    card = loaded.card
    assert (card.name, card.attributes, card.needs) == (
        "cnia (reconstruction)", ("Eyeglasses", "Young"), ("landmarks", "region"),
    )  # fmt: skip
    assert card.directions == {}
    assert "Reconstruction" in card.paper
    for attribute in MICRO.attributes:
        assert loaded.edit_aided(IMAGES, attribute, VALUES, aids()).shape == IMAGES.shape


def test_guides_of_something_else_are_refused(tmp_path):
    path, _ = publish(tmp_path)
    with pytest.raises(CheckpointError, match="Male"):
        load_method("cnia", attribute="Male", size=SIDE, checkpoint=path)
    with pytest.raises(CheckpointError, match="image_size"):
        load_method("cnia", attribute="Young", size=64, checkpoint=path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(CheckpointError, match="cut short"):
        load_method("cnia", attribute="Young", size=SIDE, checkpoint=path)


def test_training_it_says_what_to_do_instead(tmp_path):
    with pytest.raises(UnknownNameError, match="collect_guides"):
        train("cnia", FACES, "Eyeglasses", out=tmp_path)
    with pytest.raises(MissingFileError, match="collect_guides"):
        load_method("cnia", attribute="Bald", data="nowhere")


def test_what_it_cannot_do_is_refused():
    editor = method()
    told = aids()
    for given, match in [
        ({}, "landmarks"),
        ({"landmarks": told["landmarks"]}, "region"),
        ({**told, "landmarks": told["landmarks"][:, :4]}, "shape"),
        ({**told, "landmarks": told["landmarks"] * torch.nan}, "finite"),
        ({**told, "region": torch.ones(4, 1, 64, 64)}, "shape"),
    ]:
        with pytest.raises(InputError, match=match):
            editor.edit_aided(IMAGES, "Young", VALUES, given)
    with pytest.raises(InputError, match="Bald"):
        editor.edit_aided(IMAGES, "Bald", VALUES, told)
    with pytest.raises(InputError, match="32, 32"):
        editor.edit_aided(torch.zeros(4, 3, 64, 64, dtype=torch.uint8), "Young", VALUES, told)


@pytest.mark.parametrize("changes", [{"k": 0}, {"steps": -1}, {"n_guides": 3}, {"attributes": ()}])
def test_configurations_that_cannot_be_are_refused(changes):
    with pytest.raises(InputError):
        build(override(MICRO, changes), 0)


def test_presets_are_what_they_are_called():
    paper = cnia.PRESETS["paper"]
    assert paper == Config()
    assert (paper.k, paper.optimiser, paper.steps, paper.w_id, paper.w_att, paper.w_tv) == (5, "lbfgs", 200, 1, 1, 1e-4)
    assert (paper.id_layers, paper.att_layers) == (("conv5_1",), ("conv3_1", "conv4_1"))
    assert (paper.aligned, paper.mirrored, paper.image_size) == (False, False, 128)
    small = cnia.PRESETS["small"]
    assert cnia.PRESETS["quick"].steps < small.steps < paper.steps
    guides = Guides(small.n_guides, 64, len(small.attributes))
    assert sum(one.numel() * one.element_size() for one in guides.buffers()) < 700_000


@pytest.mark.train
def test_two_steps_at_paper_size():
    config = replace(Config(), features="random", steps=2, n_guides=10, attributes=("Eyeglasses",))
    phi = extractor("random", width=64)
    source = torch.rand(1, 3, 128, 128) * 2 - 1
    trace = []
    made = transfer(
        phi, source, source.flip(3)[:, None].expand(1, 5, 3, 128, 128), torch.ones(1, 1, 128, 128), config, trace
    )
    assert made.shape == source.shape
    assert trace[2] < trace[0]
