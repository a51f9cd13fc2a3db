# SPDX-License-Identifier: MIT
"""The part of the page about everything but single edits: pictures of curves, tables, faces, who judges whom."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faceeval.protocols import PROTOCOLS
from faceeval.protocols.printed import DIAT_SECONDS, DIAT_SECONDS_SOURCE, MAAE_TABLE_2, MAAE_TABLE_2_SOURCE
from faceeval.report.boards import NOTHING
from faceeval.report.lines import chart, plot
from faceeval.results import Value
from faceeval.results.sweeps import Curve, Matrix, Measure, Sweep

ARROWS = {"higher": "↑", "lower": "↓", "near 1": "→ 1", "neither": ""}
COLOURS = 12  # that every page has
END = "ci"  # colour of identity
MOST_PIXELS = 96  # side of a face in a strip; larger ones are reduced
MANY = 4  # methods beyond which fewer faces are shown, and most numbers are folded away
NARROW = 6  # places up to which an interval stands beside its value
GAP = 2  # pixels between the faces of a strip
TITLES = {"chain": "Edits in a row", "strength": "Strength of an edit", "timing": "Time for an edit"}


def sweep_sections(sweeps: Sequence[Sweep], colours: dict[str, str]) -> list[dict[str, Any]]:
    """Returns what the template needs of each sweep.

    Args:
        sweeps: The sweeps, in any order.
        colours: Method -> number of its colour elsewhere on the page; other methods get the next ones.
    """
    ordered = sorted(
        sweeps, key=lambda sweep: (list(PROTOCOLS).index(sweep.summary.protocol), sweep.summary.attributes)
    )
    named = dict(colours)
    for name in dict.fromkeys(curve.name for sweep in ordered for curve in sweep.summary.curves):
        if name not in named:
            named[name] = END if name == "identity" else f"c{len(named) % COLOURS}"
    return [_section(number, sweep, named) for number, sweep in enumerate(ordered)]


def _section(number: int, sweep: Sweep, colours: dict[str, str]) -> dict[str, Any]:
    summary = sweep.summary
    coloured = [(curve, colours[curve.name]) for curve in summary.curves]
    counts = summary.axis.named or summary.protocol in ("chain", "timing")
    tables, many = _tables(sweep, colours), len(summary.curves) > MANY
    charts = [
        (measure, chart(coloured, key, measure, summary.axis, counts))
        for key, measure in summary.measures.items()
        if measure.drawn
    ]
    return {
        "id": f"v{number}",
        "title": summary.title or f"{TITLES[summary.protocol]}: {', '.join(map(_plain, summary.attributes))}",
        "subtitle": _machine(sweep) if summary.protocol == "timing" else _looked_at(sweep),
        "lead": lead(sweep),
        "notices": summary.notices,
        "legend": [(curve.name, colour) for curve, colour in coloured],
        "charts": [(measure, drawn) for measure, drawn in charts if drawn is not None],
        "axis": summary.axis,
        "tables": tables[:1] if many else tables,
        "folded": tables[1:] if many else [],
        "narrow": len(summary.axis.ticks) <= NARROW,
        "wholes": _wholes(sweep),
        "matrices": [_matrix(matrix) for matrix in summary.matrices],
        "plots": [plot(one, colours) for one in summary.plots],
        "printed": _printed(sweep),
        "faces": _faces(sweep),
        "columns": summary.grid.columns,
        "strip": len(summary.grid.columns) * (min(summary.grid.tile, MOST_PIXELS) * 3 // 2 + GAP),
        "summary": summary,
        "judges": {judge.name: judge.weights_sha256[:16] for judge in summary.judges.values()},
    }


def lead(sweep: Sweep) -> str:
    """Says in a few sentences what the sweep found."""
    summary = sweep.summary
    if summary.lead:
        return summary.lead
    methods = [curve for curve in summary.curves if curve.kind == "method"]
    if not methods:
        return "Only the editor that returns its input was looked at: these are the ends of the scales."
    told = {"chain": _chain_lead, "strength": _strength_lead, "timing": _timing_lead}[summary.protocol]
    return told(methods, sweep) or "No judge was at hand: only what can be measured without one stands here."


def _chain_lead(methods: Sequence[Curve], sweep: Sweep) -> str:
    longest = max(place for curve in methods for place, point in enumerate(curve.points) if point.values or place == 0)
    last = [(curve, _at(curve, longest, "fidelity")) for curve in methods]
    found = sorted(((value, curve) for curve, value in last if value is not None), key=lambda one: -one[0].value)
    real = _at(methods[0], 0, "fidelity")
    if not found or real is None:
        return ""
    edits = "one edit" if longest == 1 else f"{longest} edits in a row"
    value, best = found[0]
    said = [
        f"One judge for all gives the unedited faces a probability of {real.value:.2f} of being real, and after "
        f"{edits} {best.name}'s {value.value:.2f}"
    ]
    if len(found) > 1:
        least, worst = found[-1]
        said[0] += f", which is the most, and {worst.name}'s {least.value:.2f}, the least"
    said[0] += "."
    flips = _at(best, longest, "flip_accuracy")
    if flips is not None:
        said.append(f"Of {best.name}'s edits {100 * flips.value:.0f} % are then still seen.")
    return " ".join(said)


def _strength_lead(methods: Sequence[Curve], sweep: Sweep) -> str:
    curve, ticks = methods[0], sweep.summary.axis.ticks
    first, last = (_at(curve, place, "attribute_probability") for place in (0, len(ticks) - 1))
    if first is None or last is None:
        return ""
    said = (
        f"From strength {ticks[0]} to {ticks[-1]} the judge's probability of {_plain(sweep.summary.attributes[0])} "
        f"goes from {first.value:.2f} to {last.value:.2f}."
    )
    tau, fall = curve.whole.get("strength_monotonicity"), curve.whole.get("curve_fall")
    if tau is not None and fall is not None:
        falls = "never falls" if fall.value == 0 else f"falls by up to {fall.value:.3f} on the way"
        said += f" The mean {falls}; over single faces Kendall's tau is {tau.value:.2f}."
    return said


def _timing_lead(methods: Sequence[Curve], sweep: Sweep) -> str:
    alone = [(value.value, curve.name) for curve in methods if (value := _at(curve, 0, "image_ms")) is not None]
    if not alone:
        return ""
    (least, quickest), (most, slowest) = min(alone), max(alone)
    said = f"{quickest} edits one face in {least:,.1f} ms"
    if len(alone) > 1:
        said = f"The quickest, {quickest}, edits one face in {least:,.1f} ms; the slowest, {slowest}, in {most:,.1f} ms"
    return f"{said} (median of {sweep.summary.settings.get('timed')} calls)."


def _at(curve: Curve, place: int, key: str) -> Value | None:
    return curve.points[place].values.get(key)


def _machine(sweep: Sweep) -> str:
    settings = sweep.summary.settings
    threads = settings.get("threads")
    read = "with" if settings.get("end_to_end") else "without"
    return (
        f"{settings.get('machine')}, {threads} thread{'s' if threads != 1 else ''}, {sweep.summary.data.size} px, "
        f"{read} reading the images; {settings.get('warm_up')} calls to warm up, {settings.get('timed')} timed"
    )


def _looked_at(sweep: Sweep) -> str:
    data, attributes = sweep.summary.data, sweep.summary.attributes
    if data.images is not None:
        faces = f"{data.images:,} images"
    else:
        faces = f"{data.negatives:,} faces without {_plain(attributes[0])}, {data.positives:,} with it"
    return f"{data.name} {data.split}, {data.size} px: {faces}"


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _tables(sweep: Sweep, colours: dict[str, str]) -> list[dict[str, Any]]:
    """Returns the lines of the table: one for each curve, under the measure."""
    found = []
    for key, measure in sweep.summary.measures.items():
        rows: list[dict[str, Any]] = []
        for curve in sweep.summary.curves:
            cells = [_cell(point.values.get(key), point.absent.get(key, ""), measure) for point in curve.points]
            rows.append({"name": curve.name, "colour": colours[curve.name], "cells": cells})
        if any(cell["text"] != NOTHING for row in rows for cell in row["cells"]):
            found.append({"measure": measure, "arrow": ARROWS[measure.better], "rows": rows})
    return found


def _cell(value: Value | None, reason: str, measure: Measure) -> dict[str, str]:
    if value is None:
        return {"text": NOTHING, "interval": "", "reason": reason}
    digits = measure.digits
    known = value.low is not None and value.high is not None
    to = " to " if known and value.low < 0 else "–"  # type: ignore[operator]  # no dash beside a minus
    span = f"{value.low:,.{digits}f}{to}{value.high:,.{digits}f}" if known else ""
    return {"text": f"{value.value:,.{digits}f}", "interval": span, "reason": ""}


def _wholes(sweep: Sweep) -> list[dict[str, Any]]:
    return [
        {
            "measure": measure,
            "arrow": ARROWS[measure.better],
            "cells": [
                _cell(curve.whole.get(key), "no judge of the attribute", measure) for curve in sweep.summary.curves
            ],
        }
        for key, measure in sweep.summary.wholes.items()
        if any(key in curve.whole for curve in sweep.summary.curves)
    ]


def _matrix(matrix: Matrix) -> dict[str, Any]:
    rows = [
        {
            "judge": judge,
            "cells": [(f"{score:.3f}", name == judge) for name, score in zip(matrix.methods, scores, strict=True)],
            "advantage": f"{matrix.own_advantage[judge]:+.3f}" if judge in matrix.own_advantage else NOTHING,
        }
        for judge, scores in zip(matrix.judges, matrix.scores, strict=True)
    ]
    return {"title": matrix.title, "methods": matrix.methods, "rows": rows}


def _printed(sweep: Sweep) -> dict[str, Any] | None:
    """Returns the numbers of the paper: those a protocol left, and for chains and times our copies."""
    if (table := sweep.summary.printed) is not None:
        rows = [(name, [cell or NOTHING for cell in cells]) for name, cells in table.rows.items()]
        return {"source": f"{table.source}.", "heads": table.heads, "rows": rows}
    if sweep.summary.protocol == "chain":
        rows = [(name, [f"{value:.3f}" for value in values]) for name, values in MAAE_TABLE_2.items()]
        heads = ["1 edit", "2 edits", "3 edits", "4 edits"]
        return {
            "source": f"{MAAE_TABLE_2_SOURCE}: fidelity by a discriminator of its own.",
            "heads": heads,
            "rows": rows,
        }
    if sweep.summary.protocol == "timing":
        rows = [(name, [f"{1000 * spent:,.1f} ms"]) for name, spent in DIAT_SECONDS.items()]
        return {"source": f"{DIAT_SECONDS_SOURCE}.", "heads": ["an image"], "rows": rows}
    return None


def _faces(sweep: Sweep) -> list[dict[str, Any]]:
    """Returns the strips, those of one face together."""
    grid = sweep.summary.grid
    found: dict[str, dict[str, Any]] = {}
    methods = len({row.curve for row in grid.rows})
    for row, tiles in zip(grid.rows, sweep.tiles, strict=True):
        face = found.setdefault(row.name, {"name": row.name, "shown": row.shown, "strips": []})
        face["strips"].append((row.curve, _strip(tiles)))
    faces = list(found.values())
    if methods <= MANY:
        return faces
    kinds: dict[str, list[dict[str, Any]]] = {}
    for face in faces:
        kinds.setdefault(face["shown"], []).append(face)
    return [face for members in kinds.values() for face in members[:1]]


def _strip(tiles: NDArray[np.uint8]) -> str:
    """Returns a row of faces as one picture, a data URI."""
    side = min(tiles.shape[-1], MOST_PIXELS)
    sheet = Image.new("RGBA", (len(tiles) * (side + GAP) - GAP, side))  # nothing between the faces
    for number, tile in enumerate(tiles):
        face = Image.fromarray(np.ascontiguousarray(tile.transpose(1, 2, 0)))
        if face.width > side:
            face = face.resize((side, side), Image.Resampling.LANCZOS)
        sheet.paste(face, (number * (side + GAP), 0))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
