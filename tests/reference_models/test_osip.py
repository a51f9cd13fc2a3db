# SPDX-License-Identifier: MIT
from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional

from faceeval.data.faces import FaceSet
from faceeval.errors import CheckpointError, InputError, UnknownNameError
from faceeval.method import Embedder, Morpher, Recognising, Reconstructor, Swapper
from reference_models import METHODS, load_method, osip, target_of
from reference_models.blocks import at_rest, count_parameters
from reference_models.images import to_signed, to_uint8
from reference_models.loop import Loop
from reference_models.osip_batches import Pairs, kind_of, labelled_classes
from reference_models.osip_config import PRESETS, VARIANTS, Config
from reference_models.osip_losses import (
    discriminator_loss,
    divergence,
    half_square,
    identity_loss,
    pairs_of,
    synthesis_loss,
    translate,
    unlike_maps,
    unsteady,
)
from reference_models.osip_networks import AttributeEncoder, Discriminator, Generator, Recogniser, deviation
from reference_models.osip_residual import ResidualGenerator
from reference_models.recipe import Batch, Training, override
from reference_models.sampling import chance, noisy
from reference_models.training import train

TINY = Config(image_size=64, width=8, max_width=64, attr_dim=32, n_ids=10, d_width=8)
MICRO = {
    "image_size": 16,
    "draw_share": 0.0,
    "convs": (1, 1),
    "a_convs": None,
    "g_convs": (2, 1),
    "width": 4,
    "max_width": 8,
    "a_width": None,
    "g_width": None,
    "shortcuts": False,
    "places": 3,
    "id_places": 3,
    "id_dim": 6,
    "attr_dim": 5,
    "d_width": 4,
    "d_max_width": 8,
    "id_shift": 1,
    "min_images": 2,
    "same_person": 0.5,
    "unlabelled_share": 0.25,
    "id_share": 0.25,
    "batch_size": 8,
    "steps": 8,
    "ema_decay": 0.9,
}
SMALLEST = replace(override(PRESETS["small"], MICRO), n_ids=6)
LITERAL = Config(  # the paper's form, so small that a test can step it
    image_size=16, convs=(1, 1), width=4, max_width=8, attr_dim=5, n_ids=6, d_width=4, training=Training(8, 8)
)


def people(count=8, each=4, size=16, name="toy"):
    """Each person one colour before any background, uint8."""
    rng = np.random.default_rng(count)
    colours, backgrounds = rng.integers(0, 256, (count, 3)), rng.integers(0, 256, (count * each, 3))
    who = np.repeat(np.arange(count), each)

    def read(rows):
        images = np.empty((len(rows), 3, size, size), np.uint8)
        images[:] = backgrounds[rows][:, :, None, None]
        images[:, :, 4:12, 4:12] = colours[who[rows]][:, :, None, None]
        return images

    names = tuple(f"{index:04d}" for index in range(len(who)))
    return FaceSet(name, "train", size, names, f"{name}{count}", read, identities=who + 100)


FACES = people()
IMAGES = torch.from_numpy(FACES.read(np.arange(6)))
run = partial(train, "osip", sample_every=0, log_every=1, overrides=MICRO)


def batch_of(config, kind, *, count=4, seed=0, classes=None, alone=False):
    generator = torch.Generator().manual_seed(seed)
    size = config.image_size
    images = torch.rand(count * (1 if alone else 2), 3, size, size, generator=generator) * 2 - 1
    places = torch.arange(len(images)) % config.n_ids if classes is None else torch.tensor(classes)
    return Batch(images, torch.zeros(len(images), 0), places, count, generator, kind=kind)


def gradients(networks, terms):
    torch.stack(list(terms.values())).sum().backward()
    found = {}
    for name, network in networks.items():
        own = [p.grad for p in network.parameters() if p.grad is not None]
        found[name] = torch.cat([g.flatten() for g in own]) if own else None
        network.zero_grad(set_to_none=True)
    return found


def weights(networks):
    return {name: torch.cat([p.detach().flatten() for p in net.parameters()]) for name, net in networks.items()}


# --- networks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("people_known", "expected"), [(1000, 15_236_136), (10_177, 19_943_937), (80_000, 55_763_136)])
def test_the_paper_s_recogniser_has_the_parameters_of_configuration_d(people_known, expected):
    with torch.device("meta"):
        recogniser = Recogniser(replace(Config(), n_ids=people_known))
    assert count_parameters(recogniser) == expected
    assert count_parameters(recogniser.trunk) == 14_723_136


def test_the_paper_s_other_networks_have_the_parameters_of_their_layers():
    with torch.device("meta"):
        assert count_parameters(AttributeEncoder(Config())) == 18_917_952
        assert count_parameters(Generator(Config(), 512)) == 21_037_635
        assert count_parameters(Discriminator(Config())) == 11_164_481
        assert count_parameters(Discriminator(replace(Config(), d_max_width=512))) == 6_960_961
        assert Recogniser(replace(Config(), id_pool="flatten")).dimensions == 8192


def test_tiny_networks_have_the_parameters_of_their_layers():
    networks = osip.build(TINY, 0)
    assert {name: count_parameters(network) for name, network in networks.items()} == {
        "identity": 232_274,
        "attributes": 248_072,
        "generator": 256_779,
        "discriminator": 44_649,
    }


def test_small_weights_stay_below_2600_kilobytes_with_a_byte_for_each():
    networks = osip.build(replace(PRESETS["small"], n_ids=400), 0)
    assert sum(value.numel() for one in networks.values() for value in one.state_dict().values()) < 2_600_000


@pytest.mark.parametrize("count", [1, 2])
def test_paper_layers_have_the_shapes_of_the_paper(count):
    with torch.device("meta"):
        recogniser, encoder = Recogniser(replace(Config(), n_ids=7)), AttributeEncoder(Config())
        generator, discriminator = Generator(Config(), 512), Discriminator(Config())
        x = torch.empty(count, 3, 128, 128)
        with at_rest(recogniser, encoder, generator, discriminator):
            assert recogniser.trunk(x).shape == (count, 512, 4, 4)
            identity, (mean, spread) = recogniser(x), encoder(x)
            assert identity.shape == (count, 512)
            assert recogniser.classify(identity).shape == (count, 7)
            assert mean.shape == spread.shape == (count, 256)
            assert generator(identity, mean).shape == x.shape
            assert discriminator.features(x).shape == (count, 16_384)
            assert discriminator(x).shape == (count,)


@pytest.mark.parametrize("config", [TINY, replace(PRESETS["small"], n_ids=6)])
@pytest.mark.parametrize("count", [1, 2])
def test_pictures_are_finite_and_within_range(config, count):
    networks = osip.build(config, 0)
    x = torch.rand(count, 3, 64, 64) * 2 - 1
    with torch.no_grad(), at_rest(*networks.values()):
        made = networks["generator"](networks["identity"](x), networks["attributes"](x)[0])
    assert made.shape == x.shape
    assert made.dtype == torch.float32
    assert made.isfinite().all()
    assert made.abs().max() <= 1


def test_identity_vectors_have_unit_length_and_a_cosine_head_takes_a_margin_off_the_right_class():
    recogniser = Recogniser(replace(SMALLEST, id_scale=10.0, id_margin=0.25))
    identity = functional.normalize(torch.randn(3, 6, generator=torch.Generator().manual_seed(0)))
    classes = torch.tensor([0, 5, 2])
    plain, learning = recogniser.classify(identity), recogniser.classify(identity, classes)
    assert plain.abs().max() <= 10 + 1e-5
    torch.testing.assert_close(plain - learning, 2.5 * functional.one_hot(classes, 6).float())
    unit = Recogniser(SMALLEST)
    with torch.no_grad(), at_rest(unit, recogniser):
        vectors, read = unit(to_signed(IMAGES)), unit.read(to_signed(IMAGES))
        torch.testing.assert_close(vectors, functional.normalize(read))
        assert torch.equal(unit.classify(vectors).argmax(1), unit.classify(read).argmax(1))
        lengths = recogniser(to_signed(IMAGES)).norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(6))


def test_residual_networks_have_the_parameters_and_the_maps_of_their_layers():
    config = replace(Config(), image_size=64, a_convs=(1, 1, 1), g_convs=(1, 2, 2), a_width=24, g_width=32)
    config = replace(config, max_width=96, places=24, attr_dim=96, shortcuts=True)
    with torch.device("meta"):
        encoder, generator = AttributeEncoder(config), ResidualGenerator(config, 64)
        mean, spread = encoder(torch.empty(2, 3, 64, 64))
        assert mean.shape == spread.shape == (2, 96)
        assert encoder.trunk(torch.empty(2, 3, 64, 64)).shape == (2, 24, 8, 8)
        assert generator(torch.empty(2, 64), mean).shape == (2, 3, 64, 64)
    blocks = {width: 2 * 9 * width**2 + 4 * width for width in (24, 32, 48, 64, 96)}
    halving = sum(16 * before * after + 2 * after for before, after in ((3, 24), (24, 48), (48, 96)))
    reading = 96 * 24 + 2 * 24 + 24 * 64 * 192 + 192
    assert count_parameters(encoder) == halving + blocks[24] + blocks[48] + blocks[96] + reading
    doubling = 16 * 96 * 64 + 2 * 64 + 16 * 64 * 32 + 2 * 32 + 16 * 32 * 3 + 3
    made = 160 * 96 * 64 + 2 * 96 + 2 * blocks[96] + 2 * blocks[64] + blocks[32] + doubling
    assert count_parameters(generator) == made


def test_a_residual_generator_hears_vectors_of_unit_length_as_loud_as_attributes():
    config = replace(SMALLEST, shortcuts=True)
    generator = ResidualGenerator(config, 6)
    assert generator.loudness == pytest.approx(6**0.5)
    assert ResidualGenerator(replace(config, id_unit=False), 6).loudness == 1.0
    torch.manual_seed(0)
    identity, attributes = functional.normalize(torch.randn(2, 6)), torch.randn(2, 5)
    with torch.no_grad(), at_rest(generator):
        asked = generator.project(torch.cat([6**0.5 * identity, attributes], 1)).reshape(2, 8, 4, 4)
        made = torch.tanh(generator.layers(functional.relu(generator.norm(asked))))
        torch.testing.assert_close(generator(identity, attributes), made)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"image_size": 24}, "power of two"), ({"convs": (1,) * 5}, "32"), ({"convs": (1,), "w_maps": 1.0}, "w_maps=0")],
)
def test_sizes_that_do_not_halve_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        osip.build(replace(SMALLEST, **changes), 0)


# --- losses -----------------------------------------------------------------------------------------------------


def test_the_reconstruction_loss_is_a_sum_over_elements_and_a_mean_over_images():
    x = torch.zeros(3, 3, 128, 128)
    assert half_square(x + 0.5, x).item() == pytest.approx(6144)


def test_the_divergence_is_equation_3_whichever_way_it_is_read():
    zero, spread = torch.zeros(2, 1), torch.full((2, 1), 0.3)
    assert divergence(zero, spread, "logvar").item() == pytest.approx(0.024929, abs=1e-6)
    assert divergence(zero, spread, "printed").item() == pytest.approx(0.024929, abs=1e-6)
    assert divergence(zero, spread, "logstd").item() == pytest.approx(0.111059, abs=1e-6)
    assert divergence(zero + 1, zero, "logvar").item() == pytest.approx(0.5)
    assert divergence(zero, zero + 1, "logvar").item() == pytest.approx(0.359141, abs=1e-6)
    assert deviation(torch.tensor(0.6), "logvar").item() == pytest.approx(np.exp(0.3))
    assert deviation(torch.tensor(0.6), "printed").item() == pytest.approx(np.exp(0.6))
    assert deviation(torch.tensor(0.6), "logstd").item() == pytest.approx(np.exp(0.6))


def test_codes_are_drawn_around_their_mean_with_their_deviation():
    encoder = AttributeEncoder(SMALLEST)
    mean, spread = torch.full((20_000, 1), 3.0), torch.full((20_000, 1), 2 * np.log(0.5))
    drawn = encoder.sample(mean, spread, torch.Generator().manual_seed(0))
    assert drawn.mean().item() == pytest.approx(3, abs=0.02)
    assert drawn.std().item() == pytest.approx(0.5, abs=0.01)
    assert torch.equal(drawn, encoder.sample(mean, spread, torch.Generator().manual_seed(0)))


@pytest.mark.parametrize(("kind", "share"), [("reconstruction", 1.0), ("transformation", 0.1)])
def test_terms_have_the_paper_s_weights(kind, share):
    networks = osip.build(LITERAL, 0)
    batch = batch_of(LITERAL, kind)
    fakes = translate(networks, batch)
    terms = synthesis_loss(networks, batch, fakes, LITERAL, {})
    takers = pairs_of(batch)[1]
    difference = (fakes["edited"] - takers).square().sum() / (2 * len(takers))
    torch.testing.assert_close(terms["g_reconstruction"], share * difference)
    mean, spread = fakes["mean"], fakes["spread"]
    kl = 0.5 * (mean.square() + spread.exp() - spread - 1).sum(1).mean()
    torch.testing.assert_close(terms["a_divergence"], share * kl)
    with at_rest(networks["identity"]):
        seen, wanted = networks["identity"](fakes["edited"]), networks["identity"](pairs_of(batch)[0])
    torch.testing.assert_close(terms["g_identity"], half_square(seen, wanted))
    features = networks["discriminator"].features
    torch.testing.assert_close(terms["g_discriminator"], half_square(features(fakes["edited"]), features(takers)))
    heavier = replace(LITERAL, w_gr=2.0, w_gd=3.0, w_gc=4.0, w_kl=5.0)
    heavy = synthesis_loss(networks, batch, translate(networks, batch_of(LITERAL, kind)), heavier, {})
    for name, times in (("g_reconstruction", 2), ("g_discriminator", 3), ("g_identity", 4), ("a_divergence", 5)):
        torch.testing.assert_close(heavy[name], times * terms[name])


def test_maps_are_the_first_of_each_stage_but_the_first():
    recogniser = Recogniser(replace(PRESETS["small"], n_ids=6))
    faces = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad(), at_rest(recogniser):
        maps = recogniser.maps(faces)
        layers = recogniser.trunk.layers
        torch.testing.assert_close(maps[0], layers[:7](faces))  # two triples and a pooling between them
    assert [tuple(one.shape) for one in maps] == [(2, 32, 32, 32), (2, 64, 16, 16), (2, 96, 8, 8)]


@pytest.mark.parametrize("kind", ["drawing", "reconstruction", "transformation"])
def test_maps_are_matched_where_the_picture_is_to_be_the_attribute_image(kind):
    config = replace(LITERAL, w_maps=7.0, convs=(1, 1, 1))
    networks, batch = osip.build(config, 0), batch_of(config, kind)
    fakes = translate(networks, batch)
    terms = synthesis_loss(networks, batch, fakes, config, {})
    assert ("g_maps" in terms) == (kind != "transformation")
    if kind == "transformation":
        return
    takers = pairs_of(batch)[1]
    with torch.no_grad(), at_rest(networks["identity"]):
        pairs = list(zip(networks["identity"].maps(fakes["edited"]), networks["identity"].maps(takers), strict=True))
    assert len(pairs) == 2
    expected = sum(((made - wanted) ** 2).mean() / wanted.var(0).mean() for made, wanted in pairs) / 2
    torch.testing.assert_close(terms["g_maps"], 7 * expected)
    unsure = replace(config, id_shift=2, id_noise=0.5)  # both are moved and noisy alike
    assert unlike_maps(networks["identity"], takers, takers, unsure, batch.generator).item() == 0


@pytest.mark.parametrize("kind", ["drawing", "reconstruction"])
def test_a_learns_from_maps_as_from_pixels(kind):
    config = replace(LITERAL, w_maps=50.0, w_kl=0.0, w_gd=0.0, w_gc=0.0)
    batch = batch_of(config, kind)
    found = {}
    for routing in ("paper", "all"):
        networks = osip.build(replace(config, routing=routing), 1)
        fakes = translate(networks, replace_chance(batch))
        terms = synthesis_loss(networks, batch, fakes, replace(config, routing=routing), {})
        found[routing] = gradients(networks, {name: terms[name] for name in ("g_reconstruction", "g_maps")})
    for name in ("attributes", "generator"):
        torch.testing.assert_close(found["paper"][name], found["all"][name], rtol=1e-4, atol=1e-5)
    plain = replace(config, routing="all", w_maps=0.0)
    networks = osip.build(plain, 1)
    terms = synthesis_loss(networks, batch, translate(networks, replace_chance(batch)), plain, {})
    assert not torch.allclose(gradients(networks, terms)["attributes"], found["paper"]["attributes"], rtol=1e-2)


def test_the_weight_of_the_identity_can_grow_from_zero_over_the_synthesis():
    config = replace(LITERAL, w_gc=8.0, id_share=0.2, gc_ramp=0.5)
    weights = [config.identity_weight(done) for done in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)]
    assert weights == pytest.approx([0.0, 0.0, 4.0, 8.0, 8.0, 8.0])
    assert {replace(config, gc_ramp=0.0).identity_weight(done) for done in (0.0, 0.5, 1.0)} == {8.0}
    late = replace(config, draw_share=0.5)  # the game has the last 0.4 of all steps
    assert [late.identity_weight(done) for done in (0.5, 0.6, 0.7, 0.8, 1.0)] == pytest.approx([0, 0, 4, 8, 8])
    networks, batch = osip.build(LITERAL, 0), batch_of(LITERAL, "transformation")
    fakes = translate(networks, batch)
    assert "g_identity" not in synthesis_loss(networks, replace(batch, done=0.2), fakes, config, {})
    half = synthesis_loss(networks, replace(batch, done=0.4), fakes, config, {})["g_identity"]
    whole = synthesis_loss(networks, replace(batch, done=0.9), fakes, config, {})["g_identity"]
    torch.testing.assert_close(whole, 2 * half)


def test_an_undecided_discriminator_costs_two_logarithms_of_two():
    networks = osip.build(LITERAL, 0)
    with torch.no_grad():
        for parameter in networks["discriminator"].last.parameters():
            parameter.zero_()
    batch = batch_of(LITERAL, "transformation")
    terms = discriminator_loss(networks, batch, translate(networks, batch), LITERAL, {})
    assert terms["d_adversarial"].item() == pytest.approx(1.386294, abs=1e-6)


def test_an_undecided_recogniser_costs_the_logarithm_of_the_number_of_people():
    networks, batch = osip.build(LITERAL, 0), batch_of(LITERAL, "identity", alone=True)
    with torch.no_grad():
        for parameter in networks["identity"].head.parameters():
            parameter.zero_()
    assert identity_loss(networks, batch, {}, LITERAL, {})["i_classes"].item() == pytest.approx(np.log(6), abs=1e-6)


def test_where_each_subject_is_its_own_attribute_image_the_pair_is_one_image():
    batch = batch_of(LITERAL, "reconstruction", alone=True)
    subjects, takers = pairs_of(batch)
    assert subjects is batch.negatives or torch.equal(subjects, takers)
    assert len(takers) == 4
    fakes = translate(osip.build(LITERAL, 0), batch)
    assert fakes["edited"].shape == subjects.shape


def test_while_they_learn_to_draw_nobody_else_is_asked():
    networks, batch = osip.build(LITERAL, 0), batch_of(LITERAL, "drawing")
    terms = synthesis_loss(networks, batch, translate(networks, batch), LITERAL, {})
    whole = replace_chance(replace(batch, kind="reconstruction"))
    same = synthesis_loss(networks, whole, translate(networks, whole), LITERAL, {})
    assert terms.keys() == {"g_reconstruction", "a_divergence"}
    again = synthesis_loss(networks, replace_chance(batch), translate(networks, replace_chance(batch)), LITERAL, {})
    torch.testing.assert_close(again["g_reconstruction"], same["g_reconstruction"])


@pytest.mark.parametrize("kind", ["reconstruction", "transformation"])
def test_a_learns_from_reconstruction_and_divergence_only_and_g_from_all(kind):
    networks, batch = osip.build(LITERAL, 1), batch_of(LITERAL, kind)
    own = {}
    for routing in ("paper", "all"):
        config = replace(LITERAL, routing=routing)
        networks["attributes"].routing = routing
        terms = synthesis_loss(networks, batch, translate(networks, replace_chance(batch)), config, {})
        own[routing] = gradients(networks, terms)
    networks["attributes"].routing = "all"
    plain = replace(LITERAL, routing="all", w_gd=0.0, w_gc=0.0)
    less = gradients(networks, synthesis_loss(networks, batch, translate(networks, replace_chance(batch)), plain, {}))
    torch.testing.assert_close(own["paper"]["attributes"], less["attributes"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(own["paper"]["generator"], own["all"]["generator"], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(own["all"]["attributes"], less["attributes"], rtol=1e-2)
    assert not torch.allclose(own["paper"]["generator"], less["generator"], rtol=1e-2)


def replace_chance(batch):
    return replace(batch, generator=torch.Generator().manual_seed(5))


def test_the_recogniser_gives_constants_and_keeps_its_statistics():
    networks, batch = osip.build(LITERAL, 1), batch_of(LITERAL, "transformation")
    before = {name: value.clone() for name, value in networks["identity"].state_dict().items()}
    fakes = translate(networks, batch)
    assert not fakes["identity"].requires_grad
    networks["identity"].requires_grad_(False)
    found = gradients(networks, synthesis_loss(networks, batch, fakes, LITERAL, {}))
    assert found["identity"] is None
    assert all(torch.equal(value, before[name]) for name, value in networks["identity"].state_dict().items())
    assert networks["identity"].training


def test_unlabelled_subjects_teach_the_recogniser_nothing():
    networks = osip.build(LITERAL, 1)
    before = {name: value.clone() for name, value in networks["identity"].state_dict().items()}
    batch = batch_of(LITERAL, "transformation", classes=[-1] * 8)
    optimiser = torch.optim.Adam(networks["identity"].parameters(), 0.1)
    terms = identity_loss(networks, batch, {}, LITERAL, {})
    terms["i_classes"].backward()
    optimiser.step()
    assert terms["i_classes"].item() == 0.0
    assert all(torch.equal(value, before[name]) for name, value in networks["identity"].state_dict().items())
    assert "identity_accuracy" not in synthesis_loss(networks, batch, translate(networks, batch), LITERAL, {})
    mixed = batch_of(LITERAL, "transformation", classes=[2, -1, 3, -1, 0, 0, 0, 0])
    own = batch_of(LITERAL, "identity", classes=[2, 3], count=2, alone=True)
    own = replace(own, images=mixed.images[[0, 2]])
    loss = [identity_loss(networks, one, {}, LITERAL, {})["i_classes"] for one in (mixed, own)]
    torch.testing.assert_close(loss[0], loss[1])


def test_faces_are_moved_and_noisy_only_where_that_is_asked_for():
    faces = torch.rand(4, 3, 16, 16)
    assert unsteady(faces, LITERAL, torch.Generator()) is faces
    noisy = unsteady(faces, replace(LITERAL, id_noise=0.1), torch.Generator().manual_seed(0))
    assert (noisy - faces).std().item() == pytest.approx(0.1, abs=0.01)
    moved = unsteady(faces, replace(LITERAL, id_shift=3), torch.Generator().manual_seed(0))
    assert moved.shape == faces.shape
    assert not torch.equal(moved, faces)


def test_the_discriminator_is_shown_noise_where_that_is_asked_for():
    networks, batch = osip.build(LITERAL, 0), batch_of(LITERAL, "transformation")
    with torch.no_grad():
        fakes = translate(networks, batch)
    found = {}
    for level in (0.0, 0.5):
        again, config = replace_chance(batch), replace(LITERAL, d_noise=level)
        looked = discriminator_loss(networks, again, fakes, config, {})["d_adversarial"]
        matched = synthesis_loss(networks, again, translate(networks, again), config, {})["g_discriminator"]
        found[level] = looked.item(), matched.item()
    assert found[0.0][0] != found[0.5][0]
    assert found[0.0][1] != found[0.5][1]
    assert noisy(batch.images, 0.0, batch.generator) is batch.images


def test_without_divergence_codes_are_their_means():
    config = replace(LITERAL, w_kl=0.0)
    networks, batch = osip.build(config, 0), batch_of(config, "transformation")
    fakes = translate(networks, batch)
    assert torch.equal(fakes["code"], fakes["mean"])
    assert "a_divergence" not in synthesis_loss(networks, batch, fakes, config, {})
    drawn = translate(osip.build(LITERAL, 0), batch)
    assert not torch.equal(drawn["code"], drawn["mean"])


def test_faces_are_blurred_by_shares_of_their_own():
    checks = (torch.arange(16)[:, None] + torch.arange(16)) % 2 * 2.0 - 1.0
    faces = checks.expand(5, 3, 16, 16)
    blurred = unsteady(faces, replace(LITERAL, id_blur=1.0), torch.Generator().manual_seed(0))
    shares = torch.rand(5, 1, 1, 1, generator=torch.Generator().manual_seed(0))
    # at half the size nothing is left of the pattern
    torch.testing.assert_close(blurred, faces * (1 - shares))
    flat = torch.full((5, 3, 16, 16), 0.3)
    torch.testing.assert_close(unsteady(flat, replace(LITERAL, id_blur=1.0), torch.Generator()), flat)


def test_four_images_can_be_learnt_by_heart():
    noise = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    images = functional.interpolate(noise, size=64, mode="bicubic").clamp(-1, 1)
    networks = osip.build(replace(TINY, init=None, g_init=None), 0)
    encoder, generator = networks["attributes"], networks["generator"]
    with torch.no_grad(), at_rest(networks["identity"]):
        identity = networks["identity"](images)
    optimiser = torch.optim.Adam([*encoder.parameters(), *generator.parameters()], 2e-3, betas=(0.5, 0.999))
    values = []
    for _ in range(60):
        loss = half_square(generator(identity, encoder(images)[0]), images)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        values.append(loss.item())
    assert values[-1] / values[0] < 0.3


# --- batches ----------------------------------------------------------------------------------------------------


def test_steps_are_about_identity_first_and_then_take_turns():
    kinds = [kind_of(SMALLEST, step) for step in range(8)]
    assert kinds == ["identity"] * 2 + ["reconstruction", "transformation"] * 3
    drawing = replace(SMALLEST, draw_share=0.5)
    assert [kind_of(drawing, step) for step in range(8)] == [
        *["identity"] * 2,
        *["drawing"] * 3,
        *["reconstruction", "transformation", "reconstruction"],
    ]
    untransformed = replace(SMALLEST, use_transform=False)
    assert [kind_of(untransformed, step) for step in range(8)] == ["identity"] * 2 + ["reconstruction"] * 6
    assert [kind_of(Config(id_share=0.0), step) for step in range(3)] == [
        "reconstruction",
        "transformation",
        "reconstruction",
    ]


def test_labels_are_withheld_from_a_share_of_the_people_always_the_same():
    classes = labelled_classes(FACES, SMALLEST)
    assert sorted(set(classes.tolist())) == [-1, 0, 1, 2, 3, 4, 5]
    assert all(len(set(classes[FACES.identities == person].tolist())) == 1 for person in set(FACES.identities))
    assert np.array_equal(classes, labelled_classes(FACES, SMALLEST))
    few = replace(FACES, identities=np.where(np.arange(32) < 3, 100, FACES.identities))
    few = replace(few, identities=np.where(np.arange(32) == 31, -1, few.identities))
    found = labelled_classes(few, replace(SMALLEST, unlabelled_share=0.0, min_images=4))
    assert found[31] == -1
    assert (found[28:31] == -1).all()  # three images are too few
    assert found.max() == 6


def test_unknown_or_too_few_people_are_refused():
    with pytest.raises(InputError, match="identities"):
        labelled_classes(replace(FACES, identities=None), SMALLEST)
    with pytest.raises(InputError, match="min_images"):
        osip.for_data(replace(SMALLEST, min_images=5), FACES)


def test_batches_bring_subjects_first_and_are_functions_of_seed_step_and_process():
    pairs = Pairs(FACES, SMALLEST, 3)
    learning = pairs.draw(0, 8)
    assert (learning.kind, learning.n_negatives, len(learning.indices)) == ("identity", 8, 8)
    assert (learning.places >= 0).all()
    other = pairs.draw(3, 8)
    assert (other.kind, other.n_negatives, len(other.indices)) == ("transformation", 4, 8)
    assert np.array_equal(other.places, pairs.classes[other.indices])
    again = Pairs(FACES, SMALLEST, 3).draw(3, 8)
    assert np.array_equal(again.indices, other.indices)
    for changed in (Pairs(FACES, SMALLEST, 4).draw(3, 8), pairs.draw(5, 8), pairs.draw(3, 8, rank=1, world=2)):
        assert not np.array_equal(changed.indices, other.indices)


def test_in_reconstruction_a_subject_is_its_own_attribute_image_or_of_the_same_person():
    alone = Pairs(FACES, replace(SMALLEST, same_person=0.0), 0).draw(2, 8)
    assert (alone.kind, alone.n_negatives, len(alone.indices)) == ("reconstruction", 4, 4)
    pairs = Pairs(FACES, replace(SMALLEST, same_person=0.5), 0)
    draws = [pairs.draw(step, 64) for step in range(2, 8, 2)]
    first = np.concatenate([draw.indices[:32] for draw in draws])
    second = np.concatenate([draw.indices[32:] for draw in draws])
    assert np.array_equal(FACES.identities[first], FACES.identities[second])
    assert 0.4 < (first == second).mean() < 0.9
    unlabelled = pairs.classes[first] < 0
    assert unlabelled.any()
    assert np.array_equal(first[unlabelled], second[unlabelled])  # nobody says who they are


def test_without_u_no_unlabelled_image_is_seen():
    for use, lowest in ((True, -1), (False, 0)):
        pairs = Pairs(FACES, replace(SMALLEST, use_unlabelled=use), 0)
        assert min(pairs.draw(step, 32).places.min() for step in range(2, 8)) == lowest


def test_balanced_draws_take_each_person_as_often():
    who = np.array([0] * 26 + [1, 1, 2, 2, 3, 3])
    uneven = replace(FACES, identities=who)
    config = replace(SMALLEST, unlabelled_share=0.0)
    for balanced, most in ((False, 0.9), (True, 0.35)):
        pairs = Pairs(uneven, replace(config, balanced=balanced), 0)
        counts = Counter(who[pairs.draw(0, 600).indices].tolist())
        assert max(counts.values()) / 600 == pytest.approx(most, abs=0.15)


# --- training ---------------------------------------------------------------------------------------------------


def test_the_schedule_trains_the_recogniser_first_and_then_all_networks_once_each_step():
    config = override(SMALLEST, {"steps": 8, "constant_share": 1.0})
    assert [dict(osip.schedule(config, step)) for step in (0, 1, 2, 7)] == [
        {"identity": 1.0},
        {"identity": 1.0},
        {"discriminator": 1.0, "synthesis": 1.0},
        {"discriminator": 1.0, "synthesis": 1.0},
    ]
    drawing = replace(config, draw_share=0.5)
    assert [set(osip.schedule(drawing, step)) for step in (4, 5)] == [{"synthesis"}, {"discriminator", "synthesis"}]
    paper = Config(id_share=0.0)
    assert dict(osip.schedule(paper, 5)) == {"discriminator": 1.0, "synthesis": 1.0, "identity": 1.0}
    assert osip.schedule(replace(config, id_rate=0.5), 4)["identity"] == 0.5
    assert PRESETS["quick"].id_steps == 120


def test_each_update_changes_its_own_networks_only(tmp_path, monkeypatch):
    seen, descend, lambdas = [], Loop.descend, []

    def watch(self, networks, group, losses, terms):
        before = weights(self.state.networks)
        descend(self, networks, group, losses, terms)
        after = weights(self.state.networks)
        seen.append((group, {name for name in before if not torch.equal(before[name], after[name])}))

    def listen(networks, batch, fakes, config, memory):
        lambdas.append(batch.kind)
        return synthesis_loss(networks, batch, fakes, config, memory)

    monkeypatch.setattr(Loop, "descend", watch)
    monkeypatch.setitem(osip.UPDATES, "synthesis", replace(osip.UPDATES["synthesis"], loss=listen))
    train("osip", FACES, out=tmp_path, sample_every=0, overrides={**MICRO, "id_rate": 0.5})
    own = {"identity": {"identity"}, "discriminator": {"discriminator"}, "synthesis": {"attributes", "generator"}}
    assert all(changed == own[group] for group, changed in seen)
    assert Counter(group for group, _ in seen) == {"identity": 8, "discriminator": 6, "synthesis": 6}
    assert lambdas == ["reconstruction", "transformation"] * 3


def test_training_is_the_same_each_time_and_goes_on_to_the_same_bits(tmp_path):
    whole = run(FACES, out=tmp_path / "whole")
    assert run(FACES, out=tmp_path / "again").read_bytes() == whole.read_bytes()
    assert run(FACES, out=tmp_path / "other", seed=1).read_bytes() != whole.read_bytes()
    part = tmp_path / "part"
    with pytest.raises(ZeroDivisionError):
        run(FACES, out=part, checkpoint_every=2, progress=lambda step, *_: step < 5 or 1 / 0)
    assert run(FACES, out=part).read_bytes() == whole.read_bytes()
    lines = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert set(lines[0]) >= {"i_classes", "images_per_second", "peak_mb"}
    assert set(lines[-1]) >= {"d_adversarial", "g_reconstruction", "g_identity", "a_divergence", "identity_cosine"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_variant_trains_what_its_name_says(variant, tmp_path):
    name = "osip" if variant == "full" else f"osip_{variant}"
    assert target_of(name)[2] == ("" if variant == "full" else variant)
    path = train(name, FACES, out=tmp_path, sample_every=8, overrides=MICRO)
    assert path == tmp_path / f"{name}.safetensors"
    method = load_method(name, size=16, checkpoint=tmp_path)
    assert method.card.name == name
    assert method.card.parts == ("identity", "attributes")
    assert method.card.attributes == ()
    config = method.config
    assert (config.w_gc == 0, config.w_gd == 0, config.w_kl == 0) == tuple(
        variant == one for one in ("no_gc", "no_gd", "no_kl")
    )
    assert (config.use_transform, config.use_unlabelled) == (variant != "no_t", variant != "no_u")
    assert config.n_ids == 6
    last = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert ("g_identity" in last, "g_discriminator" in last) == (variant != "no_gc", variant != "no_gd")
    assert (tmp_path / "samples" / "0000008.png").is_file()
    assert osip.as_method(method.networks, config, ()).card.name == name
    other = "osip_no_t" if name != "osip_no_t" else "osip"
    with pytest.raises(CheckpointError, match=other):
        load_method(other, size=16, checkpoint=path)


def test_every_row_of_the_method_is_a_variant():
    rows = {name for name, target in METHODS.items() if target.startswith("reference_models.osip:")}
    assert rows == {"osip" if one == "full" else f"osip_{one}" for one in VARIANTS}


def test_weights_to_begin_from_are_taken(tmp_path):
    first = run(FACES, out=tmp_path / "first")
    still = {**MICRO, "lr": 0.0, "lr_d": 0.0, "id_lr": 0.0, "bn": False}
    plain = run(FACES, out=tmp_path / "plain", overrides=still)
    again = run(FACES, out=tmp_path / "again", overrides=still, start=plain, seed=5)
    assert again.read_bytes() == plain.read_bytes()
    with pytest.raises(CheckpointError, match="misshapen"):
        run(FACES, out=tmp_path / "other", overrides=still, start=first)


@pytest.mark.parametrize(
    "changes",
    [
        {"precision": "bf16", "channels_last": True},
        {"precision": "no", "channels_last": False, "accumulate": 2},
        {"bn": False, "id_pool": "flatten", "id_unit": False, "id_rate": 1.0, "reparam": "printed", "routing": "all"},
        {"id_scale": 16.0, "id_margin": 0.1, "id_noise": 0.0, "balanced": True, "w_maps": 0.0},
        {"shortcuts": True, "draw_share": 0.5},
    ],
)
def test_other_ways_to_compute_train_too(changes, tmp_path):
    run(FACES, out=tmp_path, overrides={**MICRO, **changes})
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert len(lines) == 8


def test_bad_requests_are_refused_before_anything_is_written(tmp_path):
    out = tmp_path / "out"
    for error, match, options in [
        (UnknownNameError, "no_kl", {"overrides": {**MICRO, "variant": "no_kel"}}),
        (InputError, "two pairs", {"overrides": {**MICRO, "batch_size": 2}}),
        (InputError, "edits none", {"attributes": "Young"}),
        (InputError, "64 pixels", {"overrides": {**MICRO, "image_size": 64}}),
    ]:
        with pytest.raises(error, match=match):
            run(FACES, out=out, **options)
    with pytest.raises(InputError, match="identities"):
        run(replace(FACES, identities=None), out=out)
    assert not out.exists()


# --- the method -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def method():
    networks = osip.build(replace(SMALLEST, g_init=None), 3)
    for network in networks.values():
        network.eval().requires_grad_(False)
    return osip.as_method(networks, SMALLEST, ())


def test_it_offers_all_that_experiments_ask_for(method):
    assert all(isinstance(method, kind) for kind in (Embedder, Swapper, Reconstructor, Recognising, Morpher))


def test_codes_are_those_of_the_networks(method):
    x = to_signed(IMAGES)
    with torch.no_grad():
        torch.testing.assert_close(method.embed(IMAGES, "identity"), method.networks["identity"](x))
        torch.testing.assert_close(method.embed(IMAGES, "attributes"), method.networks["attributes"](x)[0])


def test_a_swap_of_attributes_is_that_of_identity_with_the_roles_changed(method):
    givers, takers = IMAGES[:3], IMAGES[3:]
    made = method.swap(givers, takers, "identity")
    with torch.no_grad():
        networks = method.networks
        code = networks["attributes"](to_signed(takers))[0]
        expected = to_uint8(networks["generator"](networks["identity"](to_signed(givers)), code))
    assert (made.int() - expected.int()).abs().max() <= 1
    assert torch.equal(made, method.swap(takers, givers, "attributes"))
    assert torch.equal(made, method.swap(givers, takers, "identity"))
    assert torch.equal(method.reconstruct(givers), method.swap(givers, givers, "identity"))
    assert made.dtype == torch.uint8


def test_a_morph_goes_from_the_first_to_the_second(method):
    givers, first, second = IMAGES[:2], IMAGES[2:4], IMAGES[4:6]
    ends = [method.morph(givers, first, second, torch.full((2,), share)) for share in (0.0, 1.0)]
    assert torch.equal(ends[0], method.swap(givers, first, "identity"))
    assert torch.equal(ends[1], method.swap(givers, second, "identity"))
    between = method.morph(givers, first, second, torch.tensor([0.0, 1.0]))
    assert torch.equal(between, torch.stack([ends[0][0], ends[1][1]]))


def test_its_recogniser_lets_gradients_through(method):
    faces = (IMAGES.float() / 255).requires_grad_()
    codes = method.recogniser()(faces)
    torch.testing.assert_close(codes.detach(), method.embed(IMAGES, "identity"))
    codes[:, 0].sum().backward()
    assert faces.grad.abs().sum() > 0


def test_bad_input_is_refused(method):
    with pytest.raises(UnknownNameError, match="attributes"):
        method.embed(IMAGES, "attribute")
    with pytest.raises(UnknownNameError, match="identity"):
        method.swap(IMAGES, IMAGES, "pose")
    with pytest.raises(InputError, match="16, 16"):
        method.embed(IMAGES[:, :, :8], "identity")
    with pytest.raises(InputError, match="6 and 5"):
        method.swap(IMAGES, IMAGES[:5], "identity")
    for share in (torch.zeros(5), torch.full((6,), 1.5), torch.full((6,), float("nan"))):
        with pytest.raises(InputError, match=r"0\.\.1"):
            method.morph(IMAGES, IMAGES, IMAGES, share)


def test_a_look_at_some_faces_moves_no_statistics():
    networks = osip.build(SMALLEST, 0)
    before = {name: network.state_dict() for name, network in networks.items()}
    before = {name: {key: value.clone() for key, value in state.items()} for name, state in before.items()}
    with torch.no_grad():
        rows = osip.sheet(networks, to_signed(IMAGES))
    assert [row.shape for row in rows] == [(6, 3, 16, 16)] * 4
    assert torch.equal(rows[1], rows[0].roll(-1, 0))
    for name, network in networks.items():
        assert network.training
        assert all(torch.equal(value, before[name][key]) for key, value in network.state_dict().items())


def test_the_noise_of_a_step_is_that_of_its_chance():
    networks, config = osip.build(LITERAL, 0), LITERAL
    made = [
        translate(networks, replace(batch_of(config, "transformation"), generator=chance(0, step, 0)))["code"]
        for step in (0, 0, 1)
    ]
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])
