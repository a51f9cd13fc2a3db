# SPDX-License-Identifier: MIT
"""Writes the scores that the cards of shipped weights hold into README.md and docs/methods.md, between two markers.

python tools/write_scores.py           # rewrites the tables
python tools/write_scores.py --check   # says whether they are those of the cards
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faceeval.atomic import write_whole
from reference_models import WEIGHTS

ROOT = Path(__file__).resolve().parent.parent
START, END = "<!-- scores of shipped weights: tools/write_scores.py -->", "<!-- end of scores -->"
HEAD = (
    "| attribute | method | flipped ↑ | added ↑ | removed ↑ | other attributes kept ↑ "
    "| error to truth ↓ (doing nothing) | change outside ↓ | similarity ↑ | minutes |\n"
    "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|"
)
# file -> attributes whose rows it shows; None shows all
PAGES: dict[str, tuple[str, ...] | None] = {"README.md": ("Eyeglasses", "Young"), "docs/methods.md": None}


@dataclass(frozen=True)
class Score:
    """What one card says of one attribute."""

    attribute: str
    method: str
    minutes: float | None
    values: Mapping[str, float]
    nothing: Mapping[str, float]

    def line(self) -> str:
        """Returns a row of the table; a dash stands for what the method does not do."""

        def number(key: str, digits: int) -> str:
            return f"{self.values[key]:.{digits}f}" if key in self.values else "–"

        error = f"{number('counterfactual_error', 1)} ({self.nothing['counterfactual_error']:.1f})"
        cells = [
            self.attribute,
            f"`{self.method}`",
            *(number(key, 2) for key in ("flip_accuracy", "flip_accuracy_add", "flip_accuracy_remove")),
            number("preservation_accuracy", 3),
            error,
            number("background_error", 2),
            number("identity_similarity", 3),
            "–" if self.minutes is None else f"{self.minutes:.0f}",
        ]
        return f"| {' | '.join(cells)} |"


def scores(folder: Path = WEIGHTS / "procfaces-64") -> Iterator[Score]:
    """Reads every card."""
    for path in sorted(folder.glob("*.json")):
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        notes = card["notes"]
        for attribute, found in notes.get("scores", {}).items():
            yield Score(attribute, card["method"], notes.get("minutes"), found["method"], found["identity"])


def table(attributes: tuple[str, ...] | None) -> str:
    """Returns the rows of some attributes, or of all, as Markdown: by attribute, then by method."""
    rows = sorted(scores(), key=lambda score: (score.attribute, score.method))
    return "\n".join([HEAD, *(row.line() for row in rows if attributes is None or row.attribute in attributes)])


def rewritten(text: str, rows: str) -> str:
    """Returns a page with the table between its markers replaced."""
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise SystemExit(f"no markers {START} and {END}")
    return f"{before}{START}\n{rows}\n{END}{after}"


def main() -> None:
    """Rewrites the pages, or checks them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail where a table is not the cards'")
    check = parser.parse_args().check
    stale = []
    for name, attributes in PAGES.items():
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        fresh = rewritten(text, table(attributes))
        if fresh != text:
            stale.append(name)
            if not check:
                write_whole(path, fresh.encode())
    if check and stale:
        sys.exit(f"not the scores of the cards: {', '.join(stale)}; run python tools/write_scores.py")


if __name__ == "__main__":
    main()
