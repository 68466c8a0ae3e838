# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Turns in space."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def rotation_matrix(quaternion: Any) -> npt.NDArray[np.float64]:
    """Return (3, 3) of a unit quaternion with x, y, z and w."""
    x, y, z, w = (getattr(quaternion, name) for name in 'xyzw')
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
