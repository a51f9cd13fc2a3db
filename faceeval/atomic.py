# SPDX-License-Identifier: MIT
"""Files and folders that are whole or not there: written under a temporary name beside, then renamed."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faceeval.errors import FaceevalError, OutputError

ADVICE = "free some space, or choose a folder that can be written"
_ABANDONED = 24 * 3600.0  # seconds after which a temporary file belongs to nobody


@contextmanager
def replacing(path: Path, todo: str = ADVICE) -> Iterator[Path]:
    """Gives a temporary name beside ``path`` to write to, which becomes ``path`` when the block ends well.

    Whatever goes wrong, ``path`` is either as it was or complete, and the temporary file is gone.

    Args:
        path: The file to write; its folder is made where it is missing.
        todo: What the caller can do where it cannot be written.

    Yields:
        The temporary name.

    Raises:
        OutputError: The folder or file cannot be written, or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        yield temporary
        os.replace(temporary, path)
    except FaceevalError:
        raise
    except OSError as error:
        raise OutputError(f"to write {path}", f"{error.strerror or type(error).__name__}", todo) from error
    finally:
        with contextlib.suppress(OSError):  # not there, or in no folder; the error before says more
            temporary.unlink()


@contextmanager
def new_folder(path: Path, todo: str = ADVICE) -> Iterator[Path]:
    """Gives a temporary folder to fill, which becomes ``path`` when the block ends well; else nothing is left of it.

    Args:
        path: The folder to make; an empty one may be there.
        todo: What the caller can do where it cannot be written.

    Yields:
        The temporary folder, beside ``path``.

    Raises:
        OutputError: Something is there already, it cannot be written, or the disk is full.
    """
    path = path.resolve()  # "." has no name, and a link no folder of its own
    check_new_folder(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        temporary.mkdir(parents=True)
        _sweep(path)
        yield temporary
        with contextlib.suppress(FileNotFoundError):
            path.rmdir()
        os.replace(temporary, path)
    except FaceevalError:
        raise
    except OSError as error:
        raise OutputError(f"to write {path}", f"{error.strerror or type(error).__name__}", todo) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_new_folder(path: Path) -> None:
    """Refuses a folder that holds something, before any work is done for it.

    Raises:
        OutputError: It holds something, or is a file.
    """
    try:
        taken = path.exists() and (not path.is_dir() or any(path.iterdir()))
    except OSError as error:
        raise OutputError("a new or empty folder", f"{path}: {error.strerror}", "name another folder") from error
    if taken:
        raise OutputError("a new or empty folder", f"{path}, which is there already", "name another folder")


def write_whole(path: Path, content: bytes, todo: str = ADVICE) -> None:
    """Writes a file so that it is either whole or as it was, even if the process dies or the disk is full.

    Args:
        path: The file; its folder is made where it is missing.
        content: All of it.
        todo: What the caller can do where it cannot be written.

    Raises:
        OutputError: It cannot be written; nothing is left behind.
    """
    with replacing(path, todo) as temporary, temporary.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _sweep(path: Path) -> None:
    """Removes what killed processes left beside a file."""
    for left in path.parent.glob(f".{path.name}.*.tmp"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > _ABANDONED:
                shutil.rmtree(left) if left.is_dir() else left.unlink()
