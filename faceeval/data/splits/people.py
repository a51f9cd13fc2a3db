# SPDX-License-Identifier: MIT
"""The splits of the papers about identity: Browatzki and Wallraven's embeddings, and open-set synthesis (IPGAN)."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from faceeval.data.faces import FaceSet
from faceeval.data.selection import select
from faceeval.data.splits.named_lists import NamedList, Split, SplitInput
from faceeval.errors import InputError

DEV_TRAIN, DEV_TEST, VIEW_2 = "pairsDevTrain.txt", "pairsDevTest.txt", "pairs.txt"
MIN_FACE = 100  # pixels; the height of a face's box must exceed it
EXPRESSIONS = 8  # AffectNet's classes 0..7; beyond them are none, uncertain and no face
PHOTOS = 6  # of each person: one for the gallery, five queries
HELD_OUT = 5  # one in five of a person's images


def bw_celeba(given: SplitInput, attribute: str, count: int) -> Split:
    """Makes Browatzki and Wallraven's lists of CelebA: the official partition, and the images of the Fréchet distance.

    Args:
        given: The splits train, validation and test.
        attribute: Unused.
        count: Training images that generated ones are compared with, 10,000 in the paper.

    Raises:
        InputError: A split is not there.
    """
    train = given.part("train")
    compared = select(count, train.names, "faceeval/1/bw/celeba/fid")
    parts = [NamedList(name, given.part(name).names) for name in ("train", "validation", "test")]
    return Split((*parts, NamedList("fid", tuple(compared), count)))


def bw_vgg(given: SplitInput, attribute: str, count: int) -> Split:
    """Makes their lists of VGGFace2: so many training images with large faces, and the official test list.

    Args:
        given: The splits train and test.
        attribute: Unused.
        count: Training images, a million in the paper.

    Raises:
        InputError: A split is not there, or no face is large enough.
    """
    train, test = given.part("train"), given.part("test")
    names, notes = train.names, ("the sizes of the faces are not known, so small ones are among them",)
    if train.boxes is not None:
        large = np.flatnonzero(train.boxes[:, 3] > MIN_FACE)
        names = tuple(train.names[row] for row in large.tolist())
        notes = (f"{len(names)} of {len(train)} training images have a face higher than {MIN_FACE} pixels",)
    if not names:
        raise InputError(f"faces higher than {MIN_FACE} pixels in {given.data}", "none", "check the file of boxes")
    chosen = select(count, names, "faceeval/1/bw/vgg/train")
    return Split((NamedList("train", tuple(chosen), count), NamedList("test", test.names)), notes)


def bw_affectnet(given: SplitInput, attribute: str, count: int) -> Split:
    """Makes their lists of AffectNet: the official ones, of the images with one of eight expressions.

    Raises:
        InputError: A split is not there, or expressions are not known.
    """
    lists = []
    for name in ("train", "validation"):
        faces = given.part(name)
        if faces.expression is None:
            raise InputError(f"expressions of {given.data}", "none", "choose a dataset that labels them")
        rows = np.flatnonzero((faces.expression >= 0) & (faces.expression < EXPRESSIONS))
        lists.append(NamedList(name, tuple(faces.names[row] for row in rows.tolist())))
    return Split(tuple(lists))


def bw_lfw(given: SplitInput, attribute: str, count: int) -> Split:
    """Makes their lists of LFW: View 1, whose test half has the 1000 pairs they speak of.

    Each pair is its two images and 1 for one person, 0 for two.

    Raises:
        InputError: The dataset has no such pairs.
    """
    lists = []
    for name, file in (("threshold", DEV_TRAIN), ("test", DEV_TEST)):
        pairs = given.pair_list(file)
        rows = zip(pairs.first, pairs.second, pairs.same.tolist(), strict=True)
        lists.append(NamedList(name, tuple(f"{first}\t{second}\t{int(same)}" for first, second, same in rows)))
    return Split(tuple(lists))


def ipgan_adv(given: SplitInput, attribute: str, count: int) -> Split:
    """Makes the lists of IPGAN's attack: the pairs of two people of LFW's View 2, attacked in both directions.

    Each pair is the image to be changed, the image of the person it is to pass for, and its fold, from 0: a detector
    must not be tested on the fold it was trained on.

    Raises:
        InputError: The dataset has no such pairs.
    """
    pairs = given.pair_list(VIEW_2)
    rows = np.flatnonzero(~pairs.same).tolist()
    forward = tuple(f"{pairs.first[row]}\t{pairs.second[row]}\t{pairs.folds[row]}" for row in rows)
    backward = tuple(f"{pairs.second[row]}\t{pairs.first[row]}\t{pairs.folds[row]}" for row in rows)
    return Split((NamedList("forward", forward), NamedList("backward", backward)))


def ipgan_ident(given: SplitInput, attribute: str, count: int) -> Split:
    """Makes the lists of IPGAN's identification: a gallery, five queries of each person, and an image of somebody else
    to take the attributes of each query from.

    Args:
        given: The split test (or all), of people who are not in training.
        attribute: Unused.
        count: People, 10,000 in the paper; those with fewer than six images are not asked.

    Raises:
        InputError: Identities are not known, or fewer than two people have six images.
    """
    faces, tag = given.part("test"), "faceeval/1/ipgan/ident"
    everybody = _rows_by_person(faces)
    asked = [person for person, rows in everybody.items() if len(rows) >= PHOTOS]
    people = select(count, asked, f"{tag}/id")
    if len(people) < 2:
        got = f"{len(people)} of {len(everybody)}"
        raise InputError(f"at least two people with {PHOTOS} images in {given.data}", got, "choose a larger dataset")
    photos = [
        select(PHOTOS, [faces.names[row] for row in everybody[person].tolist()], f"{tag}/{person}") for person in people
    ]
    queries = [name for names in photos for name in names[1:]]
    wanted = count * (PHOTOS - 1)
    return Split(
        (
            NamedList("gallery", tuple(names[0] for names in photos), count),
            NamedList("queries", tuple(queries), wanted),
            NamedList("attributes", tuple(_others(queries, PHOTOS - 1, f"{tag}/attributes")), wanted),
        ),
        (f"{len(people)} people; {len(asked)} of {len(everybody)} have {PHOTOS} images or more",),
    )


def ipgan_leak(given: SplitInput, attribute: str, count: int) -> Split:
    """Makes the lists of IPGAN's leakage probe: a fifth of each person's images held out.

    Raises:
        InputError: Identities are not known, or nobody has two images.
    """
    faces = given.part("test")
    train, validation, single = list[str](), list[str](), 0
    for person, rows in _rows_by_person(faces).items():
        if len(rows) < 2:
            single += 1
            continue
        names = select(len(rows), [faces.names[row] for row in rows.tolist()], f"faceeval/1/ipgan/leak/{person}")
        held = -(-len(names) // HELD_OUT)
        validation += names[:held]
        train += names[held:]
    if not train:
        raise InputError(f"people with two images in {given.data}", "none", "choose a larger dataset")
    notes = (f"{single} people with a single image are left out",) if single else ()
    return Split((NamedList("train", tuple(train)), NamedList("validation", tuple(validation))), notes)


def _rows_by_person(faces: FaceSet) -> dict[str, NDArray[np.int64]]:
    """Returns name (or number) of each person -> the rows of the images, by ascending number."""
    if faces.identities is None:
        raise InputError(f"identities of {faces.name}", "none", "choose a dataset that knows who is shown")
    order = np.argsort(faces.identities, kind="stable").astype(np.int64)
    numbers, starts = np.unique(faces.identities[order], return_index=True)
    people = [faces.people[number] if faces.people else str(number) for number in numbers.tolist()]
    return dict(zip(people, np.split(order, starts[1:]), strict=True))


def _others(names: list[str], per_person: int, tag: str) -> list[str]:
    """Returns, for each image, the image of another person; each person's ``per_person`` images stand together.

    The digest of the image as a number, modulo the images of the others, is the place among them.
    """
    chosen = []
    for place, name in enumerate(names):
        own = place // per_person * per_person
        other = int(hashlib.sha256(f"{tag}:{name}".encode()).hexdigest(), 16) % (len(names) - per_person)
        chosen.append(names[other if other < own else other + per_person])
    return chosen
