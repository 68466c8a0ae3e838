# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The loss of relative inverse depth against a teacher's (MiDaS, arXiv 1907.01341)."""

from __future__ import annotations

from torch import Tensor

SCALES = 4
"""Of the gradients that are compared, each half as fine as the one before."""
LEAST = 1e-6


def depth_loss(guess_BHW: Tensor, truth_BHW: Tensor) -> Tensor:
    """
    Mean absolute error and that of the gradients, both maps over their mean.

    Only their scale is free: the teacher's zero lies at infinity. Views whose truth is zero all
    over, of which the teacher said nothing, do not count.
    """
    known = truth_BHW.amax((1, 2)) > 0.0
    if not known.any():
        return guess_BHW.sum() * 0.0
    seen = truth_BHW[known] > 0.0
    error = _over_mean(guess_BHW[known], seen) - _over_mean(truth_BHW[known], seen)
    error = error * seen
    total = error.abs().mean()
    for scale in range(SCALES):
        step = 2**scale
        coarse = error[:, ::step, ::step]
        total = total + 0.5 * coarse.diff(dim=1).abs().mean()
        total = total + 0.5 * coarse.diff(dim=2).abs().mean()
    return total


def _over_mean(depth_BHW: Tensor, seen_BHW: Tensor) -> Tensor:
    count = seen_BHW.sum((1, 2)).clamp_min(1)
    mean = (depth_BHW * seen_BHW).sum((1, 2)) / count
    return depth_BHW / mean.clamp_min(LEAST)[:, None, None]
