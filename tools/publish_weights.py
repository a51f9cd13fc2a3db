# SPDX-License-Identifier: MIT
"""Ships trained weights: copies them beside the package's others, scores them, and writes the scores into their cards.

python tools/publish_weights.py runs/fai-Eyeglasses-procfaces-small/fai-Eyeglasses.safetensors ...
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import experiment_scores

from faceeval.cli.train import parse_overrides
from faceeval.results import Result, read, result_path
from reference_models import UNTRAINED, WEIGHTS, load_method
from reference_models.checkpoint import annotate, compact
from reference_models.recipe import override
from reference_models.training import configure

# what a card says of a method; the whole result is for `faceeval score` to show
FEW = 100  # images of each class in the regression test
SCORES = (
    "flip_accuracy",
    "flip_accuracy_add",
    "flip_accuracy_remove",
    "preservation_accuracy",
    "identity_similarity",
    "background_error",
    "counterfactual_error",
    "frechet_distance_source",
    "dfn_mean",
    "dfn_iqr",
)


def score(method: str, attribute: str, folder: Path, *more: str) -> Result:
    """Scores shipped weights by the command a user would type, and returns the result."""
    command = [sys.executable, "-m", "faceeval", "score", "--method", method, "--attr", attribute, "--out", str(folder)]
    subprocess.run([*command, *more], check=True)
    # a method may be reported under another name than it is asked for by
    return read(result_path(folder, "procfaces", 64, attribute, load_method(method, attribute=attribute).card.name))


def scores_of(result: Result) -> dict[str, object]:
    """Returns what goes into the card: the method's values, those of ``identity`` beside them, and what made them."""
    summary = result.summary
    rows = {row.kind: row for row in summary.rows}
    return {
        "images": summary.data.positives + summary.data.negatives,
        "data_digest": summary.data.digest,
        "judges": {role: judge.weights_sha256 for role, judge in summary.judges.items()},
        **{
            kind: {key: round(rows[kind].values[key].value, 4) for key in SCORES if key in rows[kind].values}
            for kind in ("method", "identity")
        },
    }


def edits(card: dict[str, Any], results: Path) -> dict[str, Any]:
    """Scores an editor on each of its attributes; the few images are what the regression test scores again."""
    scores, scores_of_few = {}, {}
    for attribute in card["attributes"]:
        with tempfile.TemporaryDirectory() as scratch:
            few = score(card["method"], attribute, Path(scratch), "--count", str(FEW), "--quiet")
        full = score(card["method"], attribute, results)
        command = f"faceeval score --method {card['method']} --attr {attribute}"
        scores[attribute] = {"command": command, **scores_of(full)}
        scores_of_few[attribute] = {"command": f"{command} -n {FEW}", **scores_of(few)}
    return {"scores": scores, "scores_of_few": scores_of_few}


def experiments(method: str, results: Path) -> dict[str, Any]:
    """Scores a method that edits no attribute in the experiments that are made for it."""
    with tempfile.TemporaryDirectory() as scratch:
        few = experiment_scores.scores_of(method, Path(scratch), few=True)
    return {"experiments": experiment_scores.scores_of(method, results, few=False), "experiments_of_few": few}


def plain_command(command: str, method: str, preset: str) -> str:
    """Returns a training command without what does not decide the weights.

    That is where they went, how loud it was, and settings that are the preset's anyway. Of weights to start from, the
    name of the file is kept.
    """
    plain, words, kept = configure(method, preset), iter(shlex.split(command)), []
    for word in words:
        if word in ("--out", "-o", "--root"):
            next(words)
        elif word == "--set":
            setting = next(words)
            if override(plain, parse_overrides([setting])) != plain:
                kept += [word, setting]
        elif word == "--start":
            kept += [word, Path(next(words)).name]
        elif word not in ("--quiet", "-q"):
            kept.append(word)
    return shlex.join(kept)


def main() -> None:
    """Publishes each weight file named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", nargs="+", type=Path, help="weight files, each with its .json beside")
    parser.add_argument("--results", type=Path, default=Path("results"), help="where the scores are written")
    parser.add_argument("--compact", action="store_true", help="store them as bytes, in half the room")
    arguments = parser.parse_args()
    for weights in arguments.weights:
        card = json.loads(weights.with_suffix(".json").read_text(encoding="utf-8"))
        # data that were joined to the first, as clips are, are not asked for by name
        folder = WEIGHTS / f"{card['data'].partition('+')[0]}-{card['config']['image_size']}"
        folder.mkdir(parents=True, exist_ok=True)
        shipped = folder / weights.name
        for suffix in (".safetensors", ".json"):
            if weights.resolve() != shipped:
                shutil.copyfile(weights.with_suffix(suffix), shipped.with_suffix(suffix))
        if arguments.compact:
            compact(shipped)
        notes = edits(card, arguments.results) if card["attributes"] else experiments(card["method"], arguments.results)
        command = card["notes"]["command"]
        if card["method"] not in UNTRAINED:
            command = plain_command(command, card["method"], card["notes"]["preset"])
        annotate(shipped, command=command, **notes)


if __name__ == "__main__":
    main()
