# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Segmentation figures over frames, in a chosen label space."""

from __future__ import annotations

from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.labels import COARSER, LabelSpace
from depthforge_ros.metrics.confusion import (
    confusion_matrix,
    iou_per_class,
    mean_iou,
    pixel_accuracy,
)
import numpy as np
import numpy.typing as npt


def mapping(source: LabelSpace, target: LabelSpace) -> npt.NDArray[np.uint8]:
    """Look-up table uint8 (256,) of the target's ids; UserError where classes cannot be mapped."""
    if source == target:
        return np.arange(256, dtype=np.uint8)
    if (source.name, target.name) in COARSER:
        return COARSER[source.name, target.name]
    raise UserError(
        f"the classes of {source.name} cannot be mapped to {target.name}'s; cityscapes and "
        'camvid_32 can be mapped to camvid by --label-space camvid'
    )


def common_space(first: LabelSpace, second: LabelSpace) -> LabelSpace:
    """Return the coarser of two label spaces, to which the other can be mapped."""
    return min(first, second, key=len)


class SegmentationScore:
    """Adds up a confusion matrix over frames."""

    def __init__(self, *, truth: LabelSpace, predicted: LabelSpace, target: LabelSpace) -> None:
        self.space = target
        self._predicted_classes = len(predicted)
        self._predicted_name = predicted.name
        self._truth_to_target = mapping(truth, target)
        self._predicted_to_target = mapping(predicted, target)
        self.confusion = np.zeros((len(target), len(target) + 1), np.int64)

    def add(self, *, truth: npt.NDArray[np.uint8], predicted: npt.NDArray[np.uint8]) -> None:
        """Count one frame of train ids (H, W)."""
        truth, predicted = self.in_target(truth=truth, predicted=predicted)
        self.confusion += confusion_matrix(truth, predicted, classes=len(self.space))

    def in_target(
        self, *, truth: npt.NDArray[np.uint8], predicted: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        """Bring both to the ids that are judged; UserError for other sizes or unknown ids."""
        if truth.shape != predicted.shape:
            raise UserError(
                f'the mask has {predicted.shape[1]} x {predicted.shape[0]} pixels, its ground '
                f'truth {truth.shape[1]} x {truth.shape[0]}; both must come from one camera'
            )
        highest = int(predicted[predicted != 255].max(initial=0))
        if highest >= self._predicted_classes:
            raise UserError(
                f'the mask holds the id {highest}, {self._predicted_name} has only '
                f'{self._predicted_classes} classes; say the right ones by --mask-labels'
            )
        return self._truth_to_target[truth], self._predicted_to_target[predicted]

    def figures(self) -> dict[str, Any]:
        """Return `miou`, `per_class` by name and `pixel_accuracy`, all in [0, 100] or None."""
        per_class = iou_per_class(self.confusion)
        return {
            'miou': percent(mean_iou(self.confusion)),
            'per_class': {
                name: percent(iou) for name, iou in zip(self.space.classes, per_class, strict=True)
            },
            'pixel_accuracy': percent(pixel_accuracy(self.confusion)),
        }


def percent(share: float) -> float | None:
    """Turn a share into percent with two decimals; NaN into None."""
    return None if np.isnan(share) else round(float(share) * 100.0, 2)
