# SPDX-License-Identifier: MIT
"""Sphinx configuration; built with warnings as errors."""

import re
from pathlib import Path

from faceeval import __version__
from faceeval.metrics import METRICS

project = "faceeval"
author = "The faceeval authors"
copyright = "2026, the faceeval authors"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
]
source_suffix = {".md": "markdown"}
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist", "substitution"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "faceeval"
html_static_path = ["_static"]
autodoc_mock_imports = ["torchmetrics"]  # only its base class is needed, and the docs extra does without
autodoc_typehints = "description"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True


def page_of(metric: str) -> str:
    """Returns the page of docs/measures that has a metric in one of its headings."""
    for page in sorted((Path(__file__).parent / "measures").glob("*.md")):
        if re.search(rf"^#.*`{metric}`", page.read_text(encoding="utf-8"), re.MULTILINE):
            return page.name
    raise LookupError(f"no page of docs/measures has `{metric}` in a heading")


def measures_table() -> str:
    """Returns METRICS as a table for docs/measures/index.md, so that it cannot say anything else than the code."""
    head = ("measure", "question", "needs", "better", "unit", "version", "source")
    rows = [head, ("---",) * len(head)]
    for name, spec in METRICS.items():
        link = f"[`{name}`]({page_of(name)})"
        needs = ", ".join(spec.needs)
        rows.append((link, spec.question, needs, spec.direction, spec.unit, str(spec.version), spec.source))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


myst_substitutions = {"measures_table": measures_table()}
