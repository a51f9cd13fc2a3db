# SPDX-License-Identifier: MIT
"""Rendering in several processes at once.

The children are plain ``python -m`` processes that read requests and answer with pixels. So they neither run the
caller's main module again nor inherit its threads, which spawned and forked processes would.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import traceback
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from faceeval.data.procfaces.factors import Factors, flip
from faceeval.errors import InputError

STANDARD = "faceeval.data.procfaces.population:sample_factors"
_CHUNK = 25  # images per request: about half a second of work
_WORTH_STARTING = 50  # images: with fewer, the children's imports take longer than the rendering
_ONE_THREAD = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Batch(NamedTuple):
    """Rendered faces, n of them.

    Attributes:
        images: uint8 (n, 3, size, size), RGB.
        landmarks: CelebA's five points, float32 (n, 5, 2), (x, y) in pixels.
        masks: Region of each pixel, uint8 (n, size, size).
    """

    images: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    masks: NDArray[np.uint8]


def factors_of(population: str) -> Callable[[int], Factors]:
    """Returns the function index -> Factors that ``module:function`` names; by name, other processes find it, too."""
    module, _, name = population.partition(":")
    return cast("Callable[[int], Factors]", getattr(import_module(module), name))


def render_batch(indices: Sequence[int], size: int, attribute: str | None = None, population: str = STANDARD) -> Batch:
    """Renders images in this process.

    Args:
        indices: Which of the population; 0..12999 in the standard set.
        size: Side in pixels.
        attribute: CelebA's name of the attribute to flip first; None for the images as they are.
        population: See `factors_of`.
    """
    from faceeval.data.procfaces import render  # it compiles, which is for those who render only

    sample = factors_of(population)
    images = np.empty((len(indices), 3, size, size), np.uint8)
    landmarks = np.empty((len(indices), 5, 2), np.float32)
    masks = np.empty((len(indices), size, size), np.uint8)
    for row, index in enumerate(indices):
        factors = sample(index)
        rendering = render.render(factors if attribute is None else flip(factors, attribute), size)
        images[row], landmarks[row], masks[row] = rendering.image, rendering.landmarks5, rendering.mask
    return Batch(images, landmarks, masks)


def default_workers() -> int:
    """Returns the number of processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers:
    """Child processes that render; started when first worth it, ended with the object or with this process.

    Args:
        count: Number of processes; 1 renders here, without a child.
        population: Whose faces; see `factors_of`.

    Raises:
        InputError: ``count`` is below 1.
    """

    def __init__(self, count: int, population: str = STANDARD) -> None:
        if count < 1:
            raise InputError("at least 1 worker", str(count), "leave workers out to use every processor")
        self._count, self._population = count, population
        self._children: list[subprocess.Popen[bytes]] = []
        self._idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        self._owner = os.getpid()
        self._end = weakref.finalize(self, _end, self._children, self._owner)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    def __reduce__(self) -> tuple[type[Workers], tuple[int, str]]:
        return Workers, (self._count, self._population)  # children stay with the process that started them

    def render(self, indices: Sequence[int], size: int, attribute: str | None = None) -> Iterator[Batch]:
        """Yields what ``render_batch`` returns in pieces, in the order of the indices."""
        pieces = [list(indices[start : start + _CHUNK]) for start in range(0, len(indices), _CHUNK)]
        forked = os.getpid() != self._owner  # then the children answer to another process
        if self._count == 1 or forked or (not self._children and len(indices) < _WORTH_STARTING):
            for piece in pieces:
                yield render_batch(piece, size, attribute, self._population)
            return
        while len(self._children) < self._count:
            self._children.append(_start())
            self._idle.put(self._children[-1])
        with ThreadPoolExecutor(self._count) as threads:
            yield from threads.map(lambda piece: self._ask(piece, size, attribute), pieces)

    def _ask(self, piece: list[int], size: int, attribute: str | None) -> Batch:
        child = self._idle.get()
        try:
            return _exchange(child, piece, size, attribute, self._population)
        except RuntimeError:  # it may be gone or out of step
            self._children.remove(child)
            _end([child], self._owner)
            child = _start()
            self._children.append(child)
            raise
        finally:
            self._idle.put(child)


def _start() -> subprocess.Popen[bytes]:
    root = str(Path(__file__).parents[3])  # a checkout need not be installed
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, **dict.fromkeys(_ONE_THREAD, "1")}
    command = [sys.executable, "-m", "faceeval.data.procfaces.workers"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)


def _end(children: list[subprocess.Popen[bytes]], owner: int) -> None:
    if os.getpid() != owner:
        return
    for child in children:
        child.kill()  # it holds nothing that could be lost
        child.communicate()
    children.clear()


def _exchange(
    child: subprocess.Popen[bytes], piece: list[int], size: int, attribute: str | None, population: str
) -> Batch:
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        child.stdin.write(json.dumps([piece, size, attribute, population]).encode() + b"\n")
        child.stdin.flush()
        failure = json.loads(child.stdout.readline())
        if failure:
            raise RuntimeError(f"a rendering process failed:\n{failure}")
        count, pixels = len(piece), len(piece) * size * size
        answer = child.stdout.read(count * 5 * 2 * 4 + 4 * pixels)
        points = np.frombuffer(answer, np.float32, count * 5 * 2).reshape(count, 5, 2)
        images = np.frombuffer(answer, np.uint8, 3 * pixels, points.nbytes).reshape(count, 3, size, size)
        masks = np.frombuffer(answer, np.uint8, pixels, points.nbytes + 3 * pixels).reshape(count, size, size)
    except (OSError, ValueError) as error:
        raise RuntimeError(f"a rendering process ended early (exit status {child.poll()})") from error
    return Batch(images, points, masks)


def _serve() -> None:
    """Answers requests until the parent ends or closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    answers, sys.stdout = sys.stdout.buffer, sys.stderr  # nothing else may print among the pixels
    for request in sys.stdin.buffer:
        try:
            batch = render_batch(*json.loads(request))
        except Exception:
            answers.write(json.dumps(traceback.format_exc()).encode() + b"\n")
        else:
            answers.write(b'""\n' + batch.landmarks.tobytes() + batch.images.tobytes() + batch.masks.tobytes())
        answers.flush()


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):  # nobody is left to answer to
        _serve()
