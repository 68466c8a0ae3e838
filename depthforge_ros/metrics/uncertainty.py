# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Whether a model's confidence and entropy tell its right pixels from its wrong ones.

All figures come from histograms over the 256 levels of 8 bits, (256, 2): wrong and right pixels.
Pixels of one level are tied: they count as if they came in random order.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
LEVELS = 256
HIGHEST = LEVELS - 1
THRESHOLD_STEP = 17
THRESHOLDS = HIGHEST // THRESHOLD_STEP + 1
"""Levels 0, 17, ..., 255, below which AUIoU leaves pixels out."""
FOUND = 0.95
"""Share of the wrong pixels that FPR95 finds."""


class Levels(NamedTuple):
    """Histograms of one frame's confidence."""

    all: Counts
    """(256, 2) per level: wrong and right pixels."""
    per_class: Counts
    """(K, 16, 2) per predicted class and 17 levels, 255 apart: wrong and right pixels."""


def quantized(share: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Bring shares in [0, 1] to 8 bits, as the node publishes confidence."""
    return np.rint(np.clip(share, 0.0, 1.0) * HIGHEST).astype(np.uint8)


def confidence_levels(
    confidence: npt.NDArray[np.uint8],
    predicted: npt.NDArray[np.uint8],
    right: npt.NDArray[np.bool_],
    *,
    classes: int,
) -> Levels:
    """Count labelled pixels (N,) that have a predicted class."""
    index = (predicted.astype(np.int64) * LEVELS + confidence) * 2 + right
    counts = np.bincount(index, minlength=classes * LEVELS * 2).reshape(classes, LEVELS, 2)
    per_class = np.add.reduceat(counts, np.arange(0, LEVELS, THRESHOLD_STEP), axis=1)
    return Levels(counts.sum(0), per_class)


def levels(value: npt.NDArray[np.uint8], right: npt.NDArray[np.bool_]) -> Counts:
    """Count labelled pixels (N,) by level: (256, 2)."""
    index = value.astype(np.int64) * 2 + right
    return np.bincount(index, minlength=LEVELS * 2).reshape(LEVELS, 2)


def risk_coverage(counts: Counts) -> npt.NDArray[np.float64]:
    """
    Return coverage and risk, (L, 2) in [0, 1], as the confidence that is demanded falls.

    Coverage is the share of pixels that are as confident, risk the share of them that is wrong
    (Geifman and El-Yaniv, "Selective Classification for Deep Neural Networks", NeurIPS 2017).
    """
    wrong, pixels = _falling(counts)
    there = counts[::-1].any(axis=1)
    return np.stack([pixels[there] / max(pixels[-1], 1), wrong[there] / pixels[there]], axis=1)


def aurc(counts: Counts) -> float:
    """
    Area under the risk-coverage curve, in [0, 1], lower is better; NaN without pixels.

    Geifman, Uziel and El-Yaniv, "Bias-Reduced Uncertainty Estimation for Deep Neural
    Classifiers", ICLR 2019. Within a level the curve is (E + t e) / (N + t n) for t from 0 to 1,
    with E wrong ones of N pixels before it and e of n in it, which is integrated exactly.
    """
    wrong, pixels = _falling(counts)
    if not pixels[-1]:
        return float('nan')
    errors_in, pixels_in = np.diff(wrong, prepend=0.0), np.diff(pixels, prepend=0.0)
    there = pixels_in > 0
    e, n = errors_in[there], pixels_in[there]
    before, errors_before = pixels[there] - n, wrong[there] - e
    growth = np.log1p(np.divide(n, before, out=np.zeros_like(n), where=before > 0))
    return float((e + (errors_before - before * e / n) * growth).sum() / pixels[-1])


def auroc(positive: Counts, negative: Counts) -> float:
    """
    Chance that a positive has a higher level than a negative, ties by half; NaN without both.

    `positive` and `negative` are (256,) per level (Hendrycks and Gimpel, "A Baseline for
    Detecting Misclassified and Out-of-Distribution Examples", ICLR 2017).
    """
    if not positive.any() or not negative.any():
        return float('nan')
    below = np.cumsum(negative) - negative
    wins = (positive * (below + negative / 2.0)).sum()
    return float(wins / positive.sum() / negative.sum())


def fpr95(positive: Counts, negative: Counts) -> float:
    """
    Share of the negatives that are taken with the highest 95 % of the positives; NaN without both.

    The form of Hendrycks et al., "Deep Anomaly Detection with Outlier Exposure", ICLR 2019; a
    level that holds the 95 % is taken in part, positives and negatives alike.
    """
    if not positive.any() or not negative.any():
        return float('nan')
    found = np.concatenate([[0.0], np.cumsum(positive[::-1]) / positive.sum()])
    taken = np.concatenate([[0.0], np.cumsum(negative[::-1]) / negative.sum()])
    last = int(np.searchsorted(found, FOUND))
    part = (FOUND - found[last - 1]) / (found[last] - found[last - 1])
    return float(taken[last - 1] + part * (taken[last] - taken[last - 1]))


def auiou(per_class: Counts, labelled: Counts) -> float:
    """
    Mean over 16 thresholds of confidence of the mean UIoU, in [0, 1]; NaN without any pixel.

    UIoU = (TP + TI) / (TP + TI + FP + FN + FI) of Sakaridis, Dai and Van Gool, "Guided Curriculum
    Model Adaptation and Uncertainty-Aware Evaluation", ICCV 2019 (arXiv 1901.05946). Its average
    over thresholds is the figure of ACDC (arXiv 2104.13395). Pixels below a threshold are said to
    be invalid. The thresholds are those of the published code of MUSES (arXiv 2401.12761):
    numpy.linspace(0, 255, 16) over 8 bits. The first leaves no pixel out: it gives the mIoU.

    Our ground truth marks no pixel as invalid, so TI = 0, and FI are all labelled pixels below the
    threshold. Each threshold has its mean over the classes that are there, in truth or in what is
    left of the prediction. `labelled` (K,) are the pixels of each true class.
    """
    surviving = per_class[:, ::-1].cumsum(1)[:, ::-1].astype(np.float64)
    wrong, right = surviving[..., 0], surviving[..., 1]
    union = labelled[:, None] + wrong
    if not labelled.any():
        return float('nan')
    uiou = np.divide(right, union, out=np.zeros_like(right), where=union > 0)
    return float((uiou.sum(0) / (union > 0).sum(0)).mean())


def uncertainty_figures(
    confidence: Counts, entropy: Counts, per_class: Counts, labelled: Counts
) -> dict[str, float]:
    """
    Return shares in [0, 1], NaN where nothing was counted.

    `error_auroc_*` and `error_fpr95_*` say how well low confidence and high entropy find the
    wrong pixels: FPR95 is the share of right pixels that is suspected with 95 % of the wrong.
    """
    doubt = confidence[::-1]
    known = confidence.any()
    return {
        'aurc': aurc(confidence),
        'error_auroc_confidence': auroc(doubt[:, 0], doubt[:, 1]),
        'error_fpr95_confidence': fpr95(doubt[:, 0], doubt[:, 1]),
        'error_auroc_entropy': auroc(entropy[:, 0], entropy[:, 1]),
        'error_fpr95_entropy': fpr95(entropy[:, 0], entropy[:, 1]),
        'auiou': auiou(per_class, labelled) if known else float('nan'),
    }


def _falling(counts: Counts) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Add up wrong pixels and pixels from the highest level down."""
    falling = counts[::-1].astype(np.float64)
    return np.cumsum(falling[:, 0]), np.cumsum(falling.sum(1))
