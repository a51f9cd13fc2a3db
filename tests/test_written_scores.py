# SPDX-License-Identifier: MIT
"""The scores in README and documentation are those of the cards of the shipped weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from reference_models import METHODS, WEIGHTS

ROOT = Path(__file__).resolve().parent.parent


def test_the_tables_are_those_of_the_cards() -> None:
    tool = [sys.executable, str(ROOT / "tools" / "write_scores.py"), "--check"]
    done = subprocess.run(tool, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_card_is_of_a_known_method_and_stands_in_the_documentation() -> None:
    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    cards = [json.loads(path.read_text(encoding="utf-8")) for path in WEIGHTS.glob("procfaces-64/*.json")]
    assert len(cards) >= 6
    for card in cards:
        assert card["method"] in METHODS
        assert card["attributes"] or f"`{card['method']}`" in page  # without attributes, told of in its own section
        for attribute in card["attributes"]:
            assert f"| {attribute} | `{card['method']}` |" in page
