# SPDX-License-Identifier: MIT
"""Writes the digests of all splits of procfaces to ``datasets/procfaces/splits.json``.

    python tools/publish_splits.py

Run it when a rule or the set changes on purpose. Needs the rendered train split, whose landmarks DIAT's filter reads.
"""

from __future__ import annotations

import json

from faceeval.atomic import write_whole
from faceeval.data.manifest import load_manifest, manifests_folder
from faceeval.data.splits.inputs import open_split_input
from faceeval.data.splits.rules import DIGESTS, SPLIT_RULES, make_split

DATA = "procfaces"


def main() -> None:
    """Makes every split that procfaces can serve."""
    splits = {}
    for protocol, rule in SPLIT_RULES.items():
        given = open_split_input(protocol, DATA)
        for attribute in rule.choices or ("",):
            made = make_split(protocol, given, attribute)
            splits[made.key] = {entry.name: {"count": len(entry), "sha256": entry.sha256} for entry in made.lists}
    record = {"version": load_manifest(DATA).version, "splits": splits}
    path = manifests_folder() / DATA / DIGESTS
    write_whole(path, (json.dumps(record, indent=1) + "\n").encode())
    print(f"{len(splits)} splits in {path}")


if __name__ == "__main__":
    main()
