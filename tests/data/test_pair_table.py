# SPDX-License-Identifier: MIT
"""Lists of pairs as CSV."""

from __future__ import annotations

from pathlib import Path

import pytest

from faceeval.data.labels.pair_table import read_pair_table
from faceeval.errors import InputError, MissingFileError


def table(folder: Path, *lines: str) -> Path:
    path = folder / "pairs.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_columns_may_come_in_any_order_and_beside_others(tmp_path: Path) -> None:
    pairs = read_pair_table(table(tmp_path, "Same, First,note,second", "1,a.png,x,b.png", "", "0, a.png ,y,c.png"))
    assert pairs.first == ("a.png", "a.png")
    assert pairs.second == ("b.png", "c.png")
    assert pairs.same.tolist() == [True, False]
    assert pairs.folds.tolist() == [0, 0]


def test_folds_are_kept(tmp_path: Path) -> None:
    pairs = read_pair_table(table(tmp_path, "first,second,same,fold", "a,b,1,3", "a,c,0,1"))
    assert pairs.folds.tolist() == [3, 1]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([""], "got: nothing in"),
        (["first,second", "a,b"], "first, second in"),
        (["first,second,same"], "at least one pair"),
        (["first,second,same", "a,b,1", "a,,0"], "line 3"),
        (["first,second,same", "a,b"], "line 2"),
        (["first,second,same", "a,b,-1"], "0 or 1 for same"),
        (["first,second,same,fold", "a,b,1,one"], "whole number for fold"),
    ],
)
def test_what_is_no_list_is_explained(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_pair_table(table(tmp_path, *lines))


def test_missing_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="absent"):
        read_pair_table(tmp_path / "absent.csv")
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="as text"):
        read_pair_table(tmp_path / "a.csv")
