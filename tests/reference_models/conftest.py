# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Threads of one small network wait for each other, and for ever if another process has a core."""
    torch.set_num_threads(1)
