# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest
import torch

from faceeval.errors import InputError
from reference_models.label_vectors import (
    check_strength,
    check_targets,
    column_of,
    own_labels,
    planes,
    target_labels,
    tell,
    with_attribute,
)
from reference_models.recipe import Batch

NAMES = ("Eyeglasses", "Young", "Male")
IMAGES = torch.randint(0, 256, (3, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
SEEN = torch.tensor([[2.0, -1.0, 0.5], [-3.0, 4.0, -0.1], [1.0, 1.0, 1.0]])


def batch(seed=0):
    labels = torch.eye(5)
    return Batch(torch.zeros(5, 3, 4, 4), labels, torch.arange(5), 0, torch.Generator().manual_seed(seed))


def discriminator(images):
    """Answers with the rows of SEEN that belong to the images."""
    found = [
        int((((image + 1) * 127.5).round().to(torch.uint8) == IMAGES).flatten(1).all(1).nonzero()) for image in images
    ]
    return images, SEEN[found]


def never(images):
    raise AssertionError("asked in vain")


def test_flipped_targets_invert_what_each_face_was_drawn_for():
    assert torch.equal(target_labels(batch(), "flipped"), torch.zeros(5, 5))


def test_permuted_targets_are_the_batch_s_labels_in_an_order_its_generator_draws():
    drawn = [target_labels(batch(seed), "permuted") for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert torch.equal(drawn[0].sum(0), torch.ones(5))
    assert torch.equal(drawn[0].sum(1), torch.ones(5))


def test_targets_that_a_teacher_would_misread_are_refused():
    check_targets("permuted", guided=False)
    check_targets("flipped", guided=True)
    with pytest.raises(InputError, match="guided=false"):
        check_targets("permuted", guided=True)
    with pytest.raises(InputError, match="'shuffled'"):
        check_targets("shuffled", guided=False)


def test_a_generator_is_told_the_labels_or_what_is_to_change():
    wanted, own = torch.tensor([[1.0, 0.0, 1.0]]), torch.tensor([[0.0, 1.0, 1.0]])
    assert tell(wanted, own, "target").tolist() == [[1, 0, 1]]
    assert tell(wanted, own, "difference").tolist() == [[1, -1, 0]]


def test_planes_hold_each_label_all_over_a_map():
    made = planes(torch.tensor([[1.0, 0.25]]), torch.zeros(1, 7, 3, 4, dtype=torch.bfloat16))
    assert made.shape == (1, 2, 3, 4)
    assert made.dtype == torch.bfloat16
    assert (made[0, 0] == 1).all()
    assert (made[0, 1] == 0.25).all()


def test_columns_follow_the_names():
    assert [column_of(name, NAMES) for name in NAMES] == [0, 1, 2]
    with pytest.raises(InputError, match="Smiling") as caught:
        column_of("Smiling", NAMES)
    assert "Eyeglasses, Young, Male" in caught.value.expected


def test_known_labels_are_taken_and_the_discriminator_is_not_asked():
    given = torch.tensor([[1, 0, 1], [0, 0, 0], [1, 1, 0]])
    found = own_labels(never, IMAGES, NAMES, {"labels": given})
    assert found.dtype == torch.float32
    assert torch.equal(found, given.float())


def test_unknown_labels_are_read_from_the_image():
    unknown = torch.tensor([[torch.nan, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, torch.nan, torch.nan]])
    before = unknown.clone()
    found = own_labels(discriminator, IMAGES, NAMES, {"labels": unknown})
    assert found.tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 1]]
    assert torch.equal(unknown.isnan(), before.isnan())  # what was given is left alone
    assert own_labels(discriminator, IMAGES, NAMES, {}).tolist() == [[1, 0, 1], [0, 1, 0], [1, 1, 1]]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (torch.zeros(3, 2), r"shape \(3, 2\)"),
        (torch.zeros(2, 3), r"shape \(2, 3\)"),
        (torch.zeros(3), r"shape \(3,\)"),
        (torch.full((3, 3), -1.0), "-1"),
        (torch.full((3, 3), torch.inf), "inf"),
    ],
)
def test_labels_of_another_form_are_refused(given, named):
    with pytest.raises(InputError, match=named) as caught:
        own_labels(never, IMAGES, NAMES, {"labels": given})
    assert "Eyeglasses, Young, Male" in caught.value.todo


def test_one_attribute_is_set_and_the_others_stay():
    labels = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
    made = with_attribute(labels, NAMES, "Young", torch.tensor([0.0, 1.0]))
    assert made.tolist() == [[0, 0, 0], [1, 1, 1]]
    assert labels.tolist() == [[0, 1, 0], [1, 0, 1]]
    stronger = with_attribute(labels, NAMES, "Young", torch.tensor([0.0, 1.0]), 2.0)
    assert stronger.tolist() == [[0, -0.5, 0], [1, 1.5, 1]]


def test_what_no_face_has_at_once_excludes_each_other():
    names = ("Black_Hair", "Gray_Hair", "Bald", "Bangs", "Receding_Hairline", "Straight_Hair", "Wavy_Hair", "Male")
    everything = torch.ones(1, len(names))
    gone = {
        "Black_Hair": {"Gray_Hair"},
        "Bald": {"Bangs"},
        "Bangs": {"Bald", "Receding_Hairline"},
        "Receding_Hairline": {"Bangs"},
        "Wavy_Hair": {"Straight_Hair"},
        "Male": set(),
    }
    for name, cleared in gone.items():
        made = with_attribute(everything, names, name, torch.ones(1))[0].tolist()
        assert {other for other, label in zip(names, made, strict=True) if not label} == cleared
        # taking something away gives nothing else
        made = with_attribute(everything, names, name, torch.zeros(1))[0].tolist()
        assert {other for other, label in zip(names, made, strict=True) if not label} == {name}


def test_strengths_outside_their_range_are_refused():
    assert check_strength(torch.tensor([-2, 0, 2]), 3, (-2.0, 2.0)).dtype == torch.float32
    for odd in (torch.tensor([0.0, 2.1]), torch.tensor([0.0, torch.nan]), torch.zeros(3), torch.zeros(2, 1)):
        with pytest.raises(InputError, match=r"\[-2, 2\]"):
            check_strength(odd, 2, (-2.0, 2.0))
    assert check_strength(torch.zeros(0), 0, (-1.0, 1.0)).shape == (0,)
