# SPDX-License-Identifier: MIT
"""How long does an edit take? DIAT's timing, for one image at a time and for 32.

Li et al., "Deep identity-aware transfer of facial attributes", section 5.2,
print 0.0045 s an image on a GTX Titan X against about 30 s of CNIA, which optimises each image; nothing more is said
of how it was measured. Here: calls that warm up, then calls that are timed, each alone; median and 95th percentile.
docs/sweeps.md tells the whole of it.
"""

from __future__ import annotations

import gc
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from faceeval.data.faces import FaceSet
from faceeval.errors import InputError
from faceeval.metrics.bootstrap import bootstrap_statistic
from faceeval.protocols.chosen import Chosen, choose
from faceeval.protocols.clock import Clock
from faceeval.protocols.edits import AnyEditor, NamedEditor, check_fit, directions, edit
from faceeval.protocols.findings import Findings, as_value
from faceeval.results import Value
from faceeval.results.sweeps import Axis, Curve, FaceGrid, ImageCurves, Measure, Point

BATCHES = (1, 32)
WARM_UP, TIMED = 20, 100  # calls
SECONDS = 60.0  # for the timed calls of one batch size; a slow editor is timed by fewer calls
LEAST = 3  # timed calls, however slow
RESAMPLES = 1000

TIMING_MEASURES: dict[str, Measure] = {
    "image_ms": Measure(
        question="How fast?", label="an image", unit="ms", better="lower", digits=3, version=1,
        meaning="Median wall time of a call of edit, by images in it; only comparable on one machine.",
    ),
    "image_ms_p95": Measure(
        question="How fast?", label="an image, P95", unit="ms", better="lower", digits=3, version=1,
        meaning="The same that 95 of 100 calls keep below: how slow it is when it is slow.",
    ),
    "call_ms": Measure(
        question="How fast?", label="a call", unit="ms", better="lower", digits=2, version=1,
        meaning="Median wall time of a call of edit: how long one waits for an answer.",
    ),
    "images_per_second": Measure(
        question="How fast?", label="speed", unit="images/s", better="higher", digits=1, version=1,
        meaning="Images in a call over its median wall time.",
    ),
}  # fmt: skip


def run(
    methods: Sequence[AnyEditor],
    faces: FaceSet,
    attribute: str,
    *,
    batches: Sequence[int] = BATCHES,
    warm_up: int = WARM_UP,
    timed: int = TIMED,
    seconds: float = SECONDS,
    end_to_end: bool = False,
    seed: int = 0,
    clock: Clock,
    progress: Callable[[int, int], None] | None = None,
) -> Findings:
    """Times the calls of editors, one method after the other in one process.

    Args:
        methods: The editors.
        faces: Lends the images.
        attribute: CelebA's name.
        batches: Images at a time.
        warm_up: Calls that are not counted.
        timed: Calls that are.
        seconds: Wall time after which the calls of one batch size end, when there are at least three.
        end_to_end: Whether reading the images counts.
        seed: Seed of the intervals.
        clock: Gets the seconds of each part.
        progress: Called with batch sizes done and batch sizes in all.

    Returns:
        A curve over the batch sizes for each method.

    Raises:
        InputError: A method does not suit the images or the attribute, edits nothing here, or returned something other
            than edits; two methods of one name; a senseless number of calls or images.
        UnknownNameError: The data do not label the attribute.
    """
    _refuse(methods, faces, attribute, batches, warm_up, timed)
    chosen = choose(faces, attribute, max(batches))
    calls: dict[str, list[NDArray[np.float64]]] = {}
    done, total = 0, len(methods) * len(batches)
    for method in methods:
        for batch in batches:
            if progress is not None:
                progress(done, total)
            with clock.part("edit"):
                before = calls.setdefault(method.card.name, [])
                if _too_long(before, batches, seconds):
                    before.append(np.zeros(0))
                else:
                    before.append(time_calls(method, chosen, batch, warm_up, timed, seconds, end_to_end))
            done += 1
    if progress is not None:
        progress(total, total)
    with clock.part("statistics"):
        curves = tuple(_curve(name, found, batches, seed) for name, found in calls.items())
    return Findings(
        chosen=chosen,
        attributes=(attribute,),
        cards={method.card.name: (method.card,) for method in methods},
        axis=Axis(
            label="images at a time",
            unit="images",
            ticks=tuple(map(str, batches)),
            places=tuple(map(float, batches)),
        ),
        measures=TIMING_MEASURES,
        wholes={},
        curves=curves,
        matrices=(),
        images=_lines(calls, timed, len(batches)),
        grid=FaceGrid(tile=faces.size, columns=(), rows=()),
        tiles=np.zeros((0, 0, 3, faces.size, faces.size), np.uint8),
        settings={
            "warm_up": warm_up, "timed": timed, "seconds": seconds, "end_to_end": end_to_end, "seed": seed,
            "machine": machine(), "threads": torch.get_num_threads(), "confidence": 0.95,
        },
        notices=tuple(_notices(calls, batches, timed)),
    )  # fmt: skip


def time_calls(
    method: AnyEditor,
    chosen: Chosen,
    batch: int,
    warm_up: int = WARM_UP,
    timed: int = TIMED,
    seconds: float = SECONDS,
    end_to_end: bool = False,
) -> NDArray[np.float64]:
    """Returns the wall time in seconds of each timed call of an editor, float64 (calls,).

    Edits come back to the CPU as whole numbers, so a call that used an accelerator has waited for it. The batches go
    round the images, so that no call is given the images of the one before where there are enough.

    Args:
        method: The editor.
        chosen: Images to edit.
        batch: Images at a time.
        warm_up: Calls before, not counted, and no longer than ``seconds`` either.
        timed: Calls that are counted.
        seconds: Wall time after which there are no more, when there are at least three.
        end_to_end: Whether reading the images counts.
    """
    ways = directions(method, chosen.attribute)
    order = _mixed(chosen)
    spent: list[float] = []
    images = None
    began = time.perf_counter()
    gc.collect()
    for call in range(warm_up + timed):
        positions = order[(np.arange(batch) + call * batch) % len(chosen)]
        names = tuple(chosen.names[i] for i in positions)
        targets = chosen.targets[positions] if len(ways) == 2 else np.full(batch, ways[0], np.uint8)
        aids = chosen.aids(method.card.needs, positions, method.card.attributes)
        if not end_to_end:
            images = chosen.read(positions)
        start = time.perf_counter()
        edit(method, names, chosen.read(positions) if images is None else images, chosen.attribute, targets, aids)
        took = time.perf_counter() - start
        late = start + took - began > seconds
        if call >= warm_up:
            spent.append(took)
        elif late or call == warm_up - 1:  # what is slow needs no warming; the timed calls get their own seconds
            warm_up, began, late = call + 1, time.perf_counter(), False
        if len(spent) >= timed or (late and len(spent) >= LEAST):
            break
    return np.array(spent)


def _mixed(chosen: Chosen) -> NDArray[np.int64]:
    """Returns the positions with both classes in turn, so that each call is asked for both directions."""
    turn = np.empty(len(chosen), np.int64)
    for target in (0, 1):
        members = np.flatnonzero(chosen.targets == target)
        turn[members] = np.arange(len(members))
    return np.argsort(turn, kind="stable").astype(np.int64)


def machine() -> str:
    """Returns what computes here, such as ``"Linux x86_64, <processor>"``; times of two machines are not compared."""
    processor = platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), processor)
    except OSError:
        pass  # no Linux: what Python knows will do
    return ", ".join(part for part in (f"{platform.system()} {platform.machine()}", processor) if part)


def _too_long(before: Sequence[NDArray[np.float64]], batches: Sequence[int], seconds: float) -> bool:
    """Whether one call of the next batch size alone would outlast its time, going by the batch size before."""
    if not before:
        return False
    if not len(before[-1]):
        return True
    return float(np.median(before[-1])) * batches[len(before)] / batches[len(before) - 1] > seconds


def _refuse(
    methods: Sequence[AnyEditor], faces: FaceSet, attribute: str, batches: Sequence[int], warm_up: int, timed: int
) -> None:
    names = [method.card.name for method in methods]
    if not names or len(set(names)) != len(names):
        raise InputError("methods, each once", ", ".join(names) or "none", "name each method once")
    if not batches or list(batches) != sorted(set(batches)) or batches[0] < 1:
        raise InputError("numbers of images, ascending, at least 1", str(list(batches)), "give such as 1,32")
    if warm_up < 0 or timed < LEAST:
        raise InputError(f"at least {LEAST} timed calls", f"{timed}, after {warm_up}", "give --runs 100")
    for method in methods:
        if isinstance(method, NamedEditor):
            todo = "give the method itself"
            raise InputError("a method that edits here", f"{method.card.name}, edits made elsewhere", todo)
        check_fit(method, faces, attribute)


def _curve(name: str, calls: Sequence[NDArray[np.float64]], batches: Sequence[int], seed: int) -> Curve:
    points = []
    for spent, batch in zip(calls, batches, strict=True):
        if not len(spent):
            why = f"one call with {batch} images would take longer than the time given to all"
            points.append(Point(values={}, absent=dict.fromkeys(TIMING_MEASURES, why)))
            continue
        call, slow = (_quantile(1000 * spent, share, seed) for share in (0.5, 0.95))
        values = {
            "image_ms": _divided(call, batch),
            "image_ms_p95": _divided(slow, batch),
            "call_ms": call,
            "images_per_second": _rate(call, batch),
        }
        points.append(Point(values=values))
    return Curve(name=name, kind="identity" if name == "identity" else "method", points=tuple(points))


def _quantile(values: NDArray[np.float64], share: float, seed: int) -> Value:
    found = bootstrap_statistic(lambda drawn: float(np.quantile(values[drawn], share)), len(values), seed, RESAMPLES)
    return as_value(found, len(values))


def _divided(value: Value, by: int) -> Value:
    low, high = (None if end is None else end / by for end in (value.low, value.high))
    return Value(value=value.value / by, low=low, high=high, n=value.n)


def _rate(call: Value, batch: int) -> Value:
    """Images a second from milliseconds a call; the ends of the interval change places."""
    low, high = (None if end is None else 1000 * batch / end for end in (call.high, call.low))
    return Value(value=1000 * batch / call.value, low=low, high=high, n=call.n)


def _lines(calls: dict[str, list[NDArray[np.float64]]], timed: int, places: int) -> tuple[ImageCurves, ...]:
    """One line for each call: its milliseconds at each batch size."""

    def at(name: str, place: int, call: int) -> float | None:
        spent = calls[name][place]
        return round(1000 * float(spent[call]), 4) if call < len(spent) else None

    longest = max(len(spent) for found in calls.values() for spent in found)
    return tuple(
        ImageCurves(
            name=f"call {call + 1}",
            values={name: {"call_ms": tuple(at(name, place, call) for place in range(places))} for name in calls},
        )
        for call in range(min(timed, longest))
    )


def _notices(calls: dict[str, list[NDArray[np.float64]]], batches: Sequence[int], timed: int) -> list[str]:
    notices = ["times hold for this machine and what else ran on it; never compare them across machines"]
    for name, found in calls.items():
        short = [f"{len(spent)} at {batch}" for spent, batch in zip(found, batches, strict=True) if len(spent) < timed]
        if short:
            notices.append(f"{name} is slow: of {timed} calls only {', '.join(short)} images at a time were made")
    return notices
