# SPDX-License-Identifier: MIT
"""``import faceeval.metrics`` is light: other projects import it for one function."""

import subprocess
import sys


def test_no_network_library_is_loaded():
    heavy = ("torch", "torchvision", "PIL", "sklearn", "skimage", "numba", "matplotlib")
    code = f"import sys, faceeval.metrics; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
