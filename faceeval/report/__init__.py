# SPDX-License-Identifier: MIT
"""Results as people read them: one self-contained HTML page, or a leaderboard in Markdown."""

from faceeval.report.markdown import leaderboard_markdown
from faceeval.report.page import write_report

__all__ = ["leaderboard_markdown", "write_report"]
