# SPDX-License-Identifier: MIT
from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from math import degrees

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional
from toy_parts import CLIPS, FACES, MICRO, MICRO_MAD, STILLS, TINY_MAD

from faceeval.errors import CheckpointError, InputError, UnknownNameError
from faceeval.method import Embedder, Generator, PoseReader, Reconstructor, Swapper
from reference_models import load_method, mad
from reference_models.blocks import at_rest, count_parameters
from reference_models.loop import Loop
from reference_models.mad_config import FACTORS, Config, check, exchanges, stages
from reference_models.mad_factors import (
    Labels,
    centre_loss,
    contrast_loss,
    expression_distances,
    expression_relations,
    feature_loss,
    relations,
    triplet_loss,
    triplets,
)
from reference_models.mad_losses import (
    disentangling_terms,
    drawing_loss,
    exchanged,
    joint_loss,
    separate_loss,
    translate,
)
from reference_models.mad_networks import (
    Centres,
    CodeDiscriminator,
    Disentangler,
    Encoder,
    ImageDiscriminator,
    Inverse,
    columns,
    to_images,
    to_values,
)
from reference_models.mad_networks import Generator as Decoder
from reference_models.recipe import Batch
from reference_models.training import configure, train

PAPER = Config()
NETWORKS = ("encoder", "generator", "discriminator_z", "discriminator_x", "disentangler", "inverse")
IMAGES = torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def chance(seed=0):
    return torch.Generator().manual_seed(seed)


def make_batch(config=MICRO_MAD, kind="identity", count=12):
    """Three people with four clips' frames each; all labels are known."""
    rows = torch.arange(count)
    images = torch.rand(count, 3, config.image_size, config.image_size, generator=chance(1)) * 2 - 1
    aids = {
        "person": (rows // 4).float(),
        "clip": (rows // 2).float(),
        "pose": torch.linspace(-30, 30, 3 * count).view(count, 3),
        "expression": torch.stack([rows % 3, rows / count, -rows / count], 1).float(),
    }
    none = torch.zeros(count, 0)
    return Batch(images, none, torch.zeros(count, dtype=torch.int64), count, chance(2), aids=aids, kind=kind)


def state_of(network):
    return {key: value.clone() for key, value in network.state_dict().items()}


def run(out, faces=FACES, method="mad", **options):
    changes = {**MICRO, "batch_size": 12, "precision": "no", "ema_decay": 0.9, **options.pop("changes", {})}
    options = {"steps": 14, "sample_every": 0, "log_every": 1, **options}
    return train(method, faces, out=out, overrides=changes, **options)


# --- networks ---------------------------------------------------------------------------------------------------


def counts(config):
    with torch.device("meta"):
        kinds = (Encoder, Decoder, CodeDiscriminator, ImageDiscriminator, Disentangler, Inverse)
        return [count_parameters(kind(config)) for kind in kinds]


def test_networks_have_the_parameters_of_their_layer_tables():
    assert counts(PAPER) == [11_227_299, 10_699_776, 1_102_001, 1_743_744, 199_099, 199_099]
    # the released configuration, whose counts its training prints
    assert counts(replace(PAPER, image_size=256))[:4] == [11_379_491, 10_868_096, 1_102_001, 1_743_744]
    # the text by the letter
    literal = counts(replace(PAPER, blocks_per_stage=2, dz_layers=3, dz_bn=True))
    assert (literal[1], literal[2]) == (12_323_840, 2_109_001)
    assert counts(TINY_MAD) == [714_867, 669_088, 29_441, 44_640, 25_571, 25_571]


def test_small_weights_stay_below_1900_kilobytes():
    networks = mad.build(mad.PRESETS["small"], 0)
    published = [networks[name] for name in NETWORKS]
    assert set(networks) - set(NETWORKS) <= set(mad.HELPERS)
    assert sum(2 * value.numel() for one in published for value in one.state_dict().values()) < 1_900_000


@torch.no_grad()
def test_paper_networks_have_the_shapes_of_their_tables():
    encoder, generator, judge_x = (kind(PAPER).eval() for kind in (Encoder, Decoder, ImageDiscriminator))
    judge_z, phi, inverse = CodeDiscriminator(PAPER), Disentangler(PAPER), Inverse(PAPER)
    for count in (1, 2):
        x = torch.rand(count, 3, 128, 128)
        assert encoder.maps(x).shape == (count, 512, 4, 4)
        code = encoder(x)
        assert code.shape == (count, 99)
        shapes, values = [], code
        for layer in generator.layers:
            values = layer(values)
            shapes.append(tuple(values.shape[1:]))
        ups = [(256, 8, 8), (128, 16, 16), (64, 32, 32), (64, 64, 64), (3, 128, 128)]
        assert shapes == [(512,), (512, 1, 1), *[(512, 4, 4)] * 3, *ups]
        assert judge_x(values).shape == judge_z(code).shape == (count, 1)
        assert phi(code).shape == inverse(phi(code)).shape == (count, 99)


@pytest.mark.parametrize("count", [1, 2])
def test_pictures_and_codes_are_finite_and_within_range(count):
    networks = mad.build(TINY_MAD, 0)
    with at_rest(*networks.values()), torch.no_grad():
        code = networks["encoder"](to_values(torch.rand(count, 3, 64, 64) * 2 - 1))
        values = networks["generator"](code)
        parts = networks["disentangler"](code)
    assert code.shape == parts.shape == (count, 99)
    assert values.shape == (count, 3, 64, 64)
    assert values.dtype == code.dtype == parts.dtype == torch.float32
    assert values.isfinite().all()
    assert values.abs().max() <= 1
    for factor in FACTORS:
        own = parts[:, columns(factor, TINY_MAD.dims)]
        assert own.shape[1] == (3 if factor == "pose" else 32)
        if factor != "pose":
            torch.testing.assert_close(own.norm(dim=1), torch.ones(count))


def test_values_are_grey_levels_less_the_mean_and_cover_all_colours():
    black, white = -torch.ones(1, 3, 1, 1), torch.ones(1, 3, 1, 1)
    assert to_values(black).flatten().tolist() == pytest.approx([-0.518, -0.418, -0.361])
    assert to_values(white).flatten().tolist() == pytest.approx([0.482, 0.582, 0.639])
    torch.testing.assert_close(to_images(to_values(white)), white)


def test_first_weights_have_the_spread_of_the_released_code():
    networks = mad.build(TINY_MAD, 0)
    first = networks["encoder"].get_submodule("layer4")[1].conv2.weight
    assert first.std().item() == pytest.approx((2 / (9 * 128)) ** 0.5, rel=0.02)
    assert networks["discriminator_x"].layers[2].weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert networks["disentangler"].hidden[0].weight.abs().max() <= 99**-0.5
    again = mad.build(TINY_MAD, 0)
    assert all(torch.equal(a, b) for n in NETWORKS for a, b in zip(
        networks[n].state_dict().values(), again[n].state_dict().values(), strict=True))  # fmt: skip


def test_what_drops_out_is_drawn_from_the_batch_s_chance():
    judge, code = CodeDiscriminator(TINY_MAD), torch.ones(4, 99)
    first, again, other = (judge(code, chance(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(judge(code), judge(code))


def test_resting_networks_look_on_and_keep_their_statistics():
    encoder = mad.build(MICRO_MAD, 0)["encoder"]
    before = state_of(encoder)
    with at_rest(encoder):
        encoder(torch.rand(4, 3, 16, 16))
    assert all(torch.equal(value, before[key]) for key, value in encoder.state_dict().items())
    assert encoder.training
    encoder(torch.rand(4, 3, 16, 16))
    assert not torch.equal(encoder.bn1.running_mean, before["bn1.running_mean"])


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"image_size": 48}, "power of two"),
        ({"dims": (3, 4, 4, 5)}, "sum up to z_dim=15"),
        ({"dims": (4, 4, 4, 3)}, "yaw, pitch and roll"),
        ({"dims": (3, 12)}, "dims of pose"),
        ({"d_stages": 3}, "4x4"),
        ({"stage_lengths": (0.0, 0.0, 1.0), "variant": "separate"}, "variant=separate"),
        ({"stage_lengths": (1.0, -1.0, 1.0)}, "from 0 on"),
        ({"turns": ()}, "factors to learn"),
        ({"draws": 0}, "from 1 on"),
        ({"variant": "both"}, "variant"),
        ({"turns": ("age",)}, "factor whose turn"),
        ({"triplet": "cubed"}, "triplet"),
    ],
)
def test_senseless_configurations_are_refused(changes, match):
    with pytest.raises((InputError, UnknownNameError), match=match):
        check(replace(MICRO_MAD, **changes))


# --- losses -----------------------------------------------------------------------------------------------------


def test_losses_of_silent_discriminators():
    networks, batch = mad.build(TINY_MAD, 0), make_batch(TINY_MAD, count=2)
    for name in ("discriminator_z", "discriminator_x"):
        for parameter in networks[name].parameters():
            parameter.data.zero_()
    fakes = translate(networks, batch)
    assert set(fakes) == {"faces", "codes", "reconstructed", "drawn", "sampled"}
    terms = mad.UPDATES["discriminator_z"].loss(networks, batch, fakes, TINY_MAD, {})
    assert terms["d_codes"].item() == pytest.approx(1.386294, abs=1e-6)
    terms = mad.UPDATES["discriminator_x"].loss(networks, batch, fakes, TINY_MAD, {})
    assert terms["d_reconstructed"].item() == pytest.approx(0.9 * 1.386294, abs=1e-6)
    assert terms["d_sampled"].item() == pytest.approx(1.386294, abs=1e-6)
    terms = mad.UPDATES["autoencoder"].loss(networks, batch, fakes, TINY_MAD, {})
    assert terms["ae_adversarial"].item() == pytest.approx(0.9 * 0.693147, abs=1e-6)
    assert terms["ae_codes"].item() == terms["ae_sampled"].item() == pytest.approx(0.693147, abs=1e-6)
    missed = (fakes["reconstructed"] - to_values(batch.images)).abs().mean().item()
    assert terms["ae_reconstruction"].item() == pytest.approx(0.9 * 255 * missed, rel=1e-5)


def test_without_its_weight_no_face_is_drawn_from_the_prior():
    config = replace(MICRO_MAD, w_gen=0.0)
    networks, batch = mad.build(config, 0), make_batch()
    fakes = translate(networks, batch)
    assert "sampled" not in fakes
    for name in ("discriminator_x", "autoencoder"):
        assert not [key for key in mad.UPDATES[name].loss(networks, batch, fakes, config, {}) if "sampled" in key]


def test_triplet_losses_of_orthogonal_vectors():
    a, b = torch.eye(2)[:1], torch.eye(2)[1:]
    assert triplet_loss(a, a, b, PAPER).item() == 0.0
    assert triplet_loss(a, b, a, PAPER).item() == pytest.approx(0.4)
    assert triplet_loss(a, b, b, PAPER).item() == pytest.approx(0.2)
    printed = replace(PAPER, triplet="squared", clamp=0.0)
    assert triplet_loss(a, b, a, printed).item() == pytest.approx(2.2)
    x = a.clone().requires_grad_(True)
    triplet_loss(x, x, b * 0.1, replace(PAPER, margin=2.0)).backward()
    assert x.grad.isfinite().all()


def test_expression_distance_counts_affect_and_class():
    rated = torch.tensor([[1, 0.2, 0.4], [2, 0.5, 0.8], [1, 0.2, 0.4], [2, torch.nan, torch.nan]])
    apart = expression_distances(rated, PAPER)
    assert apart[0].tolist() == pytest.approx([0.0, 0.75, 0.0, 0.25])
    printed = expression_distances(rated, replace(PAPER, label_power=2))
    assert printed[0, 1].item() == pytest.approx(0.5)


def test_like_is_the_nearest_expression_and_unlike_those_beyond_a_rank():
    valence = torch.tensor([0.0, 0.1, 0.3, 0.7, -0.9, 0.0])
    rated = torch.stack([torch.tensor([0.0, 0, 0, 0, 0, -1]), valence, torch.zeros(6)], 1)
    likes, unlikes = expression_relations(rated, replace(PAPER, first_negative=3))
    assert likes.nonzero().tolist() == [[0, 1], [1, 0], [2, 1], [3, 2], [4, 0]]  # the last is unknown
    assert unlikes.nonzero().tolist() == [
        [0, 3],
        [0, 4],
        [1, 3],
        [1, 4],
        [2, 3],
        [2, 4],
        [3, 0],
        [3, 4],
        [4, 2],
        [4, 3],
    ]
    # a small batch has a last rank, and two faces have none
    assert expression_relations(rated[:3], PAPER)[1].nonzero().tolist() == [[0, 2], [1, 2], [2, 0]]
    assert not any(pairs.any() for pairs in expression_relations(rated[4:], PAPER))


def test_triplets_are_of_like_and_of_the_nearest_unlike():
    codes = torch.tensor([[0.0], [0.1], [0.2], [0.3], [5.0], [9.0]])
    people = torch.tensor([0, 0, 0, 1, 2, 2])
    labels = replace(Labels.of(make_batch()), people=people)
    likes, unlikes = relations("identity", labels, PAPER)
    assert not likes.diagonal().any()
    negatives, positives = set(), set()
    for seed in range(30):
        rows = triplets(codes, likes, unlikes, 2, chance(seed))
        assert rows[:, 0].tolist() == list(range(6))
        assert (people[rows[:, 0]] == people[rows[:, 1]]).all()
        assert (people[rows[:, 0]] != people[rows[:, 2]]).all()
        assert all(anchor != positive or anchor == 3 for anchor, positive, _ in rows.tolist())
        positives.add(rows[0, 1].item())
        negatives.add(rows[0, 2].item())
    assert positives == {1, 2}
    assert negatives == {3, 4}  # the nearest two
    nobody = torch.zeros(6, 6, dtype=torch.bool)
    assert triplets(codes, likes, nobody, 2, chance()).shape == (0, 3)
    assert {triplets(codes, likes, unlikes, 0, chance(seed))[0, 2].item() for seed in range(30)} == {3, 4, 5}


def test_a_contrast_tells_a_pair_from_all_unlike_faces():
    codes = torch.eye(4)[[0, 0, 1, 2]]
    likes, unlikes = relations("identity", Labels(torch.tensor([0.0, 0, 1, 2]), *[torch.zeros(4)] * 3), PAPER)
    # e^(1/t) of the pair beside two of e^0
    expected = 0.5 * np.log(1 + 2 * np.exp(-2))
    assert contrast_loss(codes, likes, unlikes, 0.5).item() == pytest.approx(expected, rel=1e-5)
    assert contrast_loss(torch.ones(4, 4) / 2, likes, unlikes, 0.5).item() == pytest.approx(0.5 * np.log(3), rel=1e-5)
    assert contrast_loss(codes, likes & False, unlikes, 0.5) is None
    assert contrast_loss(codes, likes, unlikes & False, 0.5) is None
    networks, batch = mad.build(MICRO_MAD, 0), make_batch(kind="style")
    terms = separate_loss(networks, batch, {}, replace(MICRO_MAD, contrast=0.1, tasks="known"), {})
    assert {f"phi_{factor}" for factor in FACTORS} | {"phi_augmented"} <= terms.keys()
    assert all(value.isfinite() for value in terms.values())


def test_expressions_are_told_by_the_nearest_centre():
    config = replace(MICRO_MAD, centres=2.0, w_affect=3.0, dims=(3, 13, 13, 8), z_dim=37)
    centres = Centres(config)
    centres.classes.weight.data = 5.0 * torch.eye(8)  # of any length
    centres.affect.weight.data.zero_()
    centres.affect.bias.data = torch.tensor([0.5, 0.0])
    codes = torch.eye(8)[[0, 1, 1, 3]]
    nan = torch.nan
    shown = torch.tensor([[0.0, 0.5, 1.0], [1, nan, nan], [4, 0.5, nan], [-1, 0, 0]])
    right, wrong = (-np.log(np.exp(own) / (np.exp(2.0) + 7)) for own in (2.0, 0.0))
    classes, affect = (right + right + wrong) / 3, 3.0 * (0 + 1 + 0) / 3
    unknown = shown[:, :1].clone() * 0 - 1
    # the fourth has no class, and its affect is known
    assert centre_loss(codes, shown, config, centres).item() == pytest.approx(classes + affect * 3 / 5 + 0.15, rel=1e-5)
    assert centre_loss(codes, torch.cat([unknown, shown[:, 1:]], 1), config, centres) is None
    alone = centre_loss(
        codes, torch.tensor([[0.0, nan, nan], [1, nan, nan], [1, nan, nan], [1, nan, nan]]), config, centres
    )
    # each class counts alike, however many show it
    assert alone.item() == pytest.approx((right + (2 * right + wrong) / 3) / 2, rel=1e-5)


@pytest.mark.parametrize("stage", [separate_loss, joint_loss])
def test_centres_learn_beside_the_codes(stage):
    config = replace(MICRO_MAD, centres=16.0, w_affect=1.0, tasks="known")
    networks, batch = mad.build(config, 0), make_batch(kind="expression")
    terms = stage(networks, batch, translate(networks, batch), config, {})
    (terms["phi_expression"] + terms["phi_augmented"]).backward()
    learning = (networks["centres"], networks["disentangler"].heads[FACTORS.index("expression")])
    assert all(one.grad.abs().max() > 0 for network in learning for one in network.parameters())


def test_faces_to_learn_from_are_moved_for_all_losses_alike():
    config = replace(MICRO_MAD, max_shift=3)
    networks, batch = mad.build(config, 0), make_batch(config)
    fakes = translate(networks, batch)
    assert not torch.equal(fakes["faces"], to_values(batch.images))
    assert torch.equal(translate(networks, replace(batch, generator=chance(2)))["faces"], fakes["faces"])
    terms = mad.UPDATES["autoencoder"].loss(networks, batch, fakes, config, {})
    missed = (fakes["reconstructed"] - fakes["faces"]).abs().mean().item()
    assert terms["ae_reconstruction"].item() == pytest.approx(config.lambda_ae * 255 * missed, rel=1e-5)
    still = translate(mad.build(MICRO_MAD, 0), batch)
    assert torch.equal(still["faces"], to_values(batch.images))


def test_style_stays_within_a_clip_and_differs_between_those_of_a_person():
    batch = make_batch()
    labels, codes = Labels.of(batch), torch.zeros(12, 4)
    codes[:, 0] = labels.clips  # told apart at once
    style = feature_loss("style", codes, labels, PAPER, chance())
    assert style.item() == 0.0
    # what is the same all over a person's clips says nothing of style
    codes[:, 0] = labels.people
    assert feature_loss("style", codes, labels, PAPER, chance()).item() == pytest.approx(0.2, abs=1e-4)
    assert feature_loss("identity", codes, labels, PAPER, chance()).item() == 0.0


def test_factors_without_labels_have_no_loss():
    batch = replace(make_batch(), aids={})
    labels = Labels.of(batch)
    assert all(feature_loss(factor, torch.zeros(12, 3), labels, PAPER, chance()) is None for factor in FACTORS)
    some = replace(make_batch(), aids={"pose": torch.tensor([[90.0, 0, -90]] + [[torch.nan] * 3] * 11)})
    loss = feature_loss("pose", torch.zeros(12, 3), Labels.of(some), PAPER, chance())
    assert loss.item() == pytest.approx(np.pi / 3)
    squared = feature_loss("pose", torch.zeros(12, 3), Labels.of(some), replace(PAPER, pose_loss="mse"), chance())
    assert squared.item() == pytest.approx(np.pi**2 / 6)


def test_an_exchange_moves_one_factor_and_keeps_all_its_vectors():
    parts, order = torch.rand(6, 15, generator=chance()), torch.randperm(6, generator=chance(1))
    for factor in FACTORS:
        new, own = exchanged(parts, parts[order], factor, MICRO_MAD.dims), columns(factor, MICRO_MAD.dims)
        assert torch.equal(new[:, own], parts[order, own])
        assert torch.equal(new[:, own].sort(0).values, parts[:, own].sort(0).values)
        rest = [place for place in range(15) if not own.start <= place < own.stop]
        assert torch.equal(new[:, rest], parts[:, rest])
    labels = Labels.of(make_batch()).rows(torch.arange(11, -1, -1))
    assert labels.people.tolist() == [2.0] * 4 + [1.0] * 4 + [0.0] * 4


@pytest.mark.parametrize("kind", FACTORS)
def test_terms_are_those_of_the_turn_or_of_all_that_is_known(kind):
    networks, batch = mad.build(MICRO_MAD, 0), make_batch(kind=kind)
    always = {"phi_reconstruction", "phi_cycle", "phi_augmented", "phi_pose"}
    assert separate_loss(networks, batch, {}, MICRO_MAD, {}).keys() == always | {f"phi_{kind}"}
    known = replace(MICRO_MAD, tasks="known")
    assert separate_loss(networks, batch, {}, known, {}).keys() == always | {f"phi_{factor}" for factor in FACTORS}
    plain = replace(MICRO_MAD, w_cycle=0.0, w_augmented=0.0)
    assert not {"phi_cycle", "phi_augmented"} & separate_loss(networks, batch, {}, plain, {}).keys()


def test_weights_multiply_their_terms():
    networks = mad.build(MICRO_MAD, 0)
    once = separate_loss(networks, make_batch(kind="expression"), {}, replace(MICRO_MAD, lambda_zrec=1.0), {})
    weighed = replace(MICRO_MAD, w_phi=5.0, w_expression=2.0, w_cycle=3.0)
    more = separate_loss(networks, make_batch(kind="expression"), {}, weighed, {})
    factors = {"reconstruction": 20.0, "pose": 5.0, "expression": 10.0, "cycle": 15.0, "augmented": 10.0}
    for name, factor in factors.items():
        assert more[f"phi_{name}"].item() == pytest.approx(factor * once[f"phi_{name}"].item(), rel=1e-5)


def test_the_cycle_asks_nothing_where_what_was_asked_comes_back():
    class Same(torch.nn.Module):
        def forward(self, x):
            return x

    parts = torch.rand(12, 15, generator=chance())
    networks = dict.fromkeys(("encoder", "generator", "disentangler", "inverse"), Same())
    batch = replace(make_batch(), images=to_images(torch.zeros(12, 3, 1, 1)))
    terms = disentangling_terms(networks, batch, parts, MICRO_MAD)
    assert terms["phi_cycle"].item() == terms["phi_reconstruction"].item() == 0.0


def test_the_separate_stage_looks_through_an_autoencoder_that_stands_still():
    networks, batch = mad.build(MICRO_MAD, 0), make_batch()
    before = {name: state_of(networks[name]) for name in ("encoder", "generator")}
    torch.stack(list(separate_loss(networks, batch, {}, MICRO_MAD, {}).values())).sum().backward()
    for name, state in before.items():
        assert all(torch.equal(value, state[key]) for key, value in networks[name].state_dict().items())
    for name in ("disentangler", "inverse"):
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in networks[name].parameters())


def test_the_joint_stage_reaches_the_autoencoder_through_both_objectives():
    networks, batch = mad.build(MICRO_MAD, 0), make_batch()
    terms = joint_loss(networks, batch, translate(networks, batch), MICRO_MAD, {})
    for name in ("ae_reconstruction", "ae_codes", "phi_identity", "phi_cycle", "phi_reconstruction"):
        networks["encoder"].zero_grad()
        terms[name].backward(retain_graph=True)
        assert networks["encoder"].conv1.weight.grad.abs().sum() > 0


def test_the_encoder_need_not_follow_the_reconstruction_of_its_codes():
    for follows in (True, False):
        config = replace(MICRO_MAD, zrec_moves_encoder=follows)
        networks, batch = mad.build(config, 0), make_batch()
        codes = networks["encoder"](to_values(batch.images))
        disentangling_terms(networks, batch, codes, config)["phi_reconstruction"].backward()
        assert (networks["encoder"].conv1.weight.grad is not None) == follows
        assert networks["disentangler"].hidden[0].weight.grad.abs().sum() > 0


def test_four_images_can_be_learnt_by_heart():
    noise = torch.rand(4, 3, 8, 8, generator=chance()) * 2 - 1
    values = to_values(functional.interpolate(noise, size=64, mode="bicubic").clamp(-1, 1))
    networks = mad.build(TINY_MAD, 0)
    encoder, generator = networks["encoder"], networks["generator"]
    parameters = [*encoder.parameters(), *generator.parameters()]
    optimiser = torch.optim.Adam(parameters, 1e-3, betas=(0.0, 0.999))
    losses = []
    for _ in range(40):
        loss = 255 * (generator(encoder(values)) - values).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] / losses[0] < 0.4


@pytest.mark.parametrize("contrast", [0.0, 0.1])
def test_one_batch_can_be_taken_apart_by_heart(contrast):
    config = replace(MICRO_MAD, tasks="known", contrast=contrast, w_gen=0.0, w_phi=20.0)
    networks, batch = mad.build(config, 0), make_batch(kind="identity")
    parameters = [parameter for name in mad.AVERAGED for parameter in networks[name].parameters()]
    optimiser, losses = torch.optim.Adam(parameters, 3e-3), []
    for step in range(60):
        batch = replace(batch, generator=chance(step))
        terms = joint_loss(networks, batch, translate(networks, batch), config, {})
        optimiser.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        optimiser.step()
        losses.append({name: value.item() for name, value in terms.items()})
    for name in ("ae_reconstruction", "phi_reconstruction", "phi_identity", "phi_pose", "phi_style"):
        assert losses[-1][name] < 0.9 * losses[0][name], name


# --- training ---------------------------------------------------------------------------------------------------


def test_stages_share_the_steps_as_their_lengths_say():
    ends = (0, 235_000, 246_000, 257_000)
    assert list(stages(PAPER)) == ["autoencoder", "separate", "joint", "drawing"]
    assert [(steps.start, steps.stop) for steps in stages(PAPER).values()] == list(pairwise((*ends, ends[-1])))
    late = replace(PAPER, drawing_share=0.2)
    assert [len(steps) for steps in stages(late).values()] == [188_000, 8_800, 8_800, 51_400]
    assert stages(replace(MICRO_MAD, variant="separate"))["joint"] == range(14, 14)
    only = replace(MICRO_MAD, stage_lengths=(0.0, 0.0, 1.0))
    assert [len(steps) for steps in stages(only).values()] == [0, 0, 14, 0]
    training = PAPER.training
    assert (training.lr, training.betas, training.batch_size, training.flip) == (5e-5, (0.0, 0.999), 100, True)
    assert mad.adam(PAPER)["separate"] == {"lr": 1e-4, "betas": (0.9, 0.999)}


def test_the_joint_stage_may_exchange_faces_later():
    config = replace(MICRO_MAD, stage_lengths=(1.0, 1.0, 2.0), exchange_from=0.5)
    config = replace(config, training=replace(config.training, steps=16))
    assert [exchanges(config, step / 16) for step in range(16)] == [True] * 8 + [False] * 4 + [True] * 4
    networks, batch = mad.build(config, 0), make_batch(config)
    for done, own in ((0.5, False), (0.75, True)):
        now = replace(batch, done=done)
        terms = joint_loss(networks, now, translate(networks, now), config, {})
        assert ("phi_cycle" in terms) is own
        assert "phi_identity" in terms
    assert not exchanges(replace(config, w_cycle=0.0, w_augmented=0.0), 0.9)
    with pytest.raises(InputError, match="exchange_from"):
        check(replace(config, exchange_from=1.5))


def test_the_schedule_names_the_updates_of_each_stage():
    config = replace(MICRO_MAD, d_every=4, dz_every=2, training=replace(MICRO_MAD.training, constant_share=0.5))
    found = [mad.schedule(config, step) for step in range(14)]
    assert list(found[0]) == ["discriminator_z", "discriminator_x", "autoencoder"]
    assert [list(one) for one in found[1:3]] == [["autoencoder"], ["discriminator_z", "autoencoder"]]
    assert all(list(one) == ["separate"] for one in found[4:11])
    assert [list(one)[-1] for one in found[11:]] == ["joint"] * 3
    # at full step size when a stage begins, and falling before it ends
    assert [found[step][name] for step, name in ((0, "autoencoder"), (4, "separate"), (11, "joint"))] == [1.0] * 3
    assert found[3]["autoencoder"] == 0.5
    assert found[10]["separate"] == 0.25


@pytest.mark.parametrize("centres", [0.0, 16.0])
def test_each_update_changes_its_own_networks_only(tmp_path, monkeypatch, centres):
    descend, seen = Loop.descend, []

    def weights(networks):
        return {name: torch.cat([p.detach().flatten() for p in net.parameters()]) for name, net in networks.items()}

    def watch(self, networks, group, losses, terms):
        before = weights(self.state.networks)
        descend(self, networks, group, losses, terms)
        after = weights(self.state.networks)
        moved = {name for name in before if not torch.equal(before[name], after[name])}
        seen.append((group, moved, set(networks) & set(before)))

    monkeypatch.setattr(Loop, "descend", watch)
    run(tmp_path, changes={"centres": centres, "tasks": "known"})
    games = ["discriminator_z", "discriminator_x"]
    expected = [*games, "autoencoder"] * 4 + ["separate"] * 7 + [*games, "joint"] * 3
    assert [group for group, _, _ in seen] == expected
    assert all(changed == own for _, changed, own in seen)


def test_at_last_the_generator_alone_learns_as_it_will_draw(tmp_path):
    seen = []

    def keep(step, method):
        seen.append({name: state_of(network) for name, network in method.networks.items()})

    run(tmp_path, checkpoint_every=7, on_checkpoint=keep, changes={"drawing_share": 0.5, "ema_decay": 0.0})
    joint, drawn = seen
    for name in ("encoder", "disentangler", "inverse", "discriminator_z"):
        assert all(torch.equal(value, drawn[name][key]) for key, value in joint[name].items()), name
    for key, value in joint["generator"].items():
        assert torch.equal(value, drawn["generator"][key]) is ("running" in key), key
    config = replace(MICRO_MAD, drawing_share=0.5, stage_lengths=(0.0, 0.0, 1.0))
    config = replace(config, training=replace(config.training, steps=8, constant_share=1.0))
    assert [set(mad.schedule(config, step)) for step in (3, 4)] == [
        {"discriminator_z", "discriminator_x", "joint"},
        {"discriminator_x", "drawing"},
    ]
    assert [mad.sampler(FACES, config, 0).draw(step, 4).kind for step in (3, 4, 7)] == ["style", "drawing", "drawing"]


def test_drawing_moves_nothing_but_the_generator_s_weights():
    networks, batch = mad.build(MICRO_MAD, 0), make_batch(kind="drawing")
    states = {name: state_of(network) for name, network in networks.items()}
    fakes = translate(networks, batch)
    torch.stack(list(drawing_loss(networks, batch, fakes, MICRO_MAD, {}).values())).sum().backward()
    for name, network in networks.items():
        assert all(torch.equal(states[name][key], value) for key, value in network.state_dict().items()) or (
            name == "discriminator_x"  # which has looked
        )
    assert all(parameter.grad is None for parameter in networks["encoder"].parameters())
    assert all(parameter.grad is not None for parameter in networks["generator"].parameters())
    with torch.no_grad(), at_rest(*networks.values()):
        codes = networks["encoder"](to_values(batch.images))
        again = networks["inverse"](networks["disentangler"](codes))
        drawn = [networks["generator"](values) for values in (codes, again)]
    own = [torch.stack([(one - two).abs().mean() < 1e-5 for one, two in zip(fakes["reconstructed"], made, strict=True)])
           for made in drawn]  # fmt: skip
    # each face from its code or from the one that was taken apart and put together
    assert (own[0] ^ own[1]).all()
    assert own[0].any()
    assert own[1].any()


def test_a_run_that_was_cut_off_ends_in_the_same_bits(tmp_path):
    def cut(step, method):
        if step == 12:
            raise KeyboardInterrupt

    changes = {"precision": "bf16", "tasks": "known"}
    whole = run(tmp_path / "whole", changes=changes, checkpoint_every=6)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", changes=changes, checkpoint_every=6, on_checkpoint=cut)
    # sample grids are looked at on the way and must not matter
    again = run(tmp_path / "cut", changes=changes, checkpoint_every=6, sample_every=13)
    assert again.read_bytes() == whole.read_bytes()
    one, other = (load_file(tmp_path / name / "checkpoint" / "state.safetensors") for name in ("whole", "cut"))
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[key]) for key, value in one.items())
    assert (tmp_path / "cut" / "samples" / "0000013.png").is_file()


def test_the_same_seed_gives_the_same_bits_and_another_others(tmp_path):
    first, second, third = (run(tmp_path / str(n), steps=3, seed=seed) for n, seed in enumerate((0, 0, 1)))
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes() != third.read_bytes()


def test_variants_have_settings_of_their_own_in_a_preset():
    separate, joint = (configure(method, "small") for method in ("mad_separate", "mad"))
    assert (separate.variant, separate.training.steps, separate.w_enc, separate.centres) == (
        "separate",
        9000,
        10.0,
        0.0,
    )
    assert (joint.variant, joint.w_enc, joint.centres) == ("joint", 2.0, 16.0)
    assert [len(steps) for steps in stages(joint).values()] == [4000, 5000, 6000, 4000]
    # what is asked for goes before either
    assert configure("mad_separate", "small", overrides={"w_enc": 3.0}).w_enc == 3.0
    assert replace(configure("mad_separate", "paper"), variant="joint") == configure("mad", "paper")


def test_joint_training_goes_on_from_separate_weights(tmp_path):
    first = run(tmp_path / "first", method="mad_separate")
    assert first.name == "mad_separate.safetensors"
    card = json.loads(first.with_suffix(".json").read_text())
    assert (card["config"]["variant"], card["attributes"]) == ("separate", [])
    losses = []
    joint = run(tmp_path / "joint", start=first, steps=2, changes={"stage_lengths": [0, 0, 1]},
                progress=lambda step, total, terms: losses.append(terms))  # fmt: skip
    assert all({"ae_reconstruction", "phi_cycle", "d_codes"} <= terms.keys() for terms in losses)
    assert load_method("mad", size=16, checkpoint=joint).card.name == "mad"
    with pytest.raises(CheckpointError, match="method 'mad'"):
        load_method("mad", size=16, checkpoint=first)


def test_centres_are_not_published_and_training_goes_on_without_them(tmp_path):
    changes = {"centres": 16.0, "tasks": "known"}
    first = run(tmp_path / "first", method="mad_separate", changes=changes)
    assert not any(key.startswith("centres.") for key in load_file(first))
    joint = run(tmp_path / "joint", start=first, steps=2, changes={**changes, "stage_lengths": [0, 0, 1]})
    assert load_method("mad", size=16, checkpoint=joint).embed(IMAGES, "expression").shape[0] == len(IMAGES)


def test_factors_the_data_cannot_teach_are_left_out():
    assert mad.for_data(MICRO_MAD, FACES).turns == MICRO_MAD.turns
    assert set(mad.for_data(MICRO_MAD, STILLS).turns) == {"identity", "pose", "expression"}
    nobody = replace(CLIPS, identities=None)
    settled = mad.for_data(MICRO_MAD, nobody)
    assert set(settled.turns) == {"pose", "expression"}
    assert mad.aids_for(settled) == ("pose", "expression", "clip")
    assert mad.aids_for(MICRO_MAD) == mad.AIDS
    bare = replace(nobody, pose=None, expression=None)
    with pytest.raises(InputError, match="none that will do"):
        mad.for_data(MICRO_MAD, bare)
    alone = replace(MICRO_MAD, variant="separate", stage_lengths=(1.0, 0.0, 0.0))
    assert mad.for_data(alone, bare) == alone
    strangers = replace(STILLS, identities=np.arange(len(STILLS)))
    with pytest.raises(InputError, match="two images of somebody"):
        mad.for_data(MICRO_MAD, strangers)
    without = replace(MICRO_MAD, turns=("pose",))
    assert mad.for_data(without, strangers) == without


def test_an_autoencoder_can_be_trained_without_any_label(tmp_path):
    bare = replace(STILLS, identities=None, pose=None, expression=None, valence_arousal=None)
    changes = {"stage_lengths": [1, 0, 0], "turns": []}
    path = run(tmp_path, bare, steps=2, changes=changes)
    assert load_method("mad", size=16, checkpoint=path).reconstruct(IMAGES).shape == IMAGES.shape


# --- the method -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def method():
    networks = mad.build(MICRO_MAD, 3)
    for network in networks.values():
        network.eval().requires_grad_(False)
    return mad.as_method(networks, MICRO_MAD, ())


def test_a_method_takes_apart_what_its_card_says(method):
    for kind in (Embedder, Swapper, Reconstructor, Generator, PoseReader):
        assert isinstance(method, kind)
    assert (method.card.name, method.card.image_size, method.card.attributes) == ("mad", 16, ())
    assert method.card.parts == (
        "identity", "pose", "expression", "style",
        "not_identity", "not_pose", "not_expression", "not_style", "all")  # fmt: skip
    widths = {part: method.embed(IMAGES, part).shape for part in method.card.parts}
    assert widths == {part: (5, {"pose": 3, "not_pose": 12, "all": 15}.get(part, 11 if "not" in part else 4))
                      for part in method.card.parts}  # fmt: skip
    whole = method.embed(IMAGES, "all")
    together = torch.cat([method.embed(IMAGES, factor) for factor in FACTORS], 1)
    assert torch.equal(whole, together)
    assert torch.equal(method.embed(IMAGES, "not_pose"), whole[:, 3:])
    torch.testing.assert_close(method.read_pose(IMAGES), torch.rad2deg(method.embed(IMAGES, "pose")))
    assert method.read_pose(IMAGES)[0, 0].item() == pytest.approx(degrees(whole[0, 0].item()), rel=1e-5)


def test_a_swap_of_a_face_with_itself_draws_it_from_its_own_parts(method):
    own = method.swap(IMAGES, IMAGES, "all")
    for part in method.card.parts:
        assert torch.equal(method.swap(IMAGES, IMAGES, part), own)


def test_swaps_give_the_part_and_nothing_else(method):
    givers, takers = IMAGES[[1, 2, 3, 4, 0]], IMAGES
    given, taken = method.embed(givers, "all"), method.embed(takers, "all")
    for factor in FACTORS:
        own = columns(factor, MICRO_MAD.dims)
        parts = taken.clone()
        parts[:, own] = given[:, own]
        with torch.inference_mode():
            expected = method.codec.draw(parts)
        drawn = method.swap(givers, takers, factor)
        assert ((expected + 1) * 127.5 - drawn).clamp(-127, 127).abs().median() < 1
        assert torch.equal(drawn, method.swap(takers, givers, f"not_{factor}"))
    assert torch.equal(method.swap(givers, takers, "all"), method.swap(givers, givers, "identity"))


def test_pictures_are_of_bytes_and_samples_depend_on_their_seed(method):
    for pictures in (method.reconstruct(IMAGES), method.swap(IMAGES, IMAGES, "pose"), method.sample(5, 0)):
        assert pictures.dtype == torch.uint8
        assert pictures.shape == IMAGES.shape
    assert torch.equal(method.sample(60, 1)[:3], method.sample(60, 1)[:3])
    assert not torch.equal(method.sample(5, 0), method.sample(5, 1))


def test_what_a_method_cannot_do_is_refused(method):
    with pytest.raises(UnknownNameError, match="part of mad"):
        method.embed(IMAGES, "attributes")
    with pytest.raises(UnknownNameError, match="not_identity"):
        method.swap(IMAGES, IMAGES, "not_identy")
    with pytest.raises(InputError, match="5 and 4"):
        method.swap(IMAGES, IMAGES[:4], "pose")
    for call in (method.read_pose, method.reconstruct, lambda images: method.embed(images, "all")):
        with pytest.raises(InputError, match="16, 16"):
            call(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
        with pytest.raises(InputError, match="float32"):
            call(IMAGES.float())


def test_published_weights_come_back_as_a_method(tmp_path):
    made = []
    path = run(tmp_path, on_checkpoint=lambda step, method: made.append(method))
    loaded = load_method("mad", size=16, checkpoint=path)
    # half precision on disk moves little
    assert (loaded.embed(IMAGES, "identity") - made[-1].embed(IMAGES, "identity")).abs().max() < 0.02
    assert loaded.card.parts == made[-1].card.parts
    assert torch.equal(loaded.sample(2, 0), load_method("mad", size=16, checkpoint=tmp_path).sample(2, 0))
    with pytest.raises(CheckpointError, match="image_size 64"):
        load_method("mad", size=64, checkpoint=path)
