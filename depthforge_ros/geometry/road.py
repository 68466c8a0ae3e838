# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
The scale of relative inverse depth, from the road in view and the camera's height above it.

Model. In the optical frame (x right, y down, z forward) a flat road below a camera of height h,
whose axis points down by the pitch t, is the plane  cos(t) Y + sin(t) Z = h.  A pixel's ray
(x, y, 1) meets it at depth Z = h / (cos(t) y + sin(t)), so the road's inverse depth is

    p(x, y) = (cos(t) y + sin(t)) / h        in 1/m, linear in the pixels.

The network says d, with 1 / Z = (d - b) / s for one scale s and one shift b per frame. On road
pixels therefore  d = s p + b:  each says s = (d - b) / p.

The shift and the pitch cannot be told apart by a plane: both add a constant to a function that is
linear in y. One must be known. Depth Anything V2 trains on disparity with 0 at infinity and its
head ends in a ReLU, so b is taken as 0 (the level of the sky as b made AbsRel worse on every KITTI
frame that was tried, 0.10 to 0.15) and the pitch is either given (from the calibration) or, with
`pitch_rad=None`, estimated with the scale: d = a y + c gives tan(t) = c / a, s = a h / cos(t).

What is not on the plane. Whatever stands on the road is nearer than the road behind it, so its d
is too large and, where its own bottom is not seen, grows too slowly with y: on an upright surface
not at all. Two tests use this. A pixel is *flat* if d changes from row to row as the plane's p
does, d log(d) / d log(p) = 1, whatever the scale. Of the flat ones, the largest group that agrees
on s within TOLERANCE is the road, and its median is the answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
from depthforge_ros.errors import require_above_0, UserError
import numpy as np
import numpy.typing as npt

SAMPLES = 20_000
"""Pixels that the fit looks at, at most: the image is read in steps that leave about so many."""
FLATNESS = (0.5, 2.0)
"""Range of d log(inverse depth) / d log(plane) on the road; 1 is exact, 0 an upright surface."""
MAX_PITCH_RAD = float(np.deg2rad(15.0))
PITCH_ROUNDS = 5
MIN_PIXELS = 50
"""Fewer are never enough, however small the image."""
MAD_TO_STD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""
MAX_RANGE_M = 30.0
"""Road beyond it is not used: there a small pitch means a large error."""
TOLERANCE = 0.1
"""Relative difference in scale up to which pixels agree."""
MIN_SHARE = 0.005
"""Least share of the image that must be road and agree."""
MAX_OFF_PLANE = 0.7
"""Largest share of the road pixels that may disagree."""


@dataclass(frozen=True)
class RoadScale:
    """What the road of one frame says; depth in metres is `scale` / relative inverse depth."""

    scale: float
    """NaN if `refusal` says why there is none."""
    relative_std: float
    """Standard error of the scale, as a share of it; rows of the image count as independent."""
    pitch_rad: float
    """The given pitch, or the estimated one; positive looks down."""
    horizon_pitch_rad: float
    """The pitch that the agreeing pixels themselves show, to compare with the given one."""
    road_share: float
    """Share of the image that is labelled road and within range."""
    off_plane_share: float
    """Share of those that are not on the plane."""
    refusal: str = ''
    """Why the scale is not known, in one line."""


def plane_inverse_depth(
    y: npt.NDArray[np.float32], *, height_m: float, pitch_rad: float
) -> npt.NDArray[np.float32]:
    """Return 1 / metres of the road where a ray of slope `y` meets it; above the horizon < 0."""
    inverse: npt.NDArray[np.float32] = (np.cos(pitch_rad) * y + np.sin(pitch_rad)) / height_m
    return inverse.astype(np.float32)


def fit_road(
    inverse_depth: npt.NDArray[np.float32],
    is_road: npt.NDArray[np.bool_],
    rays: npt.NDArray[np.float32],
    *,
    height_m: float,
    pitch_rad: float | None,
) -> RoadScale:
    """
    Find the scale of relative inverse depth (H, W) by the pixels that `is_road` (H, W) marks.

    `rays` (H, W, 2) are those of `Camera.rays`; without a pitch it is estimated too.
    """
    if not is_road.shape == inverse_depth.shape == rays.shape[:2]:
        raise UserError(
            f'mask {is_road.shape}, rays {rays.shape[:2]} and inverse depth '
            f'{inverse_depth.shape} have different shapes; all must be of one camera image'
        )
    require_above_0(height_m, f'camera height {height_m} m')
    step = max(1, round(float(np.sqrt(inverse_depth.size / SAMPLES))))
    d, y = inverse_depth[::step, ::step], rays[::step, ::step, 1]
    # The network blurs depth over the edges of what stands on the road.
    marked = cv2.erode(is_road[::step, ::step].astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    pitch = 0.0 if pitch_rad is None else pitch_rad
    view = _View(d, y, marked, height_m, pitch)
    for _ in range(PITCH_ROUNDS if pitch_rad is None else 0):
        pitch = view.estimated_pitch_rad()
        view = _View(d, y, marked, height_m, pitch)
    return view.result()


class _View:
    """The road of one frame, seen with one pitch."""

    def __init__(
        self,
        d: npt.NDArray[np.float32],
        y: npt.NDArray[np.float32],
        marked: npt.NDArray[np.bool_],
        height_m: float,
        pitch_rad: float,
    ) -> None:
        self._d, self._y, self._pitch_rad = d, y, pitch_rad
        plane = plane_inverse_depth(y, height_m=height_m, pitch_rad=pitch_rad)
        self._road = marked & (plane > 1.0 / MAX_RANGE_M)
        candidates = self._road & (d > 0.0) & _is_flat(d, plane)
        self._scales: npt.NDArray[np.float32] = np.divide(
            d, plane, out=np.full(d.shape, np.nan, np.float32), where=candidates
        )
        self._agrees = _largest_group(self._scales)

    def estimated_pitch_rad(self) -> float:
        """Where the agreeing pixels put the horizon; the present pitch if they are too few."""
        if not self._is_enough():
            return self._pitch_rad
        slope, offset = np.polyfit(self._y[self._agrees], self._d[self._agrees], 1)
        pitch_rad = float(np.arctan2(offset, slope))
        return float(np.clip(pitch_rad, -MAX_PITCH_RAD, MAX_PITCH_RAD))

    def result(self) -> RoadScale:
        road, agrees = int(self._road.sum()), int(self._agrees.sum())
        off_plane = 1.0 - agrees / road if road else 0.0
        scale = relative_std = float('nan')
        refusal = ''
        if not self._is_enough():
            refusal = (
                f'flat road fills {agrees / self._d.size:.1%} of the image, '
                f'{MIN_SHARE:.1%} are needed'
            )
        elif off_plane > MAX_OFF_PLANE:
            refusal = (
                f'{off_plane:.0%} of the road pixels are off the plane, at most '
                f'{MAX_OFF_PLANE:.0%} may be; check camera height and pitch'
            )
        else:
            scale = float(np.median(self._scales[self._agrees]))
            spread = np.abs(self._scales[self._agrees] / scale - 1.0)
            rows = int(self._agrees.any(axis=1).sum())
            relative_std = float(MAD_TO_STD * np.median(spread) / np.sqrt(rows))
        return RoadScale(
            scale=scale,
            relative_std=relative_std,
            pitch_rad=self._pitch_rad,
            horizon_pitch_rad=self.estimated_pitch_rad(),
            road_share=road / self._d.size,
            off_plane_share=off_plane,
            refusal=refusal,
        )

    def _is_enough(self) -> bool:
        return bool(self._agrees.sum() >= max(MIN_PIXELS, MIN_SHARE * self._d.size))


def _is_flat(d: npt.NDArray[np.float32], plane: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Tell where inverse depth changes from row to row as on the plane, whatever the scale."""
    if len(d) < 3:
        return np.zeros(d.shape, bool)
    change = np.gradient(d, axis=0) * plane
    expected = np.gradient(plane, axis=0) * d
    low, high = FLATNESS
    flat: npt.NDArray[np.bool_] = (change > low * expected) & (change < high * expected)
    return flat


def _largest_group(scales: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """
    Mark the largest group of scales (H, W) that lie within TOLERANCE of its middle.

    A search over all groups: what RANSAC finds by luck for one unknown, sorting finds for sure.
    """
    ordered = np.sort(scales[np.isfinite(scales)])
    if not len(ordered):
        return np.zeros(scales.shape, bool)
    ends = np.searchsorted(ordered, ordered * ((1.0 + TOLERANCE) / (1.0 - TOLERANCE)), 'right')
    first = int(np.argmax(ends - np.arange(len(ordered))))
    low, high = ordered[first], ordered[ends[first] - 1]
    return np.asarray((scales >= low) & (scales <= high))
