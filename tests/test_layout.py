# SPDX-License-Identifier: MIT
"""What the checkout must look like whatever the code does."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_datasets_folder_holds_no_python() -> None:
    # a package named `datasets` at the top of a checkout would shadow Hugging Face's
    assert not list((ROOT / "datasets").rglob("*.py"))
    assert (ROOT / "datasets" / "README.md").read_text(encoding="utf-8").strip()


def test_no_module_has_a_name_that_says_nothing() -> None:
    vague = {"utils.py", "helpers.py", "common.py", "misc.py"}
    found = [path for room in ("faceeval", "reference_models") for path in (ROOT / room).rglob("*.py")]
    assert found
    assert not [path for path in found if path.name in vague]


def test_shipped_weights_stay_small() -> None:
    weights = [path for room in ("faceeval", "reference_models") for path in (ROOT / room).rglob("*.safetensors")]
    assert sum(path.stat().st_size for path in weights) < 25_000_000


def test_every_source_file_names_its_licence() -> None:
    sources = [path for room in ("faceeval", "reference_models", "tools") for path in (ROOT / room).rglob("*.py")]
    unlicensed = [path for path in sources if not path.read_text(encoding="utf-8").startswith("# SPDX-License")]
    assert not unlicensed
