# SPDX-License-Identifier: MIT
"""The splits of the papers that edit attributes: Face Attribute Inversion, M-AAE and DIAT."""

from __future__ import annotations

import numpy as np

from faceeval.data.faces import FaceSet
from faceeval.data.selection import fai_split, select
from faceeval.data.splits.named_lists import NamedList, Split, SplitInput
from faceeval.errors import InputError, unknown_name

FAI_ATTRIBUTES = ("Eyeglasses", "Mouth_Slightly_Open", "No_Beard", "Young", "Male")

# attribute -> what is edited one after the other on its images. The paper names six of its seven attributes in words
# (blond hair, pale skin, gender, age, eyeglasses, an open mouth) and shows the seventh in a figure; Smiling is our
# choice, after the facial expression its introduction names. Of orders it prints one, hair colour before skin, and of
# pairs one, pale skin with gender. The rest is ours: a cycle, so that every attribute comes first, second, third and
# fourth equally often, and a chain of k is the beginning of one of k + 1.
MAAE_CHAINS: dict[str, tuple[str, str, str, str]] = {
    "Blond_Hair": ("Blond_Hair", "Pale_Skin", "Male", "Young"),
    "Pale_Skin": ("Pale_Skin", "Male", "Young", "Eyeglasses"),
    "Male": ("Male", "Young", "Eyeglasses", "Mouth_Slightly_Open"),
    "Young": ("Young", "Eyeglasses", "Mouth_Slightly_Open", "Smiling"),
    "Eyeglasses": ("Eyeglasses", "Mouth_Slightly_Open", "Smiling", "Blond_Hair"),
    "Mouth_Slightly_Open": ("Mouth_Slightly_Open", "Smiling", "Blond_Hair", "Pale_Skin"),
    "Smiling": ("Smiling", "Blond_Hair", "Pale_Skin", "Male"),
}
LONGEST_CHAIN = 4

# task -> attribute and the value its edit aims at
DIAT_TASKS: dict[str, tuple[str, int]] = {
    "mouth_open": ("Mouth_Slightly_Open", 1),
    "mouth_close": ("Mouth_Slightly_Open", 0),
    "eyeglasses_remove": ("Eyeglasses", 0),
    "male_to_female": ("Male", 0),
    "older_to_younger": ("Young", 1),
}
DIAT_TEST = 1000


def maae_chain(attribute: str, k: int) -> tuple[str, ...]:
    """Returns the k attributes that are inverted one after the other on the images of an attribute.

    Args:
        attribute: A key of MAAE_CHAINS.
        k: 0 (the control: nothing is edited) to 4.

    Raises:
        UnknownNameError: The attribute is not one of the seven.
        InputError: k is not in 0..4.

    Example:
        >>> maae_chain("Blond_Hair", 2)
        ('Blond_Hair', 'Pale_Skin')
    """
    if attribute not in MAAE_CHAINS:
        raise unknown_name("attribute of M-AAE", attribute, MAAE_CHAINS)
    if not 0 <= k <= LONGEST_CHAIN:
        raise InputError(f"0 to {LONGEST_CHAIN} attributes", str(k), "choose a number in that range")
    return MAAE_CHAINS[attribute][:k]


def fai(given: SplitInput, attribute: str, count: int) -> Split:
    """Makes the lists of Face Attribute Inversion: test images with and without the attribute, and the train split.

    Args:
        given: The splits test (or all), and validation and train where there are such.
        attribute: One the data label.
        count: Images of each class, 1000 in the paper.

    Raises:
        UnknownNameError: The data do not label that attribute.
        InputError: A class has no image at all.
    """
    test, extra = given.part("test"), given.faces.get("validation")
    picked = fai_split(test, attribute, count, extra)
    lists, notes = [], []
    for name, rows, lent in (
        ("positives", picked.positives, picked.extra_positives),
        ("negatives", picked.negatives, picked.extra_negatives),
    ):
        names = [test.names[row] for row in rows.tolist()]
        if extra is not None and len(lent):
            names += [extra.names[row] for row in lent.tolist()]
            notes.append(f"extended: {len(lent)} of the {name} come from the {extra.split} split")
        lists.append(NamedList(name, tuple(names), count))
    return Split((*lists, *_train(given)), tuple(notes))


def maae(given: SplitInput, attribute: str, count: int) -> Split:
    """Makes the lists of M-AAE: test images with and without the attribute, the train split, and the chains.

    Args:
        given: The splits test (or all), and train where there is one.
        attribute: A key of MAAE_CHAINS.
        count: Images of each class; 500 make the paper's 1000.

    Raises:
        UnknownNameError: The data do not label that attribute.
        InputError: They have one class only.
    """
    test = given.part("test")
    positives, negatives = maae_images(test, attribute, count)
    lists = [NamedList("positives", tuple(positives), count), NamedList("negatives", tuple(negatives), count)]
    chains = tuple(maae_chain(attribute, k) for k in range(LONGEST_CHAIN + 1))
    unlabelled = [name for name in chains[-1] if name not in test.attributes]
    notes = (f"{given.data} does not label {', '.join(unlabelled)}, which chains edit",) if unlabelled else ()
    return Split((*lists, *_train(given)), notes, chains)


def maae_images(test: FaceSet, attribute: str, count: int) -> tuple[list[str], list[str]]:
    """Chooses the images that a chain beginning with an attribute edits.

    Args:
        test: The split to choose from.
        attribute: One the data label, of the seven or not.
        count: Images of each class; 500 make the paper's 1000.

    Returns:
        Names of images with the attribute and of images without it, in hash order; fewer where there are fewer.

    Raises:
        UnknownNameError: The data do not label that attribute.
        InputError: They have one class only.
    """
    tag = f"faceeval/1/maae/{attribute}"
    positives = select(count, _labelled(test, attribute, 1), f"{tag}/pos")
    return positives, select(count, _labelled(test, attribute, 0), f"{tag}/neg")


def diat(given: SplitInput, task: str, count: int) -> Split:
    """Makes the lists of DIAT: what the landmark filter keeps, the guided set, the inputs, and test images.

    Args:
        given: The splits train and test, and which rows of train the filter drops.
        task: A key of DIAT_TASKS.
        count: Input images, 2000 in the paper.

    Raises:
        UnknownNameError: The data do not label the attribute of the task.
        InputError: The filter was not applied, or leaves one class only.
    """
    train, test = given.part("train"), given.part("test")
    if given.hidden is None or given.hidden.shape != (len(train),):
        raise InputError("the train split's rows that the landmark filter drops", "none", "filter the landmarks first")
    attribute, target = DIAT_TASKS[task]
    kept = {name for name, hidden in zip(train.names, given.hidden.tolist(), strict=True) if not hidden}
    guided = tuple(name for name in _labelled(train, attribute, target) if name in kept)
    others = [name for name in _labelled(train, attribute, 1 - target) if name in kept]
    if not guided or not others:
        got = f"{len(guided)} with the aim of {task} and {len(others)} without"
        raise InputError(f"images of both classes among the {len(kept)} that are kept", got, "choose another task")
    tag = f"faceeval/1/diat/{task}"
    tested = select(DIAT_TEST, _labelled(test, attribute, 1 - target), f"{tag}/test")
    share = f"{given.filtered}: keeps {len(kept)} of {len(train)} images, {100 * len(kept) / len(train):.1f} %"
    return Split(
        (
            NamedList("kept", tuple(name for name in train.names if name in kept)),
            NamedList("dropped", tuple(name for name in train.names if name not in kept)),
            NamedList("guided", guided),
            NamedList("inputs", tuple(select(count, others, f"{tag}/input")), count),
            NamedList("test", tuple(tested), DIAT_TEST),
        ),
        (share,),
    )


def _labelled(faces: FaceSet, attribute: str, label: int) -> list[str]:
    return [faces.names[row] for row in np.flatnonzero(faces.labels(attribute) == label).tolist()]


def _train(given: SplitInput) -> list[NamedList]:
    """The list of all training images, where the data have a split of that name: nobody in it is tested."""
    return [NamedList("train", given.faces["train"].names)] if "train" in given.faces else []
