# SPDX-License-Identifier: MIT
"""Files of records: whole, cut up, damaged, and who is on their images."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rec_writer import MAGIC, frame, payload, write_insightface, write_records

from faceeval.data.containers.record_people import record_findings, record_images
from faceeval.data.containers.recordio import (
    Property,
    image_of,
    open_record_file,
    parse_record,
    read_property,
    read_record_list,
)
from faceeval.data.records import Records
from faceeval.errors import InputError, MissingFileError

PEOPLE = ([b"one", b"two22"], [b"three"], [b"four", b"five", b"six"])


def images_of(records: Records) -> list[bytes]:
    assert records.packed is not None
    return [records.packed.blob(row, name).load() for row, name in enumerate(records.files)]


@settings(max_examples=30, deadline=None)
@given(
    st.binary(max_size=40), st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=3), st.integers(0, 3)
)
def test_a_record_gives_back_what_went_in(image: bytes, labels: list[float], magics: int) -> None:
    image += MAGIC * magics + image  # wherever the magic number falls, a record is cut up and put together
    found = parse_record(frame(payload(7, labels, image)), "a record")
    assert found == (tuple(labels), image)


def test_the_index_is_a_convenience(tmp_path: Path) -> None:
    path = write_insightface(tmp_path, PEOPLE)
    with_index = open_record_file(path)
    path.with_suffix(".idx").unlink()
    walked = open_record_file(path)
    for column in ("keys", "offsets", "lengths"):
        np.testing.assert_array_equal(getattr(walked, column), getattr(with_index, column))


def test_an_index_may_have_windows_line_ends_and_any_order(tmp_path: Path) -> None:
    path = tmp_path / "a.rec"
    write_records(path, {key: payload(key, [key], b"x" * key) for key in (3, 1, 2)}, newline="\r\n")
    file = open_record_file(path)
    assert file.keys.tolist() == [1, 2, 3]
    assert [file.read(row) for row in range(3)] == [((1.0,), b"x"), ((2.0,), b"xx"), ((3.0,), b"xxx")]


@pytest.mark.parametrize("several", [False, True])
def test_people_come_from_the_ranges_at_the_end(tmp_path: Path, several: bool) -> None:
    records = record_images(write_insightface(tmp_path, PEOPLE, several=several))
    assert records.identities is not None
    assert records.identities.tolist() == [0, 0, 1, 2, 2, 2]
    assert records.names == tuple(f"{key:08d}" for key in range(1, 7))
    assert records.image_size == (32, 32)
    assert images_of(records) == [image for images in PEOPLE for image in images]
    assert list(record_findings(records)) == []


@pytest.mark.parametrize("labels", [[5.0], [5.0, 0.1, 0.2]])
def test_files_without_ranges_have_the_person_in_each_header(tmp_path: Path, labels: list[float]) -> None:
    path = tmp_path / "train.rec"
    write_records(path, {key: payload(key, [labels[0] + key, *labels[1:]], b"img%d" % key) for key in range(70)})
    records = record_images(path)
    assert records.identities is not None
    assert records.identities.tolist() == list(range(5, 75))
    assert images_of(records)[9] == b"img9"
    assert records.image_size is None


def test_lists_have_two_orders_of_columns(tmp_path: Path) -> None:
    path = tmp_path / "train.lst"
    path.write_text("1\t/d/0000045/001.jpg\t0\n1\t/d/0000099/001.jpg\t1\n")
    assert read_record_list(path).tolist() == [0, 1]
    path.write_bytes(b"\xef\xbb\xbf0\t0.000000\t0000045/001.jpg\r\n1\t1.000000\t0000099/001.jpg\r\n")
    assert read_record_list(path).tolist() == [0, 1]
    for line in ("1\t/d/a.jpg\n", "1\ta.jpg\tb.jpg\n", "1\t0.5\tb.jpg\n"):
        path.write_text("1\t/d/a.jpg\t0\n" + line)
        with pytest.raises(InputError, match="line 2"):
            read_record_list(path)


def test_property_holds_three_numbers(tmp_path: Path) -> None:
    path = tmp_path / "property"
    path.write_bytes(b"10572,112,96\r\n")
    assert read_property(path) == Property(10572, 112, 96)
    for text in ("10572,112", "10572,112,x", "", "1,2,3\n4,5,6", "0,112,112"):
        path.write_text(text)
        with pytest.raises(InputError, match="people,height,width"):
            read_property(path)


def test_what_lies_beside_is_compared(tmp_path: Path) -> None:
    records = record_images(write_insightface(tmp_path, PEOPLE))
    (tmp_path / "property").write_text("4,32,32")
    text = (tmp_path / "train.lst").read_text()
    (tmp_path / "train.lst").write_text(text.replace("3.jpg\t1", "3.jpg\t2"))
    said = [str(finding) for finding in record_findings(records)]
    assert said == [
        "note: property: 4 people, not the 3 of train.rec",
        "error: train.lst: person 2 for image 00000003, which train.rec gives 1",
    ]
    (tmp_path / "train.lst").write_text(text[: text.index("\n") + 1])
    assert "1 images, not the 6" in str(list(record_findings(records))[1])


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="No such file"):
        open_record_file(tmp_path / "train.rec")
    for data in (b"", b"<html>", b"PK\3\4"):
        (tmp_path / "train.rec").write_bytes(data)
        with pytest.raises(InputError, match="another kind of file"):
            open_record_file(tmp_path / "train.rec")


@pytest.mark.parametrize("index", [True, False])
def test_a_file_that_is_cut_short_is_refused_when_it_is_opened(tmp_path: Path, index: bool) -> None:
    path = write_insightface(tmp_path, PEOPLE)
    path.write_bytes(path.read_bytes()[:-4])
    if not index:
        path.with_suffix(".idx").unlink()
    with pytest.raises(InputError, match="cut short"):
        open_record_file(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("3\t", "3\t4", 1), "offsets of records"),
        (lambda text: text.replace("\n2\t", "\n1\t"), "1 again"),
        (lambda text: text.replace("\t", "\tx", 1), "lines of key and offset"),
        (lambda text: text[: text.rindex("\t")], "lines of key and offset"),
        (lambda text: "", "lines of key and offset"),
        (lambda text: text.partition("\n")[2], "offsets of records"),
        (lambda text: text[: text.rindex("\n", 0, -1) + 1], "next record"),
    ],
)
def test_an_index_that_does_not_fit_is_refused(tmp_path: Path, change: object, message: str) -> None:
    path = write_insightface(tmp_path, PEOPLE)
    index = path.with_suffix(".idx")
    index.write_text(change(index.read_text()))  # type: ignore[operator]
    with pytest.raises(InputError, match=message):
        open_record_file(path)


def test_an_offset_into_a_record_is_noticed_when_it_is_read(tmp_path: Path) -> None:
    path = write_insightface(tmp_path, PEOPLE)
    index = path.with_suffix(".idx")
    place = open_record_file(path).offsets[2]
    index.write_text(index.read_text().replace(f"2\t{place}\n", f"2\t{place + 4}\n"))
    with pytest.raises(InputError, match=r"record 2 of|starts 4 bytes before"):
        images_of(record_images(path))


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ({0: ([3, 5], b""), 1: ([0], b"a"), 2: ([1], b"b"), 3: ([1, 2], b""), 4: ([1, 3], b"")}, "no other person"),
        ({0: ([3, 4], b""), 1: ([0], b"a"), 2: ([1], b"b"), 3: ([1, 2], b"")}, "none for key 2"),
        ({0: ([2, 9], b""), 1: ([0], b"a"), 2: ([1, 2], b"")}, "persons from 2 to 8"),
        ({0: ([2, 3], b""), 1: ([0.5], b"a"), 2: ([1, 2], b"")}, "whole numbers"),
        ({0: ([2, 3], b""), 1: ([0], b"a"), 2: ([float("nan"), 2], b"")}, "whole numbers"),
        ({0: ([1.5], b"a")}, "whole numbers"),
        ({0: ([-1.0], b"a")}, "whole numbers"),
        ({0: ([float(1 << 24)], b"a")}, "whole numbers"),
    ],
)
def test_people_that_contradict_each_other_are_refused(
    tmp_path: Path, records: dict[int, tuple[list[float], bytes]], message: str
) -> None:
    path = tmp_path / "train.rec"
    write_records(path, {key: payload(key, labels, image) for key, (labels, image) in records.items()})
    with pytest.raises(InputError, match=message):
        record_images(path)


def test_records_without_image_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="without one"):
        image_of(frame(payload(1, [0])), "record 1")
    with pytest.raises(InputError, match="a header"):
        parse_record(frame(b"short"), "record 1")
    with pytest.raises(InputError, match="100 labels"):
        parse_record(frame(struct.pack("<IfQQ", 100, 0, 1, 0)), "record 1")
