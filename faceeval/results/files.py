# SPDX-License-Identifier: MIT
"""Results on disk: written whole or not at all, and checked when they are read."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ValidationError

from faceeval.errors import InputError, MissingFileError, OutputError
from faceeval.results.records import SCHEMA, FileRecord, ImageRow, Result, Summary

Record = TypeVar("Record", bound=BaseModel)
Line = TypeVar("Line", bound=BaseModel)

LEAST_FREE = 16 * 2**20  # bytes; the three files of 2,000 images take about 3 MB


def result_path(folder: Path, data: str, size: int, attribute: str, method: str) -> Path:
    """Returns where a run belongs: ``<folder>/<data>-<size>/<attribute>/<method>.json``.

    Example:
        >>> result_path(Path("results"), "procfaces", 64, "Young", "mine.editor:Editor").as_posix()
        'results/procfaces-64/Young/mine.editor.Editor.json'
    """
    return data_folder(folder, data, size) / attribute / f"{plain_name(method) or 'method'}.json"


def data_folder(folder: Path, data: str, size: int) -> Path:
    """Returns the folder of everything measured on one dataset at one size: ``<folder>/<data>-<size>``."""
    return folder / f"{plain_name(data)}-{size}"


def plain_name(name: str) -> str:
    """Returns a name as files may be called on any system, maybe empty: what is no letter, digit or -_ is a point."""
    return re.sub(r"[^A-Za-z0-9_.-]+", ".", name).strip(".")


def prepare_output(folder: Path) -> Path:
    """Makes sure that results can be written, before any work is done.

    Args:
        folder: Root of the results; made where it is missing.

    Returns:
        The folder.

    Raises:
        OutputError: It is a file, cannot be made or written, or its disk is full.
    """
    todo = "name another folder with --out, or make room"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".faceeval-"):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        raise OutputError(f"a folder that can be written: {folder}", _reason(error), todo) from error
    if free < LEAST_FREE:
        raise OutputError(f"{LEAST_FREE >> 20} MB of room in {folder}", f"{free >> 20} MB", todo)
    return folder


def write(result: Result, folder: Path) -> Path:
    """Writes a run's three files; all of them, or none.

    Args:
        result: The run.
        folder: Root of the results.

    Returns:
        The JSON file, ``<folder>/<data>-<size>/<attribute>/<method>.json``. What stood there before is replaced.

    Raises:
        OutputError: The files cannot be written; nothing is left behind, and what stood there still stands.
    """
    summary = result.summary
    target = result_path(folder, summary.data.name, summary.data.size, summary.attribute, result.method)
    return write_together(target, summary, result.images, result.tiles)


def write_together(target: Path, summary: BaseModel, images: Sequence[BaseModel], tiles: NDArray[np.uint8]) -> Path:
    """Writes a summary, a line for each image, and the grid; all of them, or none.

    Args:
        target: The JSON file; the others stand beside it.
        summary: Gets the names and digests of the others as its ``files``.
        images: One record for each image.
        tiles: The grid, uint8, (rows, columns, 3, size, size).

    Returns:
        ``target``.

    Raises:
        OutputError: The files cannot be written; nothing is left behind, and what stood there still stands.
    """
    lines = "".join(json.dumps(row.model_dump(), allow_nan=False) + "\n" for row in images)
    beside = {"images": (".jsonl", lines.encode()), "grid": (".grid.png", _png(tiles))}
    records = {
        key: FileRecord(file=target.stem + suffix, sha256=hashlib.sha256(content).hexdigest())
        for key, (suffix, content) in beside.items()
    }
    whole = summary.model_copy(update={"files": records}).model_dump()
    text = json.dumps(whole, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    contents = {target.with_name(records[key].file): content for key, (_, content) in beside.items()}
    _replace_together({**contents, target: text.encode()})
    return target


def _replace_together(contents: Mapping[Path, bytes]) -> None:
    """Writes each file under a temporary name, then moves all into place in the order given."""
    waiting: dict[Path, Path] = {}
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            waiting[path] = path.with_name(f".{path.name}-{os.getpid()}.part")
            waiting[path].write_bytes(content)
        for path, part in waiting.items():
            os.replace(part, path)
    except OSError as error:
        place = next(iter(contents)).parent
        raise OutputError(f"room to write the result in {place}", _reason(error), "make room, or use --out") from error
    finally:
        for part in waiting.values():
            with contextlib.suppress(OSError):
                part.unlink()


def _png(tiles: NDArray[np.uint8]) -> bytes:
    rows, columns, _, height, width = tiles.shape
    sheet = tiles.transpose(0, 3, 1, 4, 2).reshape(rows * height, columns * width, 3)
    if sheet.size == 0:
        sheet = np.zeros((1, 1, 3), np.uint8)  # PNG knows no empty picture
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, "PNG")
    return buffer.getvalue()


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def read(path: Path) -> Result:
    """Reads a run and checks that it is whole.

    Args:
        path: The JSON file.

    Returns:
        The run.

    Raises:
        MissingFileError: The file is not there.
        InputError: It is no result, of a later schema, or the files beside it are missing or of another run.
    """
    summary = parse(path, Summary, "rows")
    grid = summary.grid
    images, tiles = read_beside(path, summary.files, ImageRow, (len(grid.rows), len(grid.columns), grid.tile))
    return Result(summary, images, tiles, path)


def read_beside(
    path: Path, files: Mapping[str, FileRecord], line: type[Line], shape: tuple[int, int, int]
) -> tuple[tuple[Line, ...], NDArray[np.uint8]]:
    """Reads the lines and the grid that belong to a summary.

    Args:
        path: The JSON file.
        files: What it says of the files beside it.
        line: What the lines are.
        shape: Rows, columns and side of the grid's tiles.

    Returns:
        The lines, and the tiles, uint8, (rows, columns, 3, size, size).

    Raises:
        InputError: A file is missing, cut short, of another run, or no such thing.
    """
    lines, picture = (_beside(path, files, key) for key in ("images", "grid"))
    try:
        return tuple(line.model_validate_json(text) for text in lines.splitlines()), _tiles(picture, *shape)
    except (ValidationError, ValueError, OSError) as error:
        raise InputError(f"the images of {path.name}", str(error).splitlines()[0], "score the method again") from error


def parse(path: Path, kind: type[Record], mark: str) -> Record:
    """Reads the summary of a run.

    Args:
        path: The JSON file.
        kind: What it should be.
        mark: The key that tells it from other JSON.

    Raises:
        MissingFileError: The file is not there.
        InputError: It is something else, of a later schema, or not whole.
    """
    if not path.is_file():
        raise MissingFileError(
            "a result file (.json)", f"no file {path}", "run `faceeval score`, which prints the path"
        )
    todo = "give a .json that `faceeval score` wrote; if it was cut short, score again"
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, OSError) as error:
        raise InputError(f"a result in {path}", f"no readable JSON ({error})", todo) from error
    if not isinstance(content, dict) or "schema_version" not in content or mark not in content:
        raise InputError(f"a result in {path}", "JSON of another kind", todo)
    if content["schema_version"] != SCHEMA:
        got = f"schema {content['schema_version']!r}"
        raise InputError(f"schema {SCHEMA} in {path}", got, "read it with the version of faceeval that wrote it")
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        got = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise InputError(f"a whole result in {path}", got, todo) from error


def _beside(path: Path, files: Mapping[str, FileRecord], key: str) -> bytes:
    record = files.get(key)
    # a plain name only: a result from elsewhere must not make us read other files
    file = path.parent / record.file if record and record.file == Path(record.file).name else None
    if record is None or file is None or not file.is_file():
        name = record.file if record else f"a record of its {key}"
        todo = "keep the .json, .jsonl and .grid.png of a run together, or score again"
        raise InputError(f"{name} beside {path.name}", "nothing: the run is incomplete", todo)
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != record.sha256:
        got = "another content than the run wrote: cut short, or of another run"
        raise InputError(f"{record.file} as {path.name} knows it", got, "score the method again")
    return content


def _tiles(picture: bytes, rows: int, columns: int, side: int) -> NDArray[np.uint8]:
    if rows == 0:
        return np.zeros((0, columns, 3, side, side), np.uint8)
    sheet = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    return np.ascontiguousarray(sheet.reshape(rows, side, columns, side, 3).transpose(0, 2, 4, 1, 3))
