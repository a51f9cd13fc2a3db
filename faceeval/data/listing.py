# SPDX-License-Identifier: MIT
"""Finding files that a copy may have under another suffix or in another case, without a system call for each."""

from __future__ import annotations

import os
from pathlib import Path

from faceeval.data.decode import SUFFIXES
from faceeval.data.folder import stem
from faceeval.errors import InputError


class Listing:
    """The files below a folder, each folder listed once; a lookup costs no system call after that."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._exact: dict[str, frozenset[str]] = {}
        self._loose: dict[str, dict[str, list[str]]] = {}

    def find(self, file: str) -> str | None:
        """Returns the path below the folder, as it is called on this disk; None where there is none."""
        folder, _, name = file.rpartition("/")
        if folder not in self._exact:
            self._exact[folder] = self._list(folder)
        if name in self._exact[folder]:
            return file
        if folder not in self._loose:
            table: dict[str, list[str]] = {}
            for entry in sorted(self._exact[folder]):
                if entry.lower().endswith(SUFFIXES):
                    table.setdefault(stem(entry).lower(), []).append(entry)
            self._loose[folder] = table
        close = self._loose[folder].get(stem(name).lower(), [])
        if len(close) > 1:
            raise InputError(
                f"one file for {file} below {self._folder}",
                " and ".join(close[:2]),
                "remove the one that is not meant",
            )
        return (f"{folder}/{close[0]}" if folder else close[0]) if close else None

    def _list(self, folder: str) -> frozenset[str]:
        try:
            return frozenset(os.listdir(self._folder / folder))
        except (FileNotFoundError, NotADirectoryError):
            return frozenset()
