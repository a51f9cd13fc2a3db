# SPDX-License-Identifier: MIT
"""Collects the guides of CNIA (reconstruction), which is not trained, from a training split.

python tools/collect_guides.py                        # those that are shipped; tools/publish_weights.py ships them
python tools/collect_guides.py --data celeba --root DIR --preset paper --set features=vgg_face.pth

``faceeval score --method cnia --checkpoint`` takes the file it prints.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from faceeval.cli.train import parse_overrides
from faceeval.data.table import load_faces
from faceeval.names import canonical_attribute
from reference_models.checkpoint import save_weights
from reference_models.cnia import NAME, PRESETS
from reference_models.guides import collect
from reference_models.recipe import override


def main() -> None:
    """Writes ``cnia.safetensors`` and its card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="procfaces", help="dataset")
    parser.add_argument("--root", type=Path, help="folder that holds it")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="small", help="configuration of the method")
    parser.add_argument("--attr", help="attributes, with commas; by default those of the configuration")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a field of the configuration")
    parser.add_argument("--out", type=Path, help="folder; by default runs/cnia-<data>-<preset>")
    arguments = parser.parse_args()
    changes = parse_overrides(arguments.set)
    if arguments.attr:
        changes["attributes"] = tuple(canonical_attribute(name) for name in arguments.attr.split(","))
    config = override(PRESETS[arguments.preset], changes)
    faces = load_faces(arguments.data, "train", size=config.image_size, root=arguments.root)
    guides = collect(faces, config.attributes, config.n_guides, config.k)
    folder = arguments.out or Path("runs") / f"{NAME}-{faces.name}-{arguments.preset}"
    notes = {
        "preset": arguments.preset,
        "command": shlex.join(["python", "tools/collect_guides.py", *sys.argv[1:]]),
        "what": "faces of the training split, not trained weights; the method optimises each image",
        "data_digest": faces.digest,
    }
    path = save_weights(
        folder / f"{NAME}.safetensors",
        {"guides": guides},
        method=NAME,
        attributes=config.attributes,
        data=faces.name,
        config=config,
        notes=notes,
    )
    print(path)


if __name__ == "__main__":
    main()
