# SPDX-License-Identifier: MIT
"""M-AAE's experiment: edit one attribute after the other, and ask after each edit how real the faces still look.

Sun et al., "Mask-aware photorealistic face attribute manipulation", sections 4.1 and 4.3, Table 2: 1 to 4 attributes,
each inverted by a network of its own that is given what the one before it made. The paper asks a discriminator of its
own; here one judge that belongs to nobody is asked about all methods and all lengths, and every discriminator about
every method. docs/sweeps.md tells the whole of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from faceeval.data.faces import FaceSet
from faceeval.data.splits.editing import MAAE_CHAINS, maae_images
from faceeval.errors import InputError
from faceeval.method import Critic, MethodCard
from faceeval.metrics.realism import SmallSampleWarning
from faceeval.protocols.chain_values import CHAIN_MEASURES, curves, image_values, judge_all, matrices
from faceeval.protocols.chosen import Chosen
from faceeval.protocols.clock import Clock
from faceeval.protocols.edits import AnyEditor, edit, own_logits
from faceeval.protocols.findings import Findings, Strips, image_curves, small_sample
from faceeval.protocols.links import REAL, ChainSeen, Links, Reach, reaches_of
from faceeval.protocols.panel import Looks, Panel
from faceeval.results.sweeps import Axis

N_PER_CLASS = 500  # M-AAE: 1000 test images for each attribute
FEW = 50  # images of a class below which the numbers say nothing


def run(
    methods: Sequence[Links],
    faces: FaceSet,
    chain: Sequence[str],
    *,
    panel: Panel,
    n_per_class: int = N_PER_CLASS,
    batch_size: int,
    seed: int,
    clock: Clock,
    progress: Callable[[int, int], None] | None = None,
) -> Findings:
    """Runs the experiment for several methods at once, which one judge can then compare.

    Args:
        methods: The methods. One that lacks an editor takes part up to the edit before it.
        faces: The split to edit.
        chain: Attributes in the order they are inverted; `faceeval.data.splits.editing.maae_chain` has the published.
        panel: The judges; that of realism lends the features on which the one judge of all is trained.
        n_per_class: Images with the first attribute, and images without it.
        batch_size: Images at a time.
        seed: Seed of the bootstrap and of the judge's folds.
        clock: Gets the seconds of each part.
        progress: Called with images done and images in all.

    Returns:
        A curve over 0, 1, 2 ... edits for each method, and the matrices of discriminators.

    Raises:
        InputError: A method cannot make the first edit, does not suit the images, or returned something other than
            edits; two methods of one name; an attribute twice in the chain; too few images for the judge's folds.
        UnknownNameError: The data do not label the first attribute.
    """
    reaches = reaches_of(methods, faces, tuple(chain))
    chosen = choose(faces, chain[0], n_per_class)
    longest = max(reach.length for reach in reaches)
    done = tuple(chain)[:longest]
    links = tuple(replace(chosen, attribute=name, targets=_targets(chosen, name)) for name in done)
    strips = Strips(chosen, tuple(reach.links.name for reach in reaches), ("source", *done))
    for reach in reaches:
        for link in links[: reach.length]:  # for their errors, before any work is done
            card = reach.links.editors[link.attribute].card
            link.aids(card.needs, np.arange(1), card.attributes)
    seen = _stream(reaches, links, panel, strips, batch_size, clock, progress)
    with clock.part("statistics"), warnings.catch_warnings():
        warnings.simplefilter("ignore", SmallSampleWarning)  # a notice says it once
        judged = judge_all(seen.source, seen.looks, chosen, panel, seed)
        values = image_values(reaches, links, seen, judged, panel)
        drawn = curves(reaches, chosen, values, judged, panel, seed)
    grid, tiles = strips.drawn()
    return Findings(
        chosen=chosen,
        attributes=tuple(chain),
        cards={reach.links.name: _cards(reach, done) for reach in reaches},
        axis=_axis(done),
        measures=CHAIN_MEASURES,
        wholes={},
        curves=drawn,
        matrices=matrices(reaches, links, seen),
        images=image_curves(chosen.names, values),
        grid=grid,
        tiles=tiles,
        settings={
            "n_per_class": n_per_class, "batch_size": batch_size, "seed": seed, "confidence": 0.95, **judged.settings
        },
        notices=(
            *_unpublished(tuple(chain)),
            *_broken(reaches, tuple(chain)),
            *small_sample(chosen, n_per_class, FEW),
            *judged.notices,
        ),
    )  # fmt: skip


def choose(faces: FaceSet, attribute: str, n: int) -> Chosen:
    """Chooses the images a chain edits, by the rule of the split ``maae``: with its first attribute, and without.

    Raises:
        UnknownNameError: The data do not label that attribute.
        InputError: A class has no image at all.
    """
    positives, negatives = maae_images(faces, attribute, n)
    place = {name: row for row, name in enumerate(faces.names)}
    names = (*positives, *negatives)
    return Chosen(
        attribute=attribute,
        names=names,
        targets=np.repeat([0, 1], [len(positives), len(negatives)]).astype(np.uint8),
        splits=(faces,),
        split=np.zeros(len(names), np.int64),
        index=np.array([place[name] for name in names], np.int64),
        short=min(len(positives), len(negatives)) < n,
    )


def _targets(chosen: Chosen, attribute: str) -> NDArray[np.uint8]:
    return (1 - chosen.splits[0].attributes[attribute][chosen.index]).astype(np.uint8)


def _stream(
    reaches: Sequence[Reach],
    links: Sequence[Chosen],
    panel: Panel,
    strips: Strips,
    batch_size: int,
    clock: Clock,
    progress: Callable[[int, int], None] | None,
) -> ChainSeen:
    """Edits and looks at every image, batch by batch; keeps what was seen, not the images."""
    if batch_size < 1:
        raise InputError("a batch of at least 1 image", str(batch_size), "give --batch-size 1 or more")
    parts, total = [], len(links[0])
    for start in range(0, total, batch_size):
        if progress is not None:
            progress(start, total)
        positions = np.arange(start, min(start + batch_size, total))
        parts.append(_one_batch(reaches, links, panel, strips, positions, clock))
    if progress is not None:
        progress(total, total)
    return ChainSeen(
        source=_joined([part.source for part in parts]),
        looks={key: _joined([part.looks[key] for part in parts]) for key in parts[0].looks},
        own={key: np.concatenate([part.own[key] for part in parts]) for key in parts[0].own},
    )


def _one_batch(
    reaches: Sequence[Reach],
    links: Sequence[Chosen],
    panel: Panel,
    strips: Strips,
    positions: NDArray[np.int64],
    clock: Clock,
) -> ChainSeen:
    names = tuple(links[0].names[i] for i in positions)
    with clock.part("data"):
        source = links[0].read(positions)
    with clock.part("judge"):
        seen = ChainSeen(source=panel.look(source))
    faces = {reach.links.name: source for reach in reaches}
    for name in faces:
        strips.put(positions, name, 0, source)
    for count, link in enumerate(links, start=1):
        targets = link.targets[positions]
        there = [reach.links for reach in reaches if reach.length >= count]
        for one in there:
            editor = one.editors[link.attribute]
            with clock.part("data"):
                aids = _aids(editor, links[:count], positions)
            with clock.part("edit"):
                faces[one.name] = edit(editor, names, faces[one.name], link.attribute, targets, aids)
            with clock.part("judge"):
                seen.looks[one.name, count] = panel.look(faces[one.name])
            strips.put(positions, one.name, count, faces[one.name])
        for judge in there:
            critic = judge.editors[link.attribute]
            if isinstance(critic, Critic):
                with clock.part("judge"):
                    seen.own[judge.name, count, REAL] = own_logits(critic, source, link.attribute, 1 - targets)
                    for one in there:
                        logits = own_logits(critic, faces[one.name], link.attribute, targets)
                        seen.own[judge.name, count, one.name] = logits
    return seen


def _aids(editor: AnyEditor, links: Sequence[Chosen], positions: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
    """Reads what an editor needs; the labels are those the edits before it were to leave behind."""
    card = editor.card
    aids = links[-1].aids(card.needs, positions, card.attributes)
    if "labels" in aids:
        for before in links[:-1]:
            if before.attribute in card.attributes:
                aids["labels"][:, card.attributes.index(before.attribute)] = before.targets[positions]
    return aids


def _joined(parts: Sequence[Looks]) -> Looks:
    return {role: np.concatenate([part[role] for part in parts]) for role in parts[0]}


def _cards(reach: Reach, chain: tuple[str, ...]) -> tuple[MethodCard, ...]:
    """Returns the cards at work, one for each model."""
    editors = [reach.links.editors[attribute] for attribute in chain[: reach.length]]
    return tuple(editor.card for editor in {id(editor): editor for editor in editors}.values())


def _axis(chain: tuple[str, ...]) -> Axis:
    ticks = ("0", *(f"{count} {name.replace('_', ' ')}" for count, name in enumerate(chain, start=1)))
    return Axis(label="edits in a row", unit="edits", ticks=ticks, places=tuple(float(k) for k in range(len(ticks))))


def _unpublished(chain: tuple[str, ...]) -> list[str]:
    """Says where nobody else may have run this chain."""
    if MAAE_CHAINS.get(chain[0], ())[: len(chain)] == chain:
        return []
    return [f"the chain {', '.join(chain)} is none of the published ones: compare it with runs of the same chain only"]


def _broken(reaches: Sequence[Reach], chain: tuple[str, ...]) -> list[str]:
    """Says which links are missing."""
    return [
        f"{reach.links.name}: the chain {', '.join(chain)} ends after {reach.length} of {len(chain)} edits; "
        f"no link for {chain[reach.length]}: {reach.why}"
        for reach in reaches
        if reach.why
    ]
