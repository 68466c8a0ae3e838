# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
How well the outlines of the classes agree: the boundary F-score.

For each class, precision is the share of the prediction's outline that lies within a tolerance of
the truth's outline, recall the converse, and F = 2 P R / (P + R), here of the outlines of all
frames together (Csurka et al., "What is a good evaluation measure for semantic segmentation?",
BMVC 2013, with its tolerance of 0.75 % of the image's diagonal).
"""

from __future__ import annotations

import functools

import cv2
import numpy as np
import numpy.typing as npt

TOLERANCE = 0.0075
"""Of the diagonal, but one pixel at least."""
DILATED = 12.0
"""Pixels up to which dilating is faster than measuring distances."""
COLUMNS = 4
CROSS = np.asarray(cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)), np.uint8)


def boundary_counts(
    truth: npt.NDArray[np.uint8], predicted: npt.NDArray[np.uint8], *, classes: int
) -> npt.NDArray[np.int64]:
    """
    Count the outlines' pixels of one frame of train ids (H, W), as (classes, 4).

    Columns: the prediction's outline near the truth's, all of the prediction's, the truth's near
    the prediction's, all of the truth's. Pixels near those without ground truth are left out.
    """
    tolerance = max(TOLERANCE * float(np.hypot(*truth.shape)), 1.0)
    counts = np.zeros((classes, COLUMNS), np.int64)
    judged = ~_near(truth >= classes, tolerance)
    for index in range(classes):
        masks = predicted == index, truth == index
        near = _around(masks[0] | masks[1], int(tolerance) + 2)
        if near is None:
            continue
        edges, true_edges = (_outline(mask[near]) & judged[near] for mask in masks)
        is_near, is_near_true = (_near(one, tolerance) for one in (edges, true_edges))
        counts[index] = (
            (edges & is_near_true).sum(),
            edges.sum(),
            (true_edges & is_near).sum(),
            true_edges.sum(),
        )
    return counts


def boundary_f(counts: npt.NDArray[np.int64]) -> float:
    """Mean over the classes that have an outline of F in [0, 1]; NaN if none has."""
    scores = [
        _f_score(precision=hit / max(predicted, 1), recall=found / max(true, 1))
        for hit, predicted, found, true in counts.tolist()
        if predicted + true
    ]
    return float(np.mean(scores)) if scores else float('nan')


def _f_score(*, precision: float, recall: float) -> float:
    return 2.0 * precision * recall / max(precision + recall, 1e-12)


def _around(mask: npt.NDArray[np.bool_], margin: int) -> tuple[slice, slice] | None:
    """Rows and columns of a mask, and so many more on each side; None for an empty one."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    if not width:
        return None
    return (
        slice(max(y - margin, 0), y + height + margin),
        slice(max(x - margin, 0), x + width + margin),
    )


def _outline(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Pixels of a mask with a neighbour outside it; the image's edge is no outline."""
    return np.asarray(mask & (cv2.erode(mask.view(np.uint8), CROSS) == 0))


def _near(mask: npt.NDArray[np.bool_], tolerance: float) -> npt.NDArray[np.bool_]:
    """Pixels within a distance of a mask, in pixels; a dilation by a small disc is faster."""
    if tolerance > DILATED:
        return np.asarray(_distance(mask) <= tolerance)
    return np.asarray(cv2.dilate(mask.view(np.uint8), _disc(tolerance)) > 0)


@functools.lru_cache(maxsize=4)
def _disc(radius: float) -> npt.NDArray[np.uint8]:
    reach = int(radius)
    centre = np.zeros((2 * reach + 1, 2 * reach + 1), bool)
    centre[reach, reach] = True
    return (_distance(centre) <= radius).astype(np.uint8)


def _distance(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Distance of each pixel from a mask, in pixels; very large where it is empty."""
    distance = cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.asarray(distance, np.float32)
