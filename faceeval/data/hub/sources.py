# SPDX-License-Identifier: MIT
"""Finding the splits of a Hugging Face dataset: saved to disk, a folder of Parquet or Arrow files, or in the cache.

What ``--data hf:`` takes is ``[memory:|stream:]NAME_OR_PATH[#CONFIG]``. Usually the dataset is memory-mapped; Parquet
files are converted to Arrow in the cache of ``datasets`` for that. ``memory:`` loads it whole, ``stream:`` reads it
from front to back and converts nothing. Nothing is downloaded: a name of the hub is looked up in the cache of
``datasets``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faceeval.errors import FaceevalError, InputError, MissingFileError, unknown_name

MODES = ("memory", "stream")
SPLITS = ("train", "validation", "test", "all")
# how datasets call their splits
ALIASES: dict[str, str] = {"training": "train", "valid": "validation", "val": "validation", "dev": "validation"}
SPLIT_IN_NAME = re.compile(r"(?<![a-z])(train(?:ing)?|valid(?:ation)?|val|dev|test)(?![a-z])")
HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
SUFFIXES = (".parquet", ".arrow")
SAVED = ("dataset_dict.json", "state.json")  # what `save_to_disk` leaves in its folder


@dataclass(frozen=True)
class HubPlace:
    """Where a dataset is and how it is to be read.

    Attributes:
        where: A folder, a file, or a name of the hub.
        mode: ``"memory"``, ``"stream"``, or nothing for memory-mapped.
        config: The configuration, of datasets in the cache that have several.
    """

    where: str
    mode: str = ""
    config: str = ""

    @property
    def label(self) -> str:
        """What results call it: the name of the hub, or of the folder without those above it."""
        name = Path(self.where).resolve().name if Path(self.where).exists() else self.where
        return f"hf:{name}" + (f"#{self.config}" if self.config else "")


def place_of(root: Path) -> HubPlace:
    """Reads what stands after ``hf:``.

    Example:
        >>> place_of(Path("stream:someone/faces#small"))
        HubPlace(where='someone/faces', mode='stream', config='small')
    """
    text, mode = root.as_posix(), ""
    if text.partition(":")[0] in MODES and not Path(text).exists():
        mode, _, text = text.partition(":")
    where, _, config = (text, "", "") if Path(text).exists() else text.partition("#")
    return HubPlace(where, mode, config)


def require_datasets() -> Any:
    """Imports and returns the package ``datasets``.

    Raises:
        MissingFileError: It is not installed.
    """
    try:
        import datasets
    except ImportError as error:
        raise MissingFileError(
            "the Python package datasets, which reads and writes such data", str(error), "pip install 'faceeval[hub]'"
        ) from error
    return datasets


Opener = Callable[[HubPlace], dict[str, Any]]


def is_stream(data: Any) -> bool:
    """Says whether a split can only be read from front to back."""
    return isinstance(data, require_datasets().IterableDataset)


def find_source(place: HubPlace) -> Opener:
    """Says what kind of source a place is, without reading it: returns what opens its splits.

    Raises:
        MissingFileError: There is nothing, and nothing of that name in the cache.
        InputError: It is something else.
    """
    path = Path(place.where)
    if path.is_dir() and any((path / name).is_file() for name in SAVED):
        return _open_saved
    if _stored(path):
        return _open_files
    if path.exists():
        expected = "a folder written by save_to_disk, or one of Parquet or Arrow files"
        raise InputError(expected, f"{path}, which holds neither", "for a folder of images use --data folder --root")
    named = HUB_NAME.fullmatch(place.where)
    if named and _in_cache(place.where):
        return _open_cached
    raise MissingFileError(
        "a folder of a Hugging Face dataset, or a name that is in the cache of `datasets`",
        f"{place.where}, which is neither; faceeval downloads nothing",
        "check the path" + (f", or get it once yourself: datasets.load_dataset({place.where!r})" if named else ""),
    )


def open_splits(place: HubPlace) -> dict[str, Any]:
    """Opens all splits of a dataset; no image is read.

    Returns:
        Name of the split, as the dataset calls it -> ``datasets.Dataset`` or, for ``stream:``,
        ``datasets.IterableDataset``. A dataset without splits is called ``"all"``.

    Raises:
        MissingFileError: There is no such dataset, or the package ``datasets`` is not installed.
        InputError: It cannot be read.
    """
    opener = find_source(place)
    require_datasets()
    try:
        return opener(place)
    except FaceevalError:
        raise
    except Exception as error:  # pyarrow, json and datasets each have errors of their own
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError("a Hugging Face dataset", f"{place.where}: {first}", "write or get it again") from error


def choose_split(place: HubPlace, splits: Mapping[str, Any], split: str, columns: Mapping[str, str]) -> Any:
    """Returns the split that is meant: of that name, of another usual name for it, or as ``--column test=NAME`` says.

    Raises:
        UnknownNameError: faceeval knows no such split.
        InputError: The dataset has none that is called so.
    """
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS)
    wanted = columns.get(split, split)
    found = [name for name in splits if wanted in (name, ALIASES.get(name, name))]
    if split == "all" and not found and len(splits) == 1:
        found = list(splits)
    if len(found) != 1:
        raise InputError(
            f"one split {wanted} in {place.where}",
            f"the splits {', '.join(splits)}",
            f"say which is meant: --column {split}=NAME",
        )
    return splits[found[0]]


def data_files(path: Path) -> dict[str, list[str]]:
    """Parts the Parquet or Arrow files of a folder by the splits their names tell; all in ``"all"`` where none does.

    Raises:
        InputError: Both kinds lie there, several configurations do, or only some names tell a split.
    """
    files = _stored(path)
    folders = {file.parent.name for file in files}
    if len(folders) > 1 and not all(SPLIT_IN_NAME.search(name.lower()) for name in folders):
        got = f"files in {', '.join(sorted(folders))}"
        raise InputError(f"the files of one dataset in {path}", got, "give one of its folders: each may be another one")
    if len({file.suffix for file in files}) > 1:
        raise InputError("files of one kind", f"Parquet and Arrow files in {path}", "give the folder of one of them")
    found: dict[str, list[str]] = {}
    for file in files:
        inside = file.name if path.is_file() else file.relative_to(path).as_posix()
        told = SPLIT_IN_NAME.search(inside.lower())
        found.setdefault(ALIASES.get(told[1], told[1]) if told else "all", []).append(str(file))
    if len(found) > 1 and "all" in found:
        got = f"{Path(found['all'][0]).name} beside {', '.join(sorted(set(found) - {'all'}))}"
        raise InputError(f"a split in the name of every file of {path}", got, "name or move the file after its split")
    return {name: found[name] for name in sorted(found, key=SPLITS.index)}


def _stored(path: Path) -> list[Path]:
    """Lists the Parquet or Arrow files of a folder and of those directly in it, sorted; a file is listed itself.

    No deeper: this is asked of folders that hold millions of images, too.
    """
    if path.is_file():
        return [path] if path.suffix in SUFFIXES else []
    found = (file for pattern in ("*", "*/*") for suffix in SUFFIXES for file in path.glob(pattern + suffix))
    return sorted(found)


def _open_saved(place: HubPlace) -> dict[str, Any]:
    loaded = require_datasets().load_from_disk(place.where, keep_in_memory=place.mode == "memory" or None)
    splits = dict(loaded) if isinstance(loaded, dict) else {"all": loaded}
    return {name: _streamed(data, place.mode) for name, data in splits.items()}


def _open_files(place: HubPlace) -> dict[str, Any]:
    datasets, files = require_datasets(), data_files(Path(place.where))
    if next(iter(files.values()))[0].endswith(".arrow"):
        return {
            name: _streamed(
                datasets.concatenate_datasets(
                    [datasets.Dataset.from_file(path, in_memory=place.mode == "memory") for path in paths]
                ),
                place.mode,
            )
            for name, paths in files.items()
        }
    if place.mode == "memory":
        return {name: _loaded(paths) for name, paths in files.items()}
    streaming = place.mode == "stream"
    # one by one: `datasets` would take the name "all" for all splits together
    return {
        name: datasets.load_dataset("parquet", data_files={"part": paths}, split="part", streaming=streaming)
        for name, paths in files.items()
    }


def _loaded(paths: list[str]) -> Any:
    import pyarrow as pa
    from datasets.table import InMemoryTable
    from pyarrow import parquet

    return require_datasets().Dataset(InMemoryTable(pa.concat_tables([parquet.read_table(path) for path in paths])))


def _open_cached(place: HubPlace) -> dict[str, Any]:
    # not load_dataset, which would ask the hub first
    from datasets.packaged_modules.cache.cache import Cache

    name = place.where.rpartition("/")[2]
    builder = Cache(
        repo_id=place.where, dataset_name=name, config_name=place.config or None, version="auto", hash="auto"
    )
    if place.mode == "stream":
        return dict(builder.as_streaming_dataset())
    return dict(builder.as_dataset(in_memory=place.mode == "memory"))


def _in_cache(name: str) -> bool:
    from datasets.naming import camelcase_to_snakecase

    *owner, last = name.split("/")  # as `datasets` names the folders of its cache
    folder = Path(require_datasets().config.HF_DATASETS_CACHE).expanduser()
    return (folder / "___".join([*owner, camelcase_to_snakecase(last)])).is_dir()


def _streamed(data: Any, mode: str) -> Any:
    return data.to_iterable_dataset() if mode == "stream" else data
