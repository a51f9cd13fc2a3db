# SPDX-License-Identifier: MIT
"""Reference implementations of published face editors, trained and scored by the same commands."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

from faceeval.errors import MissingFileError, unknown_name

# "module:Class", and for a variant of a method "@variant", a value of its Config's field of that name
METHODS: dict[str, str] = {
    "attgan": "reference_models.attgan:AttGAN",
    "cnia": "reference_models.cnia:CNIA",
    "cyclegan": "reference_models.cyclegan:CycleGAN",
    "diat": "reference_models.diat:DIAT",
    "expression_resnet": "reference_models.expression_resnet:ExpressionResNet",
    "fai": "reference_models.fai:FAI",
    "identity": "reference_models.identity:Identity",
    "inpainting": "reference_models.inpainting:Inpainting",
    "maae": "reference_models.maae:MAAE",
    "mad": "reference_models.mad:MAD",
    "mad_separate": "reference_models.mad:MAD@separate",
    "osip": "reference_models.osip:OSIP",
    "osip_no_gc": "reference_models.osip:OSIP@no_gc",
    "osip_no_gd": "reference_models.osip:OSIP@no_gd",
    "osip_no_kl": "reference_models.osip:OSIP@no_kl",
    "osip_no_t": "reference_models.osip:OSIP@no_t",
    "osip_no_u": "reference_models.osip:OSIP@no_u",
    "residual_gan": "reference_models.residual_gan:ResidualGAN",
    "stargan": "reference_models.stargan:StarGAN",
    "unit": "reference_models.unit:UNIT",
    "vggface_descriptor": "reference_models.vggface_descriptor:VGGFaceDescriptor",
}
# methods that have nothing to train, and what can be done instead
UNTRAINED: dict[str, str] = {
    "cnia": "it optimises each image; collect guides for it: python tools/collect_guides.py --help",
    "identity": "it has no weights; score it as it is",
    "vggface_descriptor": "it takes the features of a network that is there; name another with weights of your own",
}
WEIGHTS = Path(__file__).parent / "weights"


def target_of(name: str) -> tuple[str, str, str]:
    """Returns the module, the class and the variant of a method; often no variant.

    Raises:
        UnknownNameError: No such method.
    """
    if name not in METHODS:
        raise unknown_name("method", name, METHODS)
    target, _, variant = METHODS[name].partition("@")
    module, _, kind = target.partition(":")
    return module, kind, variant


def method_class(name: str) -> Any:
    """Imports a method by its name in METHODS.

    Raises:
        UnknownNameError: No such method.
    """
    module, kind, _ = target_of(name)
    return getattr(importlib.import_module(module), kind)


def shipped_weights(name: str, *, data: str = "procfaces", size: int = 64) -> dict[str, Path]:
    """Returns the weight files that come with the package: attribute -> path.

    The key is the empty string for a method that edits no attribute.
    """
    folder = WEIGHTS / f"{data}-{size}"
    found = {path.stem.partition("-")[2]: path for path in sorted(folder.glob(f"{name}-*.safetensors"))}
    if (many := folder / f"{name}.safetensors").is_file():
        card = json.loads(many.with_suffix(".json").read_text(encoding="utf-8"))
        found |= dict.fromkeys(card["attributes"] or [""], many)
    return found


def load_method(
    name: str, *, attribute: str = "", data: str = "procfaces", size: int = 64, checkpoint: Path | None = None
) -> Any:
    """Returns a method ready for use.

    Args:
        name: Name in METHODS.
        attribute: CelebA's name of the attribute to edit; empty for a method that is to edit none.
        data: Dataset the weights were trained on.
        size: Side of the images in pixels.
        checkpoint: A weight file of one's own, or a training folder that holds one; else the shipped weights.

    Returns:
        An object with ``card`` and such of the calls of ``faceeval.method`` as it can honour.

    Raises:
        UnknownNameError: No such method.
        MissingFileError: No weights for this attribute; the message says which exist and how to train them.
        CheckpointError: The weights are of another method, attribute or size, damaged, or a pickle.
    """
    kind = method_class(name)
    if not hasattr(kind, "from_file"):
        return kind()
    # a file of weights that edit no attribute says itself which of a method's variants it is of
    wanted = {"attribute": attribute, "size": size} if attribute else {"name": name, "size": size}
    if checkpoint is not None:
        path = Path(checkpoint)
        if path.is_dir():
            many = path / f"{name}.safetensors"
            path = many if many.is_file() or not attribute else path / f"{name}-{attribute}.safetensors"
        return kind.from_file(path, **wanted)
    shipped = shipped_weights(name, data=data, size=size)
    if attribute not in shipped:
        about, option = (f" for {attribute}", f" --attr {attribute}") if attribute else ("", "")
        raise MissingFileError(
            f"weights of {name}{about}, trained on {data} at {size} pixels",
            f"shipped are: {', '.join(filter(None, shipped)) or 'none'}",
            UNTRAINED.get(name, f"train them: faceeval train --method {name}{option} --data {data}"),
        )
    return kind.from_file(shipped[attribute], **wanted)
