# SPDX-License-Identifier: MIT
"""Everything done with landmarks: finding faces, aligning them, filtering by pose, drawing masks."""
