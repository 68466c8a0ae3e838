# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Intervals of 95 % by drawing clips anew (Efron and Tibshirani, 1993)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RESAMPLES = 1000
CONFIDENCE = (2.5, 97.5)
"""Percentiles that bound the interval of 95 %."""
SEED = 0


@dataclass(frozen=True)
class Estimate:
    """A figure and its interval of 95 %."""

    value: float
    low: float
    high: float


def draw(count: int, resamples: int, seed: int) -> npt.NDArray[np.int64]:
    """Draw clips by number, with replacement: (resamples, count)."""
    return np.random.default_rng(seed).integers(0, count, (resamples, count))


def times_drawn(drawn: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return how often each clip was drawn in each resample, (resamples, count)."""
    resamples, count = drawn.shape
    index = drawn + np.arange(resamples)[:, None] * count
    return np.bincount(index.ravel(), minlength=resamples * count).reshape(resamples, count)


def bounds(samples: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """
    Return low and high (2, ...) of each figure over resamples (R, ...).

    Resamples without the figure, such as of clips without ground truth, are left out; NaN where
    all are.
    """
    found: npt.NDArray[np.float64] = np.full((2, *samples.shape[1:]), np.nan)
    lacking = np.isnan(samples).sum(0)
    found[:, lacking == 0] = np.percentile(samples[:, lacking == 0], CONFIDENCE, axis=0)
    for place in np.argwhere((lacking > 0) & (lacking < len(samples))):
        one = samples[(slice(None), *place)]
        found[(slice(None), *place)] = np.percentile(one[~np.isnan(one)], CONFIDENCE)
    return found


def estimate(value: float, samples: npt.NDArray[np.float64]) -> Estimate:
    """Bound a figure by its resamples (R,), see `bounds`; by itself where none has it."""
    low, high = bounds(samples)
    if np.isnan(low):
        low = high = value
    return Estimate(round(value, 4), round(float(low), 4), round(float(high), 4))
