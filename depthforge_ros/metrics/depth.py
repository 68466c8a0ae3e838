# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Errors of relative and metric depth, in numpy."""

from __future__ import annotations

from dataclasses import dataclass
import functools
from typing import Any

from depthforge_ros.errors import UserError
import numpy as np
import numpy.typing as npt

MAX_DEPTH_M = 80.0
"""Ground truth beyond it is not judged and aligned predictions are cut there (KITTI's custom)."""


@dataclass(frozen=True)
class DepthErrors:
    """Errors of one depth map over `pixels` pixels."""

    absrel: float
    """Mean of |predicted - true| / true."""
    rmse_m: float
    delta_125: float
    """Share of pixels where max(predicted / true, true / predicted) < 1.25."""
    delta_156: float
    """The same within 1.25^2 (Eigen et al., NeurIPS 2014)."""
    delta_195: float
    """The same within 1.25^3."""
    pixels: int


@dataclass(frozen=True)
class AlignedDepth:
    """Predicted and true metres (N,), all finite and above 0, of pixels with ground truth."""

    valid: npt.NDArray[np.bool_]
    """(H, W): which pixels these are."""
    predicted_m: npt.NDArray[np.float64]
    truth_m: npt.NDArray[np.float64]

    @functools.cached_property
    def relative_error(self) -> npt.NDArray[np.float64]:
        """|predicted - true| / true (N,)."""
        return np.asarray(np.abs(self.predicted_m - self.truth_m) / self.truth_m)

    def errors(self) -> DepthErrors:
        """Judge the frame."""
        predicted_m, truth_m = self.predicted_m, self.truth_m
        ratio = np.maximum(predicted_m / truth_m, truth_m / predicted_m)
        return DepthErrors(
            absrel=float(np.mean(self.relative_error)),
            rmse_m=float(np.sqrt(np.mean((predicted_m - truth_m) ** 2))),
            delta_125=float(np.mean(ratio < 1.25)),
            delta_156=float(np.mean(ratio < 1.25**2)),
            delta_195=float(np.mean(ratio < 1.25**3)),
            pixels=len(truth_m),
        )


def align_depth(
    inverse_depth: npt.NDArray[np.float32], depth_m: npt.NDArray[np.float32]
) -> AlignedDepth | None:
    """
    Bring relative inverse depth (H, W) to metres by the one best scale for true metres (H, W).

    Pixels without finite ground truth in (0, 80] m do not count; None where no pixel is left.
    """
    if inverse_depth.shape != depth_m.shape:
        raise UserError(
            f'depth has shape {inverse_depth.shape} and its ground truth '
            f'{depth_m.shape}; both must come from one camera'
        )
    valid = np.isfinite(depth_m) & (depth_m > 0.0) & (depth_m <= MAX_DEPTH_M)
    if not valid.any():
        return None
    truth_m = depth_m[valid].astype(np.float64)
    inverse = np.nan_to_num(inverse_depth[valid].astype(np.float64), nan=0.0)
    scale = best_scale(inverse, truth_m)
    with np.errstate(divide='ignore', invalid='ignore'):
        predicted_m = np.where(inverse > 0.0, scale / inverse, MAX_DEPTH_M)
    return AlignedDepth(valid, np.minimum(predicted_m, MAX_DEPTH_M), truth_m)


def depth_errors(
    inverse_depth: npt.NDArray[np.float32], depth_m: npt.NDArray[np.float32]
) -> DepthErrors | None:
    """Judge relative inverse depth (H, W) against metres (H, W), see `align_depth`."""
    aligned = align_depth(inverse_depth, depth_m)
    return aligned.errors() if aligned else None


def best_scale(inverse: npt.NDArray[Any], truth_m: npt.NDArray[Any]) -> float:
    """
    Find s so that depth s / inverse has the least AbsRel; 0 if no inverse depth is positive.

    AbsRel is the mean of |s r - 1| with r = 1 / (inverse * truth), which the median of 1 / r,
    weighted by r, makes least.
    """
    seen = inverse > 0.0
    if not seen.any():
        return 0.0
    candidates = np.sort(inverse[seen] * truth_m[seen])
    weight = np.cumsum(1.0 / candidates)
    return float(candidates[np.searchsorted(weight, weight[-1] / 2.0)])
