# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Whether mask and depth of one frame show the same things at the same places."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

JUMP = 0.03
"""Least change of inverse depth over a 3 x 3 window at an edge, as a share of the frame's near
end. A road is linear in its rows: below a horizon in the middle of 256 rows it changes by half
of that."""
NEAR_PERCENTILE = 98.0
REACH = 2
"""Pixels between an edge and a class boundary up to which they are at one place."""
MIN_EDGES = 50
"""Fewer pixels on edges say nothing."""
WINDOW = np.ones((3, 3), np.uint8)


def edge_agreement(
    inverse_depth: npt.NDArray[np.float32], labels: npt.NDArray[np.unsignedinteger[Any]]
) -> float:
    """
    Share of the edges of inverse depth (H, W) that lie on a class boundary of labels (H, W).

    Most things that stand before others are of another class, so most edges of depth are
    boundaries of the mask; not all, since a car may stand before a car. What counts is a fall
    over time: mask and depth are then no longer of one scene, as with a depth stream that lags or
    a model that no longer knows what it sees. NaN where depth has no edges.
    """
    near = float(np.percentile(inverse_depth, NEAR_PERCENTILE))
    change = cv2.morphologyEx(inverse_depth, cv2.MORPH_GRADIENT, WINDOW)
    is_edge = change > JUMP * near
    if near <= 0.0 or int(is_edge.sum()) < MIN_EDGES:
        return float('nan')
    boundary = (cv2.morphologyEx(labels, cv2.MORPH_GRADIENT, WINDOW) > 0).astype(np.uint8)
    at_boundary = cv2.dilate(boundary, np.ones((2 * REACH + 1,) * 2, np.uint8)) > 0
    return float(at_boundary[is_edge].mean())
