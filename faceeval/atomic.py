# SPDX-License-Identifier: MIT
"""Files that are whole or not there: written under a temporary name in the same folder, then renamed."""

from __future__ import annotations

import contextlib
import os
import secrets
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
                left.unlink()
