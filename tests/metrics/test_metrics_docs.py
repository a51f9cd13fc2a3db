# SPDX-License-Identifier: MIT
"""The pages about metrics leave nothing out and say what the code says; their examples run with ``docs/measures``."""

import doctest
import inspect
import re
import runpy
from pathlib import Path

import pytest

import faceeval.metrics
from faceeval.cli.metric import app
from faceeval.metrics import METRICS
from faceeval.protocols.columns import EDITING_COLUMNS

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {page.name: page.read_text(encoding="utf-8") for page in sorted((DOCS / "measures").glob("*.md"))}
QUESTIONS = sorted(PAGES.keys() - {"index.md", "command.md"})
NAMES = [name for name in faceeval.metrics.__all__ if not inspect.isclass(getattr(faceeval.metrics, name))]
PREAMBLE = """
from __future__ import annotations
import numpy as np
from numpy.typing import ArrayLike, NDArray
from faceeval.errors import InputError
from faceeval.metrics.arrays import matrix, same_shape
"""


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / page).read_text(), re.DOTALL | re.MULTILINE)


def test_example_metric_works():
    code = next(block for block in blocks("add-a-metric.md", "python") if block.startswith("def "))
    names: dict[str, object] = {}
    exec(PREAMBLE + code, names)
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder().find(names["landmark_error"], "landmark_error", globs=names):
        assert runner.run(test).failed == 0
        assert test.examples


@pytest.mark.parametrize("key", EDITING_COLUMNS)
def test_every_column_is_explained(key):
    table = (DOCS / "metrics.md").read_text().split("\n## ")[0]
    short = re.sub(r"^(flip_accuracy|dfn)(?=_)", "", key)
    assert f"`{key}`" in table or f"`{short}`" in table


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_has_one_section(name):
    found = [page for page in QUESTIONS if re.search(rf"^#.*`{name}`", PAGES[page], re.MULTILINE)]
    assert len(found) == 1


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_explained(name):
    assert any(re.search(rf"`{name}`|\b{name}\(", PAGES[page]) for page in PAGES)


@pytest.mark.parametrize("page", QUESTIONS)
def test_every_page_says_what_to_know_and_has_an_example(page):
    for term in ("Rewards", "Fooled by", "Doing nothing gets", "Images needed", "Source"):
        assert f"\n{term}\n: " in PAGES[page], term
    assert "\n$$\n" in PAGES[page]
    assert all(block.endswith("\n\n") for block in blocks(f"measures/{page}", "pycon"))
    assert doctest.DocTestParser().get_examples(PAGES[page])


def test_the_table_of_all_measures_is_the_codes():
    conf = runpy.run_path(str(DOCS / "conf.py"))
    rows = conf["myst_substitutions"]["measures_table"].splitlines()[2:]
    assert "{{ measures_table }}" in PAGES["index.md"]
    assert len(rows) == len(METRICS)
    for row, (name, spec) in zip(rows, METRICS.items(), strict=True):
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[0].startswith(f"[`{name}`](")
        assert cells[1:] == [
            spec.question, ", ".join(spec.needs), spec.direction, spec.unit, str(spec.version), spec.source
        ]  # fmt: skip


def test_every_page_is_in_the_contents():
    contents = (DOCS / "index.md").read_text()
    assert all(f"measures/{Path(page).stem}\n" in contents for page in PAGES)


@pytest.mark.parametrize("command", [command.callback for command in app.registered_commands])
def test_every_command_is_shown_with_the_example_of_its_help(command):
    example = re.search(r"Example: (.*)", inspect.getdoc(command)).group(1)
    assert example.startswith("faceeval metric ")
    assert f"`{example}`" in PAGES["command.md"]
