# SPDX-License-Identifier: MIT
"""SPLIT_RULES: the splits the papers use, each as a rule that gives everybody the same lists.

Where a paper says "randomly", the hash rule of `faceeval.data.selection` decides; where it says nothing, ``ours`` says
what we chose. Digests of the lists on procfaces are kept in ``datasets/procfaces/splits.json``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from faceeval.data.manifest import manifests_folder
from faceeval.data.splits.editing import DIAT_TASKS, FAI_ATTRIBUTES, MAAE_CHAINS, diat, fai, maae
from faceeval.data.splits.named_lists import NamedList, Split, SplitInput
from faceeval.data.splits.people import (
    DEV_TEST,
    DEV_TRAIN,
    VIEW_2,
    bw_affectnet,
    bw_celeba,
    bw_lfw,
    bw_vgg,
    ipgan_adv,
    ipgan_ident,
    ipgan_leak,
)
from faceeval.errors import InputError, unknown_name
from faceeval.names import canonical_attribute

__all__ = ["SPLIT_RULES", "NamedList", "Split", "SplitInput", "SplitRule", "make_split", "published"]

DIGESTS = "splits.json"  # below datasets/<name>


@dataclass(frozen=True)
class SplitRule:
    """One row of SPLIT_RULES.

    Attributes:
        printed: What the paper says.
        ours: What it leaves open, as decided here.
        make: Makes the lists of an input, an attribute (or task) and a count.
        parts: Splits it needs; ``"test"`` may be ``"all"`` of a dataset without splits.
        optional: Splits it uses where they are.
        pairs: Lists of pairs it needs.
        attribute: Whether it takes an attribute: none, any the data label, or one of ``choices``.
        choices: The paper's.
        count: What ``--count`` stands for, by default; 0 where the rule has no such number.
        landmarks: Whether DIAT's filter has to be applied before.
    """

    printed: str
    ours: str
    make: Callable[[SplitInput, str, int], Split]
    parts: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()
    attribute: Literal["none", "labelled", "choice"] = "none"
    choices: tuple[str, ...] = ()
    count: int = 0
    landmarks: bool = False


SPLIT_RULES: dict[str, SplitRule] = {
    "fai": SplitRule(
        "2000 test images unseen in training, 1000 with the attribute and 1000 without",
        "from the test split in hash order, a short class going on in validation; training on the train split alone",
        fai,
        parts=("test",),
        optional=("validation", "train"),
        attribute="labelled",
        choices=FAI_ATTRIBUTES,
        count=1000,
    ),
    "maae": SplitRule(
        "1000 test images for each of seven attributes, the rest for training; 1 to 4 attributes one after the other",
        "500 of each class of the test split; Smiling as the seventh attribute; the chains; the train split alone",
        maae,
        parts=("test",),
        optional=("train",),
        attribute="choice",
        choices=tuple(MAAE_CHAINS),
        count=500,
    ),
    "diat": SplitRule(
        "CelebA without 14 of 62 clusters of landmarks; a guided set of all images with the aim, 2000 inputs without",
        "the clusters turned furthest go; inputs in hash order; 1000 test images of the test split",
        diat,
        parts=("train", "test"),
        optional=("validation",),
        attribute="choice",
        choices=tuple(DIAT_TASKS),
        count=2000,
        landmarks=True,
    ),
    "bw/celeba": SplitRule(
        "160K for training, 19K for validation, 19K for testing; FID of 10,000 training images",
        "the official partition; the 10,000 in hash order",
        bw_celeba,
        parts=("train", "validation", "test"),
        count=10_000,
    ),
    "bw/vgg": SplitRule(
        "1M images for training, 170K for testing",
        "faces higher than 100 pixels where boxes are known, the first million in hash order; the official test list",
        bw_vgg,
        parts=("train", "test"),
        count=1_000_000,
    ),
    "bw/affectnet": SplitRule(
        "288K for training, 4K for validation, eight expressions",
        "the official lists, classes 0 to 7",
        bw_affectnet,
        parts=("train", "validation"),
    ),
    "bw/lfw": SplitRule(
        "1000 pairs", f"{DEV_TEST}, with the threshold from {DEV_TRAIN}", bw_lfw, pairs=(DEV_TRAIN, DEV_TEST)
    ),
    "ipgan/ident": SplitRule(
        "10,000 people with six photographs outside training: one for the gallery, five queries",
        "people, photographs and the images that lend attributes in hash order; of the test split",
        ipgan_ident,
        parts=("test",),
        count=10_000,
    ),
    "ipgan/leak": SplitRule(
        "all faces split at random in two parts",
        "of each person's images a fifth is held out, in hash order; of the test split",
        ipgan_leak,
        parts=("test",),
    ),
    "ipgan/adv": SplitRule(
        "LFW's 3000 pairs of two people, attacked in both directions",
        f"{VIEW_2}, the fold kept with each pair",
        ipgan_adv,
        pairs=(VIEW_2,),
    ),
}


def make_split(protocol: str, given: SplitInput, attribute: str = "", count: int | None = None) -> Split:
    """Makes the lists of a protocol.

    Args:
        protocol: A key of SPLIT_RULES.
        given: The data; see `faceeval.data.splits.inputs.open_split_input`.
        attribute: The attribute, or for ``diat`` the task, in any spelling; empty where the protocol takes none.
        count: Instead of the rule's number; lists are then not the published ones.

    Returns:
        The lists; those of which ``short`` is true hold less than the rule wants.

    Raises:
        UnknownNameError: No such protocol, or the data or the protocol do not know the attribute.
        InputError: The protocol wants an attribute, or none, or has no count; or the data cannot serve it.
    """
    check_request(protocol, attribute, count)
    rule = SPLIT_RULES[protocol]
    if rule.attribute == "labelled":
        labelled = given.part("test").attributes
        if not labelled:
            raise InputError(f"attributes of {given.data}", "no labels", "choose a dataset that labels attributes")
        attribute = canonical_attribute(attribute, labelled)
    elif rule.attribute == "choice":
        attribute = canonical_attribute(attribute, rule.choices)
    made = rule.make(given, attribute, count or rule.count)
    return replace(made, key=f"{protocol}/{attribute}" if attribute else protocol)


def check_request(protocol: str, attribute: str, count: int | None) -> None:
    """Refuses what `make_split` will refuse whatever the data are.

    Raises:
        UnknownNameError: No such protocol, or it does not know the attribute.
        InputError: The protocol wants an attribute, or none, or has no count.
    """
    if protocol not in SPLIT_RULES:
        raise unknown_name("split protocol", protocol, SPLIT_RULES)
    rule = SPLIT_RULES[protocol]
    if rule.attribute == "none" and attribute:
        raise InputError(f"no attribute for {protocol}", repr(attribute), "leave out --attr")
    if rule.attribute != "none" and not attribute:
        what = "a task" if protocol == "diat" else "an attribute"
        raise InputError(f"{what} for {protocol}", "none", f"pass --attr with one of {', '.join(rule.choices)}")
    if rule.attribute == "choice":
        canonical_attribute(attribute, rule.choices)
    if count is not None and (rule.count == 0 or count < 1):
        todo = "leave out --count" if rule.count == 0 else "ask for 1 or more"
        raise InputError(
            f"{'no count' if rule.count == 0 else 'a count of 1 or more'} for {protocol}", str(count), todo
        )


def published(data: str, key: str) -> Mapping[str, str]:
    """Returns the digests of a split's lists as kept beside the dataset's manifest: list -> SHA-256; often none.

    Args:
        data: The dataset.
        key: See `faceeval.data.splits.named_lists.Split`.

    Raises:
        InputError: The file is damaged.
    """
    path = manifests_folder() / data / DIGESTS
    if not path.is_file():
        return {}
    try:
        lists = json.loads(path.read_text(encoding="utf-8"))["splits"].get(key, {})
        return {name: str(entry["sha256"]) for name, entry in lists.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"digests of splits in {path}", repr(error), "install faceeval again") from error
