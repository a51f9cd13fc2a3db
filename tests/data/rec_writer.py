# SPDX-License-Identifier: MIT
"""Writes ``.rec`` files as MXNet does, and as insightface arranges them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

MAGIC = struct.pack("<I", 0xCED7230A)


def payload(key: int, labels: Sequence[float], image: bytes = b"") -> bytes:
    """The bytes of one record: header, labels, image."""
    if len(labels) == 1:
        return struct.pack("<IfQQ", 0, labels[0], key, 0) + image
    return struct.pack("<IfQQ", len(labels), 0.0, key, 0) + struct.pack(f"<{len(labels)}f", *labels) + image


def frame(data: bytes) -> bytes:
    """A record: cut up wherever the magic number stands at a multiple of four, as the format asks for."""
    parts, start = [], 0
    for place in range(0, len(data) - 3, 4):
        if data[place : place + 4] == MAGIC:
            parts.append(data[start:place])
            start = place + 4
    parts.append(data[start:])
    kinds = [0] if len(parts) == 1 else [1, *[2] * (len(parts) - 2), 3]
    out = b""
    for kind, part in zip(kinds, parts, strict=True):
        out += MAGIC + struct.pack("<I", kind << 29 | len(part)) + part + b"\0" * (-len(part) % 4)
    return out


def write_records(path: Path, payloads: dict[int, bytes], newline: str = "\n") -> None:
    """Writes a file of records and its index."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data, lines = b"", ""
    for key, one in payloads.items():
        lines += f"{key}\t{len(data)}{newline}"
        data += frame(one)
    path.write_bytes(data)
    path.with_suffix(".idx").write_bytes(lines.encode())


def write_insightface(folder: Path, people: Sequence[Sequence[bytes]], *, several: bool = False) -> Path:
    """Writes train.rec, train.idx, train.lst and property for the images of each person."""
    count = sum(map(len, people))
    payloads = {0: payload(0, [count + 1, count + 1 + len(people)])}
    key, ends, lines = 1, [], []
    for number, images in enumerate(people):
        ends.append((key, key + len(images)))
        for image in images:
            payloads[key] = payload(key, [number, 0.5] if several else [number], image)
            lines.append(f"1\t/data/{number:07d}/{key}.jpg\t{number}\n")
            key += 1
    for row, pair in enumerate(ends):
        payloads[count + 1 + row] = payload(count + 1 + row, pair)
    path = folder / "train.rec"
    write_records(path, payloads)
    path.with_suffix(".lst").write_text("".join(lines))
    path.with_name("property").write_text(f"{len(people)},32,32\n")
    return path
