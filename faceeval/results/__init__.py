# SPDX-License-Identifier: MIT
"""What a run measured, with everything that made the numbers: the records, and how they are written and read.

One run is three files side by side: ``<method>.json`` (the numbers), ``<method>.jsonl`` (one line for each image) and
``<method>.grid.png`` (the faces shown in reports). The JSON names the digests of the other two and is moved into place
last, so a run that was cut short never looks complete. docs/results.md describes every field.
"""

from faceeval.results.alike import conditions, require_alike
from faceeval.results.files import prepare_output, read, result_path, write
from faceeval.results.records import (
    SCHEMA,
    Column,
    DataRecord,
    FileRecord,
    GridRank,
    GridRecord,
    GridRow,
    ImageRow,
    JudgeRecord,
    Named,
    Result,
    Row,
    RunRecord,
    Summary,
    Value,
)

__all__ = [
    "SCHEMA",
    "Column",
    "DataRecord",
    "FileRecord",
    "GridRank",
    "GridRecord",
    "GridRow",
    "ImageRow",
    "JudgeRecord",
    "Named",
    "Result",
    "Row",
    "RunRecord",
    "Summary",
    "Value",
    "conditions",
    "prepare_output",
    "read",
    "require_alike",
    "result_path",
    "write",
]
