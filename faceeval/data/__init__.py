# SPDX-License-Identifier: MIT
"""Which images: readers, splits and the embedded faces."""
