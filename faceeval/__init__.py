# SPDX-License-Identifier: MIT
"""Evaluation of face editing and face synthesis. Importing this loads no network and no torch."""

__version__ = "0.1.0"
