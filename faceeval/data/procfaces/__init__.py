# SPDX-License-Identifier: MIT
"""The embedded faces: a parametric head rendered by our own code, of which every factor is known.

The names below load on first use; the renderer itself is ``faceeval.data.procfaces.render.render``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faceeval.data.procfaces.factors import ATTRIBUTE_NAMES, Factors, attribute_value, flip
    from faceeval.data.procfaces.population import SET_VERSION, attribute_table, identity_of, sample_factors, split_of
    from faceeval.data.procfaces.standard import load

__all__ = [
    "ATTRIBUTE_NAMES",
    "SET_VERSION",
    "Factors",
    "attribute_table",
    "attribute_value",
    "flip",
    "identity_of",
    "load",
    "sample_factors",
    "split_of",
]

_FROM = {
    "factors": ("ATTRIBUTE_NAMES", "Factors", "attribute_value", "flip"),
    "population": ("SET_VERSION", "attribute_table", "identity_of", "sample_factors", "split_of"),
    "standard": ("load",),
}


def __getattr__(name: str) -> object:
    for module, names in _FROM.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
