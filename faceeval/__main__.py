# SPDX-License-Identifier: MIT
"""``python -m faceeval``."""

from faceeval.cli import main

main()
