# SPDX-License-Identifier: MIT
"""How fast a training goes and how much memory it takes, for its log."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import torch

from reference_models.run_state import RunState


@dataclass
class Meter:
    """Measures speed and memory from line to line of the log.

    Attributes:
        step: Step of the last line.
        seconds: Time spent on the training by then.
        batch_size: Images per step and process.
    """

    step: int
    seconds: float
    batch_size: int

    def read(self, state: RunState) -> dict[str, float]:
        """Returns images per second since the last line, over all processes, and the most memory held so far, in MB."""
        images = (state.step - self.step) * self.batch_size * state.accelerator.num_processes
        spent, self.step, self.seconds = state.seconds - self.seconds, state.step, state.seconds
        return {"images_per_second": round(images / max(spent, 1e-9), 1), "peak_mb": round(peak_memory(), 1)}


def peak_memory() -> float:
    """Returns the most memory this process has held, in MB: the accelerator's where there is one, else its own."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    import resource  # not on Windows

    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 2**20
