# SPDX-License-Identifier: MIT
"""Sheets of ranks as studies leave them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from faceeval.data.labels.rank_sheet import read_ranks
from faceeval.errors import InputError, MissingFileError


def sheet(folder: Path, *lines: str) -> Path:
    path = folder / "ranks.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_each_row_is_a_rater_where_no_column_says_so(tmp_path: Path) -> None:
    found = read_ranks(sheet(tmp_path, "ours, theirs ,input", "1,2,3", "", "2,1,3"))
    assert found.methods == ("ours", "theirs", "input")
    np.testing.assert_array_equal(found.ranks, [[[1, 2, 3]], [[2, 1, 3]]])


def test_raters_and_items_may_come_in_any_order_and_lack_lists(tmp_path: Path) -> None:
    lines = ["Item,Rater,a,b", "x,ann,1,2", "y,bob,2,1", "y,ann,1.5,1.5", "z,bob,,1"]
    found = read_ranks(sheet(tmp_path, *lines))
    assert found.raters == ("ann", "bob")
    np.testing.assert_array_equal(found.ranks, [[[1, 2], [1.5, 1.5], [0, 0]], [[0, 0], [2, 1], [0, 1]]])  # x, y, z


def test_lists_without_items_are_numbered_as_they_come(tmp_path: Path) -> None:
    found = read_ranks(sheet(tmp_path, "rater,a,b", "ann,1,2", "bob,2,1", "ann,2,1"))
    np.testing.assert_array_equal(found.ranks, [[[1, 2], [2, 1]], [[2, 1], [0, 0]]])


def test_spreadsheets_with_a_mark_at_their_start(tmp_path: Path) -> None:
    path = tmp_path / "ranks.csv"
    path.write_bytes(b"\xef\xbb\xbfa,b\r\n1,2\r\n")
    assert read_ranks(path).methods == ("a", "b")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([""], "none and 0 rows"),
        (["a,b"], "0 rows"),
        (["rater,item", "ann,x"], "one column for each method"),
        (["a,a", "1,2"], "header a, a"),
        (["a,b", "1,2,3"], r"3 in .*ranks\.csv, line 2"),
        (["a,b", "1,first"], "line 2, column b: 'first'"),
        (["rater,item,a,b", "ann,x,1,2", "ann,x,2,1"], "two of ann for x: .*line 3"),
    ],
)
def test_what_is_no_sheet_is_explained(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_ranks(sheet(tmp_path, *lines))


def test_missing_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="absent"):
        read_ranks(tmp_path / "absent.csv")
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="as text"):
        read_ranks(tmp_path / "a.csv")
