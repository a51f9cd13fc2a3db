# SPDX-License-Identifier: MIT
"""Faces written as files in the layout of a published dataset, so that whatever reads that dataset reads them."""
