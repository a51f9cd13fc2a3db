# SPDX-License-Identifier: MIT
"""How a published experiment is run: one file each. Protocols bring methods, judges, data and metrics together."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from faceeval.errors import unknown_name

PROTOCOLS: dict[str, str] = {
    "editing": "faceeval.protocols.editing:run",
    "chain": "faceeval.protocols.chain:run",
    "strength": "faceeval.protocols.strength:run",
    "timing": "faceeval.protocols.timing:run",
    "identification": "faceeval.protocols.identification:run",
    "leakage": "faceeval.protocols.leakage:run",
    "adversarial": "faceeval.protocols.adversarial:run",
    "verification": "faceeval.protocols.verification:run",
    "expression": "faceeval.protocols.expression:run",
    "pose": "faceeval.protocols.pose:run",
    "reconstruction": "faceeval.protocols.reconstruction:run",
    "generation": "faceeval.protocols.generation:run",
    "retrieval": "faceeval.protocols.retrieval:run",
    "morphing": "faceeval.protocols.morphing:run",
    "frontalization": "faceeval.protocols.frontalization:run",
    "transfer": "faceeval.protocols.transfer:run",
}


def load_protocol(name: str) -> Callable[..., Any]:
    """Returns the function that runs a protocol.

    Raises:
        UnknownNameError: No protocol has that name.
    """
    if name not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS)
    module, _, function = PROTOCOLS[name].partition(":")
    return getattr(importlib.import_module(module), function)  # type: ignore[no-any-return]
