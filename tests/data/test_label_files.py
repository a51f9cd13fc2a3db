# SPDX-License-Identifier: MIT
"""Label files in every dialect, and what is wrong with those that cannot be read."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceeval.data.labels import label_files
from faceeval.data.labels.label_files import read_label_file, rows_of
from faceeval.errors import InputError, MissingFileError

ROWS = "000001.jpg -1  1\n000002.jpg  1 -1\n"
DIALECTS = {
    "official": f"2\nMale Young \n{ROWS}",
    "without a count": f"Male Young\n{ROWS}",
    "image column named": f"2\nimage_id Male Young\n{ROWS}",
    "commas": "image_id,Male,Young\n000001.jpg,-1,1\n000002.jpg,1,-1\n",
    "tabs and blank lines": "\n2\nMale\tYoung\n\n000001.jpg\t-1\t1\n   \n000002.jpg\t1\t-1\n\n",
    "no last newline": f"2\nMale Young\n{ROWS}".rstrip("\n"),
    "byte-order mark": f"\ufeff2\nMale Young\n{ROWS}",
}


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "labels.txt"
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_says_the_same(tmp_path: Path, dialect: str, newline: str) -> None:
    table = read_label_file(write(tmp_path, DIALECTS[dialect].replace("\n", newline)))
    assert table.names.tolist() == [b"000001.jpg", b"000002.jpg"]
    assert table.columns == ("Male", "Young")
    np.testing.assert_array_equal(table.values, [[-1, 1], [1, -1]])


def test_a_file_without_header_has_no_column_names(tmp_path: Path) -> None:
    table = read_label_file(write(tmp_path, "000001.jpg 2880\n000002.jpg 7\n"), columns=1)
    assert table.columns == ()
    np.testing.assert_array_equal(table.values, [[2880], [7]])


def test_one_attribute_is_enough(tmp_path: Path) -> None:
    assert read_label_file(write(tmp_path, "1\nYoung \na.png -1\n")).columns == ("Young",)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.text("abcxyz_0189.-é", min_size=1, max_size=12),
            st.lists(st.integers(-999_999_999, 999_999_999), min_size=3, max_size=3),
        ),
        min_size=1,
        max_size=30,
        unique_by=lambda row: row[0],
    ),
    gap=st.sampled_from([" ", "   ", ",", "\t"]),
    newline=st.sampled_from(["\n", "\r\n"]),
    chunk=st.integers(1, 200),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, list[int]]], gap: str, newline: str, chunk: int
) -> None:
    path = tmp_path_factory.mktemp("labels") / "labels.txt"
    lines = [gap.join(["name", "a", "b", "c"])] + [gap.join([name, *map(str, values)]) for name, values in rows]
    path.write_bytes(newline.join(lines).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(label_files, "CHUNK", chunk)  # pieces may end anywhere
        table = read_label_file(path)
    assert [name.decode() for name in table.names.tolist()] == [name for name, _ in rows]
    np.testing.assert_array_equal(table.values, [values for _, values in rows])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "at least one row"),
        ("3\nMale Young\n", "at least one row"),
        (f"3\nMale Young\n{ROWS}", "3 rows, as its first line says.*\n.*2; it may be cut short"),
        ("2\nMale Young\n000001.jpg -1 1\n000002.jpg 1\n", "1 values in line 4"),
        ("2\nMale Young\n000001.jpg -1 1\n000002.jpg 1 -\n", "integers.*\n.*'-' in the row of 000002.jpg"),
        ("2\nMale Young\n000001.jpg -1 1\n000002.jpg 1 yes\n", "'yes'"),
        ("2\nMale Young\n000001.jpg -1 1.0\n000002.jpg 1 1\n", "'1.0'"),
        ("2\nMale Young\n000001.jpg -1 1\n000002.jpg 1 1234567890\n", "1234567890"),
        ("2\nMale Young\n000001.jpg -1 1\n000001.jpg 1 1\n", "each name once.*\n.*000001.jpg"),
        ("2\nMale\n000001.jpg -1 1 1\n000002.jpg 1 1 1\n", "3 column names, as line 3"),
        ("2\nMale Male\n000001.jpg -1 1\n000002.jpg 1 1\n", "Male twice"),
        ("<!DOCTYPE html>\n<html>", "a web page"),
        ("PK\x03\x04\0\0", "binary data"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=words) as caught:
        read_label_file(path)
    assert str(path) in str(caught.value)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a name and 1 values per line"):
        read_label_file(write(tmp_path, ROWS), columns=1)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"absent\.txt"):
        read_label_file(tmp_path / "absent.txt")


def test_names_may_be_quoted(tmp_path: Path) -> None:
    table = read_label_file(write(tmp_path, 'NAME_ID,X,Y\n"n000001/0001_01",60,-7\n"n000001/0002_01",134,81\n'))
    assert table.names.tolist() == [b"n000001/0001_01", b"n000001/0002_01"]
    np.testing.assert_array_equal(table.values, [[60, -7], [134, 81]])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.decimals(-99_999, 99_999, places=5), min_size=3, max_size=12).filter(
        lambda values: len(values) % 3 == 0
    )
)
def test_decimals_are_those_that_python_reads(tmp_path_factory: pytest.TempPathFactory, values: list[Decimal]) -> None:
    words = [format(value, "f") for value in values]
    rows = [",".join([f"a{row}", *words[row : row + 3]]) for row in range(0, len(words), 3)]
    table = read_label_file(write(tmp_path_factory.mktemp("labels"), "\n".join(rows)), 3, decimals=True)
    assert table.values.dtype == np.float32
    np.testing.assert_array_equal(table.values.ravel(), np.array([float(word) for word in words], np.float32))


@pytest.mark.parametrize("word", ["1.2.3", ".", "-", "nan", "1e5", "1" * 19])
def test_what_is_no_decimal_number_is_named(tmp_path: Path, word: str) -> None:
    path = write(tmp_path, f"name x y\na 1.5 .25\nb 3. {word}\n")
    with pytest.raises(InputError, match=f"decimal numbers.*\n.*{re.escape(repr(word))} in the row of b"):
        read_label_file(path, 2, decimals=True)


def test_rows_follow_the_names_of_another_file(tmp_path: Path) -> None:
    table = read_label_file(write(tmp_path, "a 1\nb 2\ncc 3\n"))
    np.testing.assert_array_equal(rows_of(table, np.array([b"cc", b"a"]), tmp_path / "list.txt"), [[3], [1]])
    with pytest.raises(InputError, match=r"not there: 1 \(d\)") as caught:
        rows_of(table, np.array([b"cc", b"d"]), tmp_path / "list.txt")
    assert "list.txt" in str(caught.value)
