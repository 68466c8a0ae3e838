# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Learning-rate schedules as shares of the peak rate."""

from __future__ import annotations

import math

WARM_UP = 0.05


def cosine(done: float) -> float:
    """Linear warm-up, then half a cosine down to zero; `done` in [0, 1]."""
    if done < WARM_UP:
        return done / WARM_UP
    return 0.5 * (1.0 + math.cos(math.pi * (done - WARM_UP) / (1.0 - WARM_UP)))
