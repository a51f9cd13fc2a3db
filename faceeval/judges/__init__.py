# SPDX-License-Identifier: MIT
"""Networks that turn faces into arrays: embeddings, attribute logits, pose, features. Frozen, in eval mode.

Importing this package loads no network and no torch; :func:`load_judge` does.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from faceeval.errors import unknown_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

JUDGES: dict[str, str] = {
    "procfaces": "faceeval.judges.procfaces:ProcfacesJudge",
    "procfaces-teacher": "faceeval.judges.attribute_classifier:AttributeClassifier",
    "inception": "faceeval.judges.inception:InceptionJudge",
    "facenet": "faceeval.judges.facenet:FacenetJudge",
}


@runtime_checkable
class Judge(Protocol):
    """A frozen network that looks at faces.

    Attributes:
        name: Its name in ``JUDGES``.
        weights_sha256: SHA-256 of its weights; goes into every result.
        outputs: The keys a call returns, among ``"embedding"``, ``"attributes"``, ``"expression"``, ``"pose"`` and
            ``"features"``.
        attribute_names: CelebA names of the columns of ``"attributes"``; empty where it has none.
        settings: What else decides the numbers (input size, resize preset, layer); goes into every result.
    """

    name: str
    weights_sha256: str
    outputs: tuple[str, ...]
    attribute_names: tuple[str, ...]
    settings: Mapping[str, str | int]

    def __call__(self, images: Tensor) -> dict[str, NDArray[np.float32]]:
        """Looks at faces, in batches of its own.

        Args:
            images: uint8, (N, 3, H, W), RGB, on any device, with N at least 1 and square images.

        Returns:
            float32 arrays, a row per image: ``"embedding"`` (N, D), never normalised; ``"attributes"`` (N, A) logits;
            ``"expression"`` (N, 8) logits in AffectNet's order; ``"pose"`` (N, 3) yaw, pitch, roll in degrees;
            ``"features"`` (N, D) for distances between sets. Only the keys of ``outputs``.

        Raises:
            InputError: The images are not what is asked for.
        """


def load_judge(name: str, *, weights_dir: str | Path | None = None, **options: str | int) -> Judge:
    """Builds a judge and loads its weights; nothing is downloaded.

    Args:
        name: One of ``JUDGES``.
        weights_dir: Folder looked in first for the weights; then come ``FACEEVAL_WEIGHTS``, torch's cache, and the
            weights that are shipped with the package.
        **options: Passed to the judge: ``device`` and ``batch_size`` for all, ``resize`` for ``inception``.

    Returns:
        The judge.

    Raises:
        UnknownNameError: No judge has that name.
        MissingFileError: The weights, or the package that defines the network, are not on this machine.
        CheckpointError: The weight file is damaged or belongs to another network.
    """
    if name not in JUDGES:
        raise unknown_name("judge", name, JUDGES)
    module, _, attribute = JUDGES[name].partition(":")
    folder = None if weights_dir is None else Path(weights_dir)
    return cast(Judge, getattr(importlib.import_module(module), attribute)(weights_dir=folder, **options))
