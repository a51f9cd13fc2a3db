# SPDX-License-Identifier: MIT
"""A copy of a split as Arrow files: pixels cut and scaled once, read by memory map ever after.

A copy belongs to one digest, which stands for names, labels, crop and size, so that it can never be taken for another
set. Labels and names still come from the dataset itself; only its images need not be decoded again. The folder is also
one that ``datasets.load_from_disk`` opens, with the labels as typed columns.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceeval.atomic import write_whole
from faceeval.data.cache import cache_dir, locked, replacing
from faceeval.data.faces import FaceSet
from faceeval.data.hub.mapped_images import MappedImages
from faceeval.data.hub.typed_columns import TypedColumn, typed_columns
from faceeval.data.opening import Progress
from faceeval.errors import OutputError

FORMAT = 1  # of the record; goes up when older copies are to be made again
RECORD = "copy.json"
BATCH_BYTES = 1 << 24  # of images decoded and written at once
SHARD_BYTES = 1 << 29  # of a file; what a killed run loses at most
SAMPLES = 8  # images compared with the source at each load
ADVICE = "free some space, or set FACEEVAL_CACHE to a folder on another disk"


@dataclass(frozen=True)
class Shard:
    """One file of a copy: its name, how many images it holds, its size in bytes and its SHA-256."""

    file: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Place:
    """Where the copy of a split lies, and how it is parted.

    Attributes:
        folder: Its folder.
        count: Number of images.
        size: Their side in pixels.
        batch: Images in a record batch.
        shard: Images in a file, a multiple of ``batch``.
    """

    folder: Path
    count: int
    size: int
    batch: int
    shard: int

    def files(self) -> list[str]:
        """Returns the names of all files that hold images."""
        count = math.ceil(self.count / self.shard)
        return [f"data-{number:05d}-of-{count:05d}.arrow" for number in range(count)]

    def images(self) -> MappedImages:
        """Returns what reads the images."""
        paths = tuple(self.folder / file for file in self.files())
        return MappedImages(paths, self.count, self.size, self.batch, self.shard)


def place_of(faces: FaceSet) -> Place:
    """Returns where the copy of a split is kept, whether or not there is one."""
    image = 3 * faces.size**2
    batch = max(1, BATCH_BYTES // image)
    shard = batch * max(1, SHARD_BYTES // (batch * image))
    plain = re.sub(r"[^A-Za-z0-9_.-]+", ".", faces.name)
    folder = cache_dir() / "arrow" / f"{plain}-{faces.split}-{faces.size}-{faces.digest[:16]}"
    return Place(folder, len(faces), faces.size, batch, shard)


def with_copy(faces: FaceSet) -> FaceSet:
    """Returns the faces, read from their Arrow copy where a whole one is there.

    Some images are compared with the source each time: another decoder, or other images under the same names, make the
    copy useless. It is then left alone, with a warning.
    """
    place = place_of(faces)
    if not (place.folder / RECORD).is_file():
        return faces
    known = _known_shards(place, faces)
    if len(known) < len(place.files()):
        return faces  # being built, or its building was stopped
    images, rows = place.images(), np.unique(np.linspace(0, len(faces) - 1, SAMPLES).astype(np.int64))
    try:
        if any((place.folder / shard.file).stat().st_size != shard.bytes for shard in known.values()):
            raise ValueError("a file of another size than was written")
        if not np.array_equal(images(rows), faces.read(rows)):
            raise ValueError("other pixels than the source gives now")
    except (OSError, ValueError) as error:
        warnings.warn(
            f"the Arrow copy in {place.folder} is of no use ({error}); `faceeval data build` makes it again",
            stacklevel=3,
        )
        return faces
    return replace(faces, read=images, provenance={**faces.provenance, "storage": "Arrow copy"})


def build_copy(faces: FaceSet, progress: Progress | None = None) -> Path:
    """Writes the Arrow copy of a split, or the rest of it where a run was stopped; checks what is there already.

    Args:
        faces: The split, read from its source.
        progress: Called with (done, total) images.

    Returns:
        The folder of the copy.

    Raises:
        MissingFileError: The package `datasets` is not installed.
        OutputError: The disk has too little space, or the cache cannot be written.
        FaceevalError: An image cannot be read.
    """
    from faceeval.data.hub.sources import require_datasets

    require_datasets()
    place = place_of(faces)
    with locked(place.folder / "build.lock"):
        known = _whole_shards(place, faces)
        _check_space(place, sum(shard.rows for shard in known.values()))
        table = _Table.of(faces)
        for number, file in enumerate(place.files()):
            if file not in known:
                known[file] = _write_shard(place, faces, table, number, progress)
                _write_record(place, faces, known)
        _write_dataset_files(place, faces, table)
    return place.folder


def _known_shards(place: Place, faces: FaceSet) -> dict[str, Shard]:
    """Returns the files of which the record says that they are whole; none where it is of another set or damaged."""
    try:
        record = json.loads((place.folder / RECORD).read_text(encoding="utf-8"))
        if record["format"] != FORMAT or record["digest"] != faces.digest or record["batch"] != place.batch:
            return {}
        shards = [Shard(**entry) for entry in record["files"]]
    except (OSError, ValueError, LookupError, TypeError):
        return {}
    return {shard.file: shard for shard in shards if shard.file in place.files()}


def _whole_shards(place: Place, faces: FaceSet) -> dict[str, Shard]:
    """Returns the files that are as they were written, by their digests, if the source still gives their pixels."""
    whole = {}
    for file, shard in _known_shards(place, faces).items():
        path = place.folder / file
        if path.is_file() and path.stat().st_size == shard.bytes and _sha256(path) == shard.sha256:
            rows = np.array([place.files().index(file) * place.shard], np.int64)
            if np.array_equal(place.images()(rows), faces.read(rows)):
                whole[file] = shard
    return whole


def _check_space(place: Place, rows: int) -> None:
    wanted, free = (place.count - rows) * 3 * place.size**2, shutil.disk_usage(place.folder).free
    if wanted > free:
        raise OutputError(f"{wanted / 1e9:.1f} GB of free space in {place.folder}", f"{free / 1e9:.1f} GB", ADVICE)


@dataclass(frozen=True)
class _Table:
    """What the rows of a copy look like: the type of all columns, and what stands in all but the images."""

    schema: Any
    features: Any
    columns: dict[str, TypedColumn]

    @classmethod
    def of(cls, faces: FaceSet) -> _Table:
        from datasets import Array3D, Features

        columns = typed_columns(faces)
        image = Array3D(shape=(3, faces.size, faces.size), dtype="uint8")
        features = Features({"image": image} | {name: column.feature for name, column in columns.items()})
        return cls(features.arrow_schema, features, columns)

    def batch(self, images: NDArray[np.uint8], start: int) -> Any:
        """Returns some rows as a record batch; the images are those from ``start`` on."""
        import pyarrow as pa

        count, planes, height, width = images.shape
        values = pa.array(images.reshape(-1))
        for length in (width, height, planes):
            values = pa.ListArray.from_arrays(pa.array(np.arange(0, len(values) + 1, length, dtype=np.int32)), values)
        arrays = [pa.ExtensionArray.from_storage(self.schema.field("image").type, values)]
        for name, column in self.columns.items():
            arrays.append(pa.array(column.part(start, start + count), type=self.schema.field(name).type))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def _write_shard(place: Place, faces: FaceSet, table: _Table, number: int, progress: Progress | None) -> Shard:
    """Decodes some images, writes them, and reads the file again to see that it holds their pixels."""
    import pyarrow as pa

    start, stop = number * place.shard, min((number + 1) * place.shard, place.count)
    path, written = place.folder / place.files()[number], hashlib.sha256()
    with replacing(path, ADVICE) as temporary:
        with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            for first in range(start, stop, place.batch):
                last = min(first + place.batch, stop)
                images = faces.read(np.arange(first, last, dtype=np.int64))
                written.update(images.data)
                writer.write_batch(table.batch(images, first))
                if progress:
                    progress(last, place.count)
        again = MappedImages((temporary,), stop - start, place.size, place.batch, place.shard)
        if again.sha256() != written.hexdigest():
            raise OutputError(f"the pixels that were written to {path}", "others", "check the disk, and build it again")
        return Shard(path.name, stop - start, temporary.stat().st_size, _sha256(temporary))


def _write_record(place: Place, faces: FaceSet, known: dict[str, Shard]) -> None:
    record = {
        "format": FORMAT,
        "name": faces.name,
        "split": faces.split,
        "size": faces.size,
        "digest": faces.digest,
        "provenance": dict(faces.provenance),
        "batch": place.batch,
        "files": [asdict(known[file]) for file in place.files() if file in known],
    }
    write_whole(place.folder / RECORD, json.dumps(record, indent=1).encode(), ADVICE)


def _write_dataset_files(place: Place, faces: FaceSet, table: _Table) -> None:
    """Writes what ``datasets.load_from_disk`` looks for."""
    state: dict[str, Any] = {
        "_data_files": [{"filename": file} for file in place.files()],
        "_fingerprint": faces.digest[:16],
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": None,
    }
    info = {"features": table.features.to_dict(), "description": "", "citation": "", "homepage": "", "license": ""}
    write_whole(place.folder / "dataset_info.json", json.dumps(info, indent=1).encode(), ADVICE)
    write_whole(place.folder / "state.json", json.dumps(state, indent=1).encode(), ADVICE)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
