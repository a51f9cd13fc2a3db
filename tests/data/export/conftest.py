# SPDX-License-Identifier: MIT
"""A cache of the tests' own: the index of a TSV file is kept there."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEEVAL_CACHE", str(tmp_path_factory.mktemp("cache")))
