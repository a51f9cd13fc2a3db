# SPDX-License-Identifier: MIT
"""The splits of the papers as rules that give named lists with digests."""
