# SPDX-License-Identifier: MIT
"""Where made data are kept between runs, and how one process at a time makes them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faceeval.atomic import replacing
from faceeval.errors import OutputError

__all__ = ["cache_dir", "locked", "replacing"]

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
