# SPDX-License-Identifier: MIT
from __future__ import annotations

import json
import subprocess
import sys

import pytest

from faceeval.benchmark import ROLES, Benchmark, benchmark_files
from faceeval.errors import InputError, UnknownNameError
from faceeval.judges import JUDGES
from faceeval.protocols import PROTOCOLS
from faceeval.protocols.columns import EDITING_COLUMNS, distance_name, explain
from faceeval.protocols.printed import FAI_TABLE_1, printed


@pytest.mark.parametrize("name", sorted(benchmark_files()))
def test_every_benchmark_names_things_that_exist(name):
    benchmark = Benchmark.load(name)
    assert benchmark.name == name
    assert benchmark.protocol in PROTOCOLS
    assert set(benchmark.judges.values()) <= set(JUDGES)
    assert set(benchmark.judges) | set(benchmark.absent) == set(ROLES)


def test_both_worlds_have_one_and_the_paper_s_numbers_of_images():
    assert {"procfaces", "celeba"} <= set(benchmark_files())
    assert {Benchmark.load(name).n_per_class for name in ("procfaces", "celeba")} == {1000}
    assert Benchmark.load("celeba").extra_split == "validation"


def test_half_of_the_dimensions_are_kept_as_in_the_paper():
    benchmark = Benchmark.load("procfaces")
    assert [benchmark.pca_components(d) for d in (2048, 128, 1)] == [1024, 64, 1]


def test_an_unknown_name_lists_near_ones():
    with pytest.raises(UnknownNameError, match="did you mean 'procfaces'"):
        Benchmark.load("procface")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": "big"}, "size"),
        ({"n_per_class": 0}, "n_per_class"),
        ({"colour": 1}, "colour"),
        ({"judges": {"identity": "procfaces"}}, "exactly one"),
        ({"absent": {"realism": "none"}}, "exactly one"),
        ({"judges": {"taste": "procfaces"}}, "taste"),
        ({"version": None}, "version"),
    ],
)
def test_a_wrong_file_names_the_field(tmp_path, change, message):
    content = json.loads(benchmark_files()["procfaces"].read_text())
    path = tmp_path / "benchmark.json"
    path.write_text(json.dumps(content | change))
    with pytest.raises(InputError, match=message):
        Benchmark.read(path)


def test_what_is_no_json_is_refused(tmp_path):
    path = tmp_path / "benchmark.json"
    path.write_text("{")
    with pytest.raises(InputError, match="the file"):
        Benchmark.read(path)


def test_a_frechet_distance_is_called_fid_on_inception_only():
    assert distance_name("inception") == "FID"
    assert distance_name("procfaces") == "FD-procfaces"
    columns = explain("FD-procfaces", 64)
    assert columns["frechet_distance_source_pca"].label == "same, PCA 64"
    assert not any("FID" in column.label for column in columns.values())
    assert list(columns) == list(EDITING_COLUMNS)


def test_the_printed_table_is_the_papers():
    assert (printed("fai", "Young").fid, printed("fai", "Young").dfn) == (28.7, 0.89)
    assert (printed("cyclegan", "Eyeglasses").fid, printed("cyclegan", "Eyeglasses").dfn) == (31.6, 0.83)
    assert printed("diat", "Young") is None
    # the paper's claim: FAI is better in every cell
    for attribute, cell in FAI_TABLE_1["fai"].items():
        other = FAI_TABLE_1["cyclegan"][attribute]
        assert cell.fid < other.fid
        assert cell.dfn > other.dfn


def test_reading_a_benchmark_or_a_result_loads_no_torch():
    code = "import sys, faceeval.benchmark, faceeval.results; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
