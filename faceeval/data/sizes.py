# SPDX-License-Identifier: MIT
"""Sizes of stored images, which landmarks need where the cut depends on them."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from faceeval.data.images import image_dimensions
from faceeval.data.opening import Progress
from faceeval.data.records import Records

STEP = 1000  # images between two calls of the progress


def with_sizes(records: Records, progress: Progress | None = None) -> Records:
    """Returns the records with the size of each image, from the headers alone: some ten thousand a second.

    Args:
        records: Records whose files were found.
        progress: Called with (done, total) images.

    Raises:
        MissingFileError: An image is not there.
        InputError: One is no image, or its header is damaged.
    """
    sizes = np.empty((len(records), 2), np.int32)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        found = pool.map(lambda file: image_dimensions(records.folder / file), records.files)
        for row, size in enumerate(found):
            sizes[row] = size
            if progress and ((row + 1) % STEP == 0 or row + 1 == len(records)):
                progress(row + 1, len(records))
    return replace(records, image_sizes=sizes)
