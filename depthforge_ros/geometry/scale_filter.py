# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The scale over time: frames with little road lean on those before."""

from __future__ import annotations

from dataclasses import dataclass

from depthforge_ros.geometry.road import RoadScale
import numpy as np

FRAME_STD = 0.03
"""Noise of one frame's logarithm of the scale: the network's error, which is common to a frame."""
DRIFT_STD = 0.1
"""Change of that logarithm in one second; it grows with the root of the time."""
GATE = 4.0
"""A frame further off than so many standard deviations is left out."""
MAX_LEFT_OUT = 5
"""After so many of those in a row the scene has changed, and the filter begins anew."""
MAX_RELATIVE_STD = 0.15
"""A less certain scale is not given out."""


@dataclass(frozen=True)
class MetricScale:
    """Depth in metres is `scale` / relative inverse depth; NaN where `refusal` says why."""

    scale: float
    relative_std: float
    refusal: str = ''
    held_s: float = 0.0
    """Time since a road last agreed with it, seconds."""


class ScaleFilter:
    """A Kalman filter of one state, the logarithm of the scale, as a random walk."""

    def __init__(self) -> None:
        self._log_scale = float('nan')
        self._variance = float('inf')
        self._stamp_s = self._agreed_s = -float('inf')
        self._left_out = 0

    def update(self, road: RoadScale, stamp_s: float) -> MetricScale:
        """Take the scale of a frame; a stamp before the last one begins anew."""
        if stamp_s < self._stamp_s:
            self._log_scale, self._variance, self._left_out = float('nan'), float('inf'), 0
        if np.isfinite(self._log_scale):
            self._variance += DRIFT_STD**2 * (stamp_s - self._stamp_s)
        self._stamp_s = stamp_s
        if not road.refusal:
            self._correct(float(np.log(road.scale)), road.relative_std**2)
        relative_std = float(np.sqrt(self._variance))
        if relative_std <= MAX_RELATIVE_STD:
            held_s = stamp_s - self._agreed_s
            return MetricScale(float(np.exp(self._log_scale)), relative_std, held_s=held_s)
        return MetricScale(
            float('nan'), float('nan'), road.refusal or 'the scale jumps from frame to frame'
        )

    def _correct(self, log_scale: float, fit_variance: float) -> None:
        variance = fit_variance + FRAME_STD**2
        innovation = log_scale - self._log_scale
        if abs(innovation) > GATE * np.sqrt(self._variance + variance):
            self._left_out += 1
            if self._left_out <= MAX_LEFT_OUT:
                return
            self._log_scale, self._variance = log_scale, variance
        elif not np.isfinite(self._log_scale):
            self._log_scale, self._variance = log_scale, variance
        else:
            gain = self._variance / (self._variance + variance)
            self._log_scale += gain * innovation
            self._variance *= 1.0 - gain
        self._left_out = 0
        self._agreed_s = self._stamp_s
