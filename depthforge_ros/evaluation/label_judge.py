# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""One frame's mask against its labels: what images and bags add up alike."""

from __future__ import annotations

from typing import NamedTuple

from depthforge_ros.labels import UNLABELLED
from depthforge_ros.metrics.accumulators import Accumulators
from depthforge_ros.metrics.segmentation import SegmentationScore
from depthforge_ros.metrics.slices import FrameSlices, sliced
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.uint8]


class Mask(NamedTuple):
    """What was said of a frame, (H, W) each."""

    labels: Plane
    """Train ids."""
    confidence: Plane | None
    """255 for all of it."""
    entropy: Plane | None
    """255 for the most there can be."""


class JudgedLabels(NamedTuple):
    """A frame in the classes that are judged."""

    truth: Plane
    labels: Plane
    found: FrameSlices


def judge_labels(
    sums: Accumulators,
    score: SegmentationScore,
    mask: Mask,
    truth: Plane,
    distance_m: npt.NDArray[np.float32] | None,
) -> JudgedLabels:
    """Add confusion, slices and what confidence and entropy say of the errors to the sums."""
    truth, labels = score.in_target(truth=truth, predicted=mask.labels)
    classes = len(score.space)
    found = sliced(truth, labels, distance_m, classes=classes)
    sums.confusion += found.confusion
    sums.slices += found.slices
    if mask.confidence is not None or mask.entropy is not None:
        judged = (truth < classes) & (labels != UNLABELLED)
        said = labels[judged]
        right = truth[judged] == said
        if mask.confidence is not None:
            sums.add_confidence(mask.confidence[judged], said, right)
        if mask.entropy is not None:
            sums.add_entropy(mask.entropy[judged], right)
    return JudgedLabels(truth, labels, found)
