# SPDX-License-Identifier: MIT
"""Results as people read them: one self-contained HTML page, or a leaderboard in Markdown."""

from faceeval.report.boards import Board
from faceeval.report.markdown import comparison_markdown, leaderboard_markdown
from faceeval.report.page import write_report

__all__ = ["Board", "comparison_markdown", "leaderboard_markdown", "write_report"]
