# SPDX-License-Identifier: MIT
"""Editors from outside: classes of the user's own, and folders of images made elsewhere."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceeval.data.folder import edited_images
from faceeval.errors import InputError, MissingFileError
from faceeval.method import MethodCard


class EditedFolder:
    """Edits made elsewhere, one file for each source image, of the same name up to the suffix.

    Args:
        folder: Where they are.
        name: Name of the row; the folder's name by default.

    Raises:
        MissingFileError: There is no such folder.
    """

    def __init__(self, folder: Path, name: str | None = None) -> None:
        if not folder.is_dir():
            raise MissingFileError("a folder of edited images", str(folder), "check the path given with --edited")
        self.folder = folder
        self.card = MethodCard(name=name or folder.resolve().name, notes={"edited": "elsewhere"})
        self._read: Callable[[NDArray[np.int64]], NDArray[np.uint8]] | None = None
        self._position: dict[str, int] = {}

    def prepare(self, names: tuple[str, ...], size: int) -> None:
        """Finds the edit of each image and checks its size, before anything is judged.

        Raises:
            MissingFileError: An edit is missing.
            InputError: Two files could be one edit, or one is no image or of another size.
        """
        self._read = edited_images(self.folder, names, size)
        self._position = {name: position for position, name in enumerate(names)}

    def edit_named(self, names: tuple[str, ...], images: Tensor, attribute: str, value: Tensor) -> Tensor:
        """Reads the edits of the named images; the other arguments are what ``Editor.edit`` would get."""
        if self._read is None:
            raise InputError("prepare(names, size) first", "edit_named without it", "call prepare with all names")
        return torch.from_numpy(self._read(np.array([self._position[name] for name in names], dtype=np.int64)))


def load_user_method(target: str, attribute: str | None) -> Any:
    """Builds a method of the user's own.

    Args:
        target: ``"package.module:Class"``, importable from the working directory or the environment.
        attribute: The attribute to edit, given to a constructor that takes ``attribute``; None where nothing is to be
            edited.

    Returns:
        The method; its card carries ``target`` as its name.

    Raises:
        InputError: The form is wrong, there is no such class, it cannot be built, or it should edit and cannot.
        MissingFileError: The module is not there.
    """
    kind = _import(target)
    try:
        takes = attribute is not None and "attribute" in inspect.signature(kind).parameters
        method = kind(attribute=attribute) if takes else kind()
    except (TypeError, ValueError) as error:
        todo = "let it be built without arguments, or with attribute= alone"
        raise InputError(f"a constructor {target}() or {target}(attribute=...)", str(error), todo) from error
    if attribute is not None and not callable(getattr(method, "edit", None)):
        todo = "give it edit(images, attribute, value); docs/add-a-method.md shows one"
        raise InputError(f"a method that can edit: {target}", f"{type(method).__name__} without edit", todo)
    card = getattr(method, "card", None) or MethodCard(name=target)
    method.card = dataclasses.replace(card, name=target)
    return method


def _import(target: str) -> Callable[..., Any]:
    module_name, _, name = target.partition(":")
    if not module_name or not name.isidentifier():
        raise InputError("package.module:Class", repr(target), "write it as my_package.my_module:MyEditor")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # last, so that nothing installed is shadowed by a file lying about
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        todo = "run from the folder that holds it, install it, or put its folder into PYTHONPATH"
        raise MissingFileError(f"a Python module {module_name}", str(error), todo) from error
    found = getattr(module, name, None)
    if not callable(found):
        have = ", ".join(key for key, value in vars(module).items() if inspect.isclass(value)) or "no class"
        raise InputError(f"a class {name} in {module_name}", have, "check the name after the colon")
    return found  # type: ignore[no-any-return]
