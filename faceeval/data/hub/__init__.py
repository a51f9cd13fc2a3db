# SPDX-License-Identifier: MIT
"""Hugging Face ``datasets`` as storage: reading them, and writing them."""
