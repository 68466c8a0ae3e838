# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Learning-rate schedules: the share of the peak rate after a share `done` of the iterations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import math

WARM_UP = 0.05
POLY_POWER = 0.9
ONE_CYCLE_RISE = 0.3
ONE_CYCLE_START = 1.0 / 25.0
ONE_CYCLE_END = ONE_CYCLE_START / 1e4


def cosine(done: float) -> float:
    """Linear warm-up, then half a cosine down to zero; `done` in [0, 1]."""
    if done < WARM_UP:
        return done / WARM_UP
    return _cosine_between(1.0, 0.0, (done - WARM_UP) / (1.0 - WARM_UP))


def poly(done: float) -> float:
    """(1 - done)^0.9, DeepLab's (arXiv 1606.00915), as torch's PolynomialLR; no warm-up."""
    return (1.0 - done) ** POLY_POWER


def one_cycle(done: float) -> float:
    """
    Half a cosine from 1/25 up to 1 at `done` = 0.3, then one down to 1/250000.

    Smith and Topin (arXiv 1708.07120) with the defaults of torch's OneCycleLR; AdamW's betas stay.
    """
    if done < ONE_CYCLE_RISE:
        return _cosine_between(ONE_CYCLE_START, 1.0, done / ONE_CYCLE_RISE)
    return _cosine_between(1.0, ONE_CYCLE_END, (done - ONE_CYCLE_RISE) / (1.0 - ONE_CYCLE_RISE))


SCHEDULES: Mapping[str, Callable[[float], float]] = {
    'cosine': cosine,
    'poly': poly,
    'one_cycle': one_cycle,
}


def _cosine_between(start: float, end: float, share: float) -> float:
    return end + 0.5 * (start - end) * (1.0 + math.cos(math.pi * share))
