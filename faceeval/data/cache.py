# SPDX-License-Identifier: MIT
"""Where made data are kept between runs, and how a file gets there whole or not at all."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faceeval.errors import FaceevalError, OutputError

_ABANDONED = 24 * 3600.0  # seconds after which a temporary file belongs to nobody
_LOG = logging.getLogger(__name__)


def cache_dir() -> Path:
    """Returns the folder for made data; it need not exist yet.

    FACEEVAL_CACHE where set, else ``faceeval`` under XDG_CACHE_HOME, else ``~/.cache/faceeval``.
    """
    if chosen := os.environ.get("FACEEVAL_CACHE"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "faceeval"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary name beside ``path`` to write to, which becomes ``path`` when the block ends well.

    Whatever goes wrong, ``path`` is either as it was or complete, and the temporary file is gone.

    Args:
        path: The file to write; its folder is made where it is missing.

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
        raise OutputError(
            f"to write {path}",
            f"{error.strerror or type(error).__name__}",
            "free some space, or set FACEEVAL_CACHE to a folder that can be written",
        ) from error
    finally:
        with contextlib.suppress(OSError):  # not there, or in no folder; the error before says more
            temporary.unlink()


def _sweep(path: Path) -> None:
    """Removes what killed processes left beside a file."""
    for left in path.parent.glob(f".{path.name}.*.tmp"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > _ABANDONED:
                left.unlink()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Lets one process at a time into the block, and lets the others wait; a lock ends with its process.

    Where files cannot be locked (Windows, some network folders) nobody waits: as files are replaced whole, two
    processes then do the same work twice, and no harm is done.

    Args:
        path: The lock file, made where it is missing and left behind.

    Raises:
        OutputError: The lock file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        todo = "set FACEEVAL_CACHE to a folder that can be written"
        raise OutputError(f"to write {path}", f"{error.strerror or type(error).__name__}", todo) from error
    try:
        _lock(handle, path)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, path: Path) -> None:
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _LOG.warning("another process is making %s; waiting for it", path.stem)
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError:
        _LOG.info("%s cannot be locked; going on without", path)
