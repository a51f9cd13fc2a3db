# SPDX-License-Identifier: MIT
"""The splits of procfaces, made again and held against the digests that are kept with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from faceeval.data.manifest import load_manifest, manifests_folder
from faceeval.data.procfaces import standard
from faceeval.data.splits.editing import DIAT_TASKS
from faceeval.data.splits.inputs import _unrendered, open_split_input
from faceeval.data.splits.named_lists import SplitInput
from faceeval.data.splits.rules import DIGESTS, SPLIT_RULES, make_split, published
from faceeval.errors import InputError

WITHOUT_LANDMARKS = [name for name, rule in SPLIT_RULES.items() if not rule.landmarks]


@pytest.fixture(scope="module")
def procfaces() -> SplitInput:
    return SplitInput("procfaces", {split: _unrendered(split, 64) for split in ("train", "validation", "test")})


def test_the_plan_of_procfaces_says_what_its_labels_say(procfaces: SplitInput) -> None:
    from faceeval.data.procfaces.factors import ATTRIBUTE_NAMES, attribute_value
    from faceeval.data.procfaces.population import affect_of, identity_of, sample_factors

    test = procfaces.faces["test"]
    assert test.identities is not None
    assert test.expression is not None
    for row in range(0, 4000, 199):
        face = sample_factors(9000 + row)
        assert {name: bool(test.attributes[name][row]) for name in test.attributes} == {
            name: attribute_value(face, name) for name in ATTRIBUTE_NAMES
        }
        assert test.expression[row] == affect_of(face)[0]
        assert test.identities[row] == identity_of(9000 + row)


@pytest.mark.parametrize("protocol", WITHOUT_LANDMARKS)
def test_splits_of_procfaces_are_the_published(procfaces: SplitInput, protocol: str) -> None:
    rule = SPLIT_RULES[protocol]
    given = open_split_input(protocol, "procfaces") if rule.pairs else procfaces
    for attribute in rule.choices or ("",):
        made = make_split(protocol, given, attribute)
        assert published("procfaces", made.key) == {entry.name: entry.sha256 for entry in made.lists}


def test_diat_on_procfaces_is_the_published() -> None:
    if not all((standard.set_folder() / f"{split}-64.json").exists() for split in ("train", "validation", "test")):
        pytest.skip("procfaces is not rendered on this machine; its landmarks come with the images")
    given = open_split_input("diat", "procfaces")
    for task in DIAT_TASKS:
        made = make_split("diat", given, task)
        assert published("procfaces", made.key) == {entry.name: entry.sha256 for entry in made.lists}


def test_every_split_that_procfaces_serves_is_published() -> None:
    record = json.loads((manifests_folder() / "procfaces" / DIGESTS).read_text())
    keys = {
        f"{name}/{choice}" if choice else name for name, rule in SPLIT_RULES.items() for choice in rule.choices or ("",)
    }
    assert set(record["splits"]) == keys
    assert record["version"] == load_manifest("procfaces").version
    assert published("procfaces", "fai/Bald") == published("celeba", "fai/Young") == {}


def test_a_damaged_file_of_digests_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faceeval.data.splits.rules.manifests_folder", lambda: tmp_path)
    (tmp_path / "mine").mkdir()
    for content in ("{", "{}", '{"splits": {"fai/Young": {"positives": 3}}}', "[]"):
        (tmp_path / "mine" / DIGESTS).write_text(content)
        with pytest.raises(InputError, match=r"splits\.json"):
            published("mine", "fai/Young")
