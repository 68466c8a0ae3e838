# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Depth of what stands on the ground, corrected where it meets the ground.

Depth from one image is off by a tenth and more, and smears an upright surface over many cells. The
mask tells better where a thing stands: read a column of the image from the bottom up, as runs of
one class. A ray with the drop b below the camera at depth 1 meets the road at  Z = h / b.  Where a
run of a standing class follows ground, its foot is nearer than  Z  of its own lowest pixel. It is
farther than  Z  of the ground pixel below, but for a bumper, which hangs above the ground that is
seen last: one that is c above it stands at  Z (1 - c / h).  So the run is scaled until its foot
lies between  Z (1 - CLEARANCE_M / h)  of the ground pixel and  Z  of its own.

- A run far nearer than that hangs freely, as a branch does: it keeps its depth.
- A run that follows another standing one is behind it.
- Nothing leans over the ground before its foot.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

CLEARANCE_M = 0.3
"""How high the lowest visible edge of what stands can hang above the ground."""
FLOATING = 0.5
"""Share of the farthest depth of its foot below which a run hangs freely."""
FOOT_PIXELS = 4
"""Lowest pixels of a run, whose mean inverse depth is its own depth."""
MIN_INVERSE = 1e-3
"""1/m; whatever is farther counts as one kilometre away."""
OTHER, GROUND, FIRST_STANDING = 0, 1, 2


@dataclass(frozen=True)
class _Runs:
    """Runs of one class in the columns of an image, column by column from the bottom up."""

    kind: npt.NDArray[np.uint32]
    length: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    """Of the lowest pixel, in the image."""
    column: npt.NDArray[np.int64]
    is_first: npt.NDArray[np.bool_]
    """Whether it begins at the bottom of the image."""

    def spread(self, values: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
        """Give every pixel (H, W) the value of its run."""
        height, width = shape
        return np.repeat(values, self.length).reshape(width, height).T[::-1]


class GroundContact:
    """Corrects the frames of one camera."""

    def __init__(
        self,
        drop: npt.NDArray[np.float32],
        *,
        height_m: float,
        ground_ids: Iterable[int],
        standing_ids: Iterable[int],
    ) -> None:
        """`drop` (H, W) is how far each pixel's ray is below the camera at depth 1, metres."""
        self._drop = drop
        self._height_m = height_m
        self._kinds = np.full(2**16, OTHER, np.uint32)
        self._kinds[list(ground_ids)] = GROUND
        standing = list(standing_ids)
        self._kinds[standing] = np.asarray(standing, np.uint32) + FIRST_STANDING

    def __call__(
        self, depth_m: npt.NDArray[np.float32], labels: npt.NDArray[np.unsignedinteger[Any]]
    ) -> npt.NDArray[np.float32]:
        """Return `depth_m` (H, W), corrected where `labels` (H, W) say that something stands."""
        runs = _runs(self._kinds[labels])
        stands = runs.kind >= FIRST_STANDING
        below = np.roll(runs.kind, 1)
        meets = stands & (below == GROUND) & ~runs.is_first
        own_m = self._own_depth_m(depth_m, runs)
        near_m, far_m = self._foot_between_m(runs)
        is_anchored = meets & (own_m > FLOATING * far_m)
        foot_m = np.where(is_anchored, np.clip(own_m, near_m, far_m), own_m)
        nearest_m = np.where(meets, foot_m, 0.0)
        # A run above another takes over how near it can be.
        indices = np.arange(len(stands))
        ends_search = meets | ~stands | runs.is_first
        nearest_m = nearest_m[np.maximum.accumulate(np.where(ends_search, indices, 0))]
        scale = np.where(is_anchored, foot_m / own_m, 1.0).astype(np.float32)
        corrected: npt.NDArray[np.float32] = depth_m * runs.spread(scale, depth_m.shape)
        nearest_m = runs.spread(nearest_m.astype(np.float32), depth_m.shape)
        return np.maximum(corrected, nearest_m, out=corrected)

    def _own_depth_m(
        self, depth_m: npt.NDArray[np.float32], runs: _Runs
    ) -> npt.NDArray[np.float32]:
        """Return what the network says of each run's foot."""
        total = np.zeros(len(runs.kind), np.float32)
        count = np.minimum(runs.length, FOOT_PIXELS)
        for step in range(FOOT_PIXELS):
            depths = depth_m[runs.row - np.minimum(step, count - 1), runs.column]
            with np.errstate(divide='ignore', invalid='ignore'):
                total += np.where(np.isfinite(depths), 1.0 / depths, 0.0)
        return np.asarray(1.0 / np.maximum(total / FOOT_PIXELS, MIN_INVERSE), np.float32)

    def _foot_between_m(
        self, runs: _Runs
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return the least and the largest depth of each run's foot."""
        under = np.minimum(runs.row + 1, len(self._drop) - 1)
        with np.errstate(divide='ignore', invalid='ignore'):
            near_m, far_m = (
                np.where(drop > 0.0, self._height_m / drop, np.inf).astype(np.float32)
                for drop in (self._drop[under, runs.column], self._drop[runs.row, runs.column])
            )
        return near_m * np.float32(1.0 - CLEARANCE_M / self._height_m), far_m


def _runs(kinds: npt.NDArray[np.uint32]) -> _Runs:
    height = len(kinds)
    columns = np.ascontiguousarray(kinds[::-1].T)
    starts = np.ones(columns.shape, bool)
    np.not_equal(columns[:, 1:], columns[:, :-1], out=starts[:, 1:])
    first = np.flatnonzero(starts)
    column, from_bottom = np.divmod(first, height)
    return _Runs(
        kind=columns.ravel()[first],
        length=np.diff(first, append=columns.size),
        row=height - 1 - from_bottom,
        column=column,
        is_first=from_bottom == 0,
    )
