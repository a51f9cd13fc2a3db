# SPDX-License-Identifier: MIT
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toy_chains import Marred, MouthPainter, marred, painter
from toy_faces import Nothing, Painter, ToyJudge, toy_faces
from toy_runs import TOY, toy_panel

from faceeval.data.selection import select
from faceeval.data.splits.editing import MAAE_CHAINS, maae_chain
from faceeval.errors import InputError, MissingFileError, UnknownNameError
from faceeval.method import MethodCard
from faceeval.metrics import cross_fitted_fidelity, identity_similarity, legacy_fidelity_matrix
from faceeval.protocols.chain import choose
from faceeval.protocols.chain_values import CHAIN_MEASURES
from faceeval.protocols.edits import edit
from faceeval.protocols.links import Links
from faceeval.protocols.outside import EditedFolder
from faceeval.protocols.panel import Panel
from faceeval.sweep import score_chain

CHAIN = ("Eyeglasses", "Mouth_Slightly_Open")


def chain(methods=None, attributes=CHAIN, faces=None, judges=None, **options):
    options = {"benchmark": TOY, "n_per_class": 20, "batch_size": 16} | options
    judges = Panel(toy_panel()) if judges is None else judges
    methods = [painter(), marred()] if methods is None else methods
    return score_chain(methods, toy_faces() if faces is None else faces, attributes, judges=judges, **options)


@pytest.fixture(scope="module")
def made():
    return chain()


def at(sweep, name, count, measure):
    return sweep.curve(name).points[count].values[measure].value


def by_hand(links, count):
    """The sources and the edits after so many links, one network after the other."""
    faces = toy_faces()
    chosen = choose(faces, "Eyeglasses", 20)
    source = images = chosen.read(np.arange(40))
    for attribute in CHAIN[:count]:
        targets = 1 - faces.attributes[attribute][chosen.index]
        images = edit(links.editors[attribute], chosen.names, images, attribute, targets)
    return chosen, source, images


def look(images):
    import torch

    return ToyJudge()(torch.from_numpy(images))


def test_the_images_are_those_of_the_papers_split():
    faces = toy_faces()
    chosen = choose(faces, "Eyeglasses", 20)
    wearing = [name for name, label in zip(faces.names, faces.attributes["Eyeglasses"], strict=True) if label]
    assert list(chosen.names[:20]) == select(20, wearing, "faceeval/1/maae/Eyeglasses/pos")
    assert chosen.targets.tolist() == [0] * 20 + [1] * 20
    assert not chosen.short
    assert choose(faces, "Eyeglasses", 100).short


def test_each_edit_is_made_of_the_one_before_and_wants_the_other_value(made):
    for links, name in ((painter(), "painter"), (marred(), "marred")):
        for count in (0, 1, 2):
            _, source, images = by_hand(links, count)
            similarity = identity_similarity(look(source)["embedding"], look(images)["embedding"])
            assert at(made, name, count, "identity_similarity") == pytest.approx(similarity.mean())
            assert made.per_image(name, "identity_similarity")[:, count] == pytest.approx(similarity)


def test_one_judge_for_all_methods_and_lengths_is_cross_fitted(made):
    sets, source = {}, None
    for links in (painter(), marred()):
        for count in (1, 2):
            _, source, images = by_hand(links, count)
            sets[f"{links.name}, {count}"] = look(images)["embedding"]
    judged = cross_fitted_fidelity(look(source)["embedding"], sets)
    for name in ("painter", "marred"):
        for count in (1, 2):
            one = judged[f"{name}, {count}"]
            point = made.curve(name).points[count].values
            assert point["fidelity"].value == pytest.approx(one.summary.edited)
            assert point["judge_auc"].value == pytest.approx(one.summary.auc)
            change = one.summary.edited - one.summary.real
            assert point["fidelity_change"].value == pytest.approx(change)
    totals = [one.summary.total for one in judged.values()]
    assert made.summary.settings["judge_sum"] == pytest.approx(np.mean(totals))
    assert made.summary.settings["judge_sets"] == 4


def test_unedited_faces_are_the_control_of_every_method(made):
    controls = [made.curve(name).points[0] for name in ("painter", "marred")]
    assert controls[0].values["fidelity"] == controls[1].values["fidelity"]
    assert controls[0].values["identity_similarity"].value == pytest.approx(1)
    assert controls[0].values["preservation_accuracy"].value == 1
    assert controls[0].absent["flip_accuracy"] == "nothing was edited"
    assert made.summary.axis.ticks == ("0", "1 Eyeglasses", "2 Mouth Slightly Open")


def test_what_marks_every_edit_is_less_real_the_more_edits_there_are(made):
    assert at(made, "marred", 1, "fidelity") < at(made, "painter", 1, "fidelity")
    assert at(made, "marred", 2, "fidelity") < at(made, "marred", 0, "fidelity")
    assert made.curve("marred").points[2].values["fidelity_change"].high < 0
    assert at(made, "marred", 2, "flip_accuracy") == 1
    assert at(made, "marred", 2, "first_flip_accuracy") == 1


def test_doing_nothing_is_as_real_as_the_sources_and_flips_nothing():
    nothing = Nothing()
    links = Links("identity", dict.fromkeys(CHAIN, nothing))
    found = chain([links, marred()])
    assert found.curve("identity").kind == "identity"
    assert at(found, "identity", 2, "fidelity_change") == pytest.approx(0)
    assert at(found, "identity", 2, "judge_auc") == pytest.approx(0.5)
    assert at(found, "identity", 2, "flip_accuracy") == 0


def test_every_discriminator_judges_every_method_and_the_sources(made):
    first, second = made.summary.matrices
    assert (first.place, first.judges, first.methods) == (1, ("painter", "marred"), ("painter", "marred", "real"))
    assert (second.place, second.judges, second.methods) == (2, ("marred",), ("painter", "marred", "real"))
    chosen, source, painted = by_hand(painter(), 1)
    _, _, spoilt = by_hand(marred(), 1)
    logits = {}
    for judge, editor in (("painter", Painter()), ("marred", Marred())):
        import torch

        wanted, has = (torch.from_numpy(values) for values in (chosen.targets, 1 - chosen.targets))
        asked = {"painter": (painted, wanted), "marred": (spoilt, wanted), "real": (source, has)}
        logits[judge] = {
            name: editor.realness(torch.from_numpy(images), "Eyeglasses", value)
            for name, (images, value) in asked.items()
        }
    expected = legacy_fidelity_matrix(logits)
    assert np.array(first.scores) == pytest.approx(expected.scores)
    assert first.own_advantage == pytest.approx(dict(expected.own_advantage))
    assert at(made, "marred", 1, "own_realness") == pytest.approx(expected.scores[1, 1])
    assert at(made, "marred", 0, "own_realness") == pytest.approx(expected.scores[1, 2])
    assert made.curve("painter").points[2].absent["own_realness"] == "no discriminator of its own"


def test_a_method_takes_part_up_to_its_first_missing_link():
    short = Links("short", {"Eyeglasses": Painter()}, {"Mouth_Slightly_Open": "no weights for it"})
    found = chain([short, marred()])
    assert found.curve("short").points[2].values == {}
    assert set(found.curve("short").points[2].absent.values()) == {"no weights for it"}
    assert found.curve("marred").points[2].values
    assert any("short: the chain" in notice and "no weights for it" in notice for notice in found.summary.notices)
    assert found.summary.settings["judge_sets"] == 3
    assert found.summary.attributes == CHAIN
    alone = chain([short])
    assert alone.summary.axis.ticks == ("0", "1 Eyeglasses")
    assert len(alone.summary.matrices) == 1


def test_what_the_data_do_not_label_or_a_method_cannot_do_both_ways_ends_a_chain():
    found = chain([marred()], (*CHAIN, "Smiling"))
    assert any("toy does not label Smiling" in notice for notice in found.summary.notices)
    one_way = MouthPainter()
    one_way.card = replace(one_way.card, directions={"Mouth_Slightly_Open": (1,)})
    found = chain([Links("painter", {"Eyeglasses": Painter(), "Mouth_Slightly_Open": one_way})])
    assert any("only adds Mouth_Slightly_Open" in notice for notice in found.summary.notices)


def test_labels_given_to_an_editor_are_those_the_edits_before_left():
    told = []

    class Told:
        card = MethodCard(name="told", attributes=CHAIN, needs=("labels",))

        def edit_aided(self, images, attribute, value, aids):
            told.append((attribute, aids["labels"].clone(), value.clone()))
            return images

    editor = Told()
    chain([Links("told", dict.fromkeys(CHAIN, editor)), marred()], batch_size=40)
    (_, before, glasses), (_, after, _) = told
    assert (before[:, 0] == 1 - glasses).all()
    assert (after[:, 0] == glasses).all()
    assert (after[:, 1] == before[:, 1]).all()


@pytest.mark.parametrize("batch_size", [7, 1000])
def test_numbers_do_not_depend_on_the_batch_size_or_the_order_of_methods(made, batch_size):
    found = chain([marred(), painter()], batch_size=batch_size)
    for name in ("painter", "marred"):
        for one, other in zip(found.curve(name).points, made.curve(name).points, strict=True):
            for measure, value in other.values.items():
                assert one.values[measure].value == pytest.approx(value.value, abs=1e-4), measure
    assert sorted(row.name for row in found.summary.grid.rows) == sorted(row.name for row in made.summary.grid.rows)


def test_strips_show_the_sources_and_every_edit(made):
    grid = made.summary.grid
    assert grid.columns == ("source", *CHAIN)
    assert [row.curve for row in grid.rows] == ["painter", "marred"] * 6
    assert [row.shown for row in grid.rows] == ["with"] * 6 + ["without"] * 6
    chosen, source, images = by_hand(marred(), 2)
    first = chosen.names.index(grid.rows[1].name)
    np.testing.assert_array_equal(made.tiles[1, 0], source[first])
    np.testing.assert_array_equal(made.tiles[1, 2], images[first])


def test_people_are_left_out_whole_where_the_data_know_them():
    faces = replace(toy_faces(), identities=np.arange(120) // 4)
    assert chain(faces=faces).summary.settings["judge_folds"] == 5
    with pytest.raises(InputError, match="one for each fold"):
        chain(faces=replace(toy_faces(), identities=np.arange(120) % 4))


def test_without_judges_the_reasons_are_given():
    found = chain(judges=Panel({}, {"realism": "not today"}))
    for measure in ("fidelity", "fidelity_change", "judge_auc"):
        assert "not today" in found.curve("painter").points[1].absent[measure]
    assert "no judge" in found.curve("painter").points[1].absent["identity_similarity"]
    assert found.summary.matrices


def test_every_measure_has_a_value_or_a_reason(made):
    for curve in made.summary.curves:
        for point in curve.points:
            assert set(point.values) | set(point.absent) == set(CHAIN_MEASURES)
            assert not set(point.values) & set(point.absent)


@pytest.mark.parametrize(
    ("methods", "attributes", "message"),
    [
        ([], CHAIN, "names of their own"),
        ([marred(), marred()], CHAIN, "names of their own"),
        ([Links("real", {"Eyeglasses": Painter()})], CHAIN, "names of their own"),
        ([painter()], ("Eyeglasses", "Eyeglasses"), "different attributes"),
        ([Links("late", {"Mouth_Slightly_Open": MouthPainter()})], CHAIN, "no editor for Eyeglasses"),
    ],
)
def test_chains_that_cannot_begin_are_refused(methods, attributes, message):
    with pytest.raises(InputError, match=message):
        chain(methods, attributes)


def test_what_does_not_suit_is_refused(tmp_path):
    with pytest.raises(UnknownNameError):
        chain([marred()], ("Smiling",))
    small = Painter()
    small.card = replace(small.card, image_size=64)
    with pytest.raises(InputError, match="64 px"):
        chain([Links("small", {"Eyeglasses": small})])
    with pytest.raises(InputError, match="edits made elsewhere"):
        chain([Links("folder", {"Eyeglasses": EditedFolder(tmp_path)})])
    with pytest.raises(InputError, match="batch"):
        chain(batch_size=0)


def test_the_published_chains_are_known_from_others(made):
    assert any("none of the published" in notice for notice in chain([marred()], CHAIN[::-1]).summary.notices)
    assert not any("none of the published" in notice for notice in made.summary.notices)
    assert maae_chain("Male", 4) == MAAE_CHAINS["Male"]


def test_the_command_takes_part_with_what_is_there_and_says_what_is_not(monkeypatch):
    from faceeval.cli.sweeps import Request, _links, wanted_attributes, wanted_methods

    def load(name, attribute, size):
        if attribute == "Mouth_Slightly_Open" and name == "short":
            raise MissingFileError(f"weights of {name} for {attribute}", "shipped are: none", "train them")
        return Marred(name)

    nothing = dict.fromkeys(Request.__dataclass_fields__)
    request = Request(
        **nothing | {"protocol": "chain", "methods": "short, long,short", "attr": "glasses", "load": load}
    )
    assert wanted_attributes(request) == MAAE_CHAINS["Eyeglasses"]
    assert wanted_attributes(replace(request, attr="young,mouth")) == ("Young", "Mouth_Slightly_Open")
    assert wanted_methods(request, "Eyeglasses", 64) == ("short", "long")
    links = _links(request, "short", CHAIN, 64)
    assert links.missing == {"Mouth_Slightly_Open": "no weights of short for Mouth_Slightly_Open (shipped are: none)"}
    with pytest.raises(MissingFileError):
        _links(request, "short", CHAIN[::-1], 64)
    with pytest.raises(UnknownNameError, match="M-AAE"):
        wanted_attributes(replace(request, attr="bald"))
    with pytest.raises(InputError, match="one attribute"):
        wanted_attributes(replace(request, protocol="timing", attr="young,mouth"))
    every = replace(request, methods=None, data="procfaces")
    assert {"cyclegan", "fai"} <= set(wanted_methods(every, "Eyeglasses", 64))
    assert wanted_methods(replace(every, protocol="timing"), "Eyeglasses", 64)[-1] == "identity"
    with pytest.raises(MissingFileError, match="--checkpoint"):
        wanted_methods(every, "Wearing_Hat", 64)
