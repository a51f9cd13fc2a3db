# SPDX-License-Identifier: MIT
"""``python -m faceeval.cli``, for launchers such as ``torchrun`` that start modules."""

from faceeval.cli import main

main()
