# SPDX-License-Identifier: MIT
"""Parsers of label files, in every dialect they are found in; nothing here looks at an image."""
