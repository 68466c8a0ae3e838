# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Confusion matrices of masks, and the figures of them, in numpy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def confusion_matrix(
    truth: npt.NDArray[np.uint8], predicted: npt.NDArray[np.uint8], *, classes: int
) -> npt.NDArray[np.int64]:
    """
    Count pixels as (classes, classes + 1): rows are ground truth, columns are predictions.

    Pixels whose ground truth is no class (255) do not count; a prediction that is no class there
    counts in the last column, as wrong.
    """
    known = truth < classes
    columns = np.minimum(predicted[known], classes).astype(np.int64)
    index = truth[known].astype(np.int64) * (classes + 1) + columns
    counts = np.bincount(index, minlength=classes * (classes + 1))
    return counts.reshape(classes, classes + 1)


def iou_per_class(confusion: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Intersection over union in [0, 1]; NaN for a class that is in neither image."""
    classes = len(confusion)
    hits = np.diagonal(confusion).astype(np.float64)
    union = confusion.sum(axis=1) + confusion[:, :classes].sum(axis=0) - hits
    iou: npt.NDArray[np.float64] = np.full(classes, np.nan)
    np.divide(hits, union, out=iou, where=union > 0)
    return iou


def mean_iou(confusion: npt.NDArray[np.int64]) -> float:
    """Mean IoU over the classes that occur in ground truth or prediction; NaN if none does."""
    per_class = iou_per_class(confusion)
    seen = per_class[~np.isnan(per_class)]
    return float(seen.mean()) if len(seen) else float('nan')


def pixel_accuracy(confusion: npt.NDArray[np.int64]) -> float:
    """Share of the labelled pixels that are right; NaN without any."""
    total = confusion.sum()
    return float(np.trace(confusion) / total) if total else float('nan')
