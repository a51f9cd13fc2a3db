# SPDX-License-Identifier: MIT
"""Many images in one file: records, pickled pairs and tables, each image read by its place, nothing unpickled."""
