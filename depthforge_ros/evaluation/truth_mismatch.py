# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Ground truth that does not fit: of another size than the answers, or with ids of no class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from depthforge_ros.bags.image_files import ignored_ids
from depthforge_ros.errors import UserError
from depthforge_ros.evaluation.answers import Answer
from depthforge_ros.evaluation.label_ids import label_ids_warning
from depthforge_ros.evaluation.truth import Truth
from depthforge_ros.labels import LabelSpace
import numpy as np
import numpy.typing as npt

TRUTH_SIZE = 'truth_size'
"""Reason of a drop: the ground truth of the frame is of another size than its answer."""


@dataclass(frozen=True)
class FrameTruth:
    """The ground truth of one frame."""

    labels: npt.NDArray[np.uint8] | None
    """(H, W) train ids."""
    depth_m: npt.NDArray[np.float32] | None

    @classmethod
    def at(cls, truth: Truth, stamp_ns: int) -> FrameTruth:
        """Look a frame up."""
        return cls(truth.labels(stamp_ns), truth.depth_m(stamp_ns))


class TruthMismatches:
    """Collects the mismatches in the ground truth of one camera, whose labels are of `space`."""

    def __init__(self, space: LabelSpace | None) -> None:
        self._space = space
        self._pixels_by_id = np.zeros(256, np.int64)
        self._count = 0
        self.first: str | None = None
        """The first frame of another size, in words; None if all fit."""

    def fits(self, answer: Answer, truth: FrameTruth) -> bool:
        """Tell whether the answer has the size of its ground truth."""
        sizes = {
            'mask': (answer.labels, truth.labels),
            'depth': (answer.inverse_depth, truth.depth_m),
        }
        for name, (given, true) in sizes.items():
            if given is not None and true is not None and given.shape != true.shape:
                self._count += 1
                self.first = self.first or (
                    f'at {answer.stamp_ns} ns the {name} has {_size(given)} pixels, its ground '
                    f'truth {_size(true)}'
                )
                return False
        return True

    def count_ids(self, labels: npt.NDArray[np.uint8]) -> None:
        """Count the ids (H, W) of a frame."""
        self._pixels_by_id += np.bincount(labels.reshape(-1), minlength=256)

    def warnings(self, topic: str) -> list[str]:
        """Return a line for each; UserError where most labelled pixels are of no class."""
        lines = []
        if self.first:
            lines.append(
                f'{self._count} frames of {topic} are left out ({TRUTH_SIZE}), the first: '
                f'{self.first}'
            )
        odd = label_ids_warning(self._pixels_by_id, self._space) if self._space else []
        return lines + self._unknown_ids(topic) + [f'{topic}: {one}' for one in odd]

    def _unknown_ids(self, topic: str) -> list[str]:
        if self._space is None:
            return []
        labelled = self._pixels_by_id.copy()
        labelled[list(ignored_ids(self._space))] = 0
        classes = len(self._space)
        pixels = int(labelled[classes:].sum())
        if not pixels:
            return []
        ids = ', '.join(str(one) for one in np.flatnonzero(labelled) if one >= classes)
        text = (
            f'{pixels} of {int(labelled.sum())} labelled pixels of {topic} have ids ({ids}) that '
            f'{self._space.name} does not have: 0 to {classes - 1}, and 255 for no class'
        )
        if 2 * pixels > labelled.sum():
            raise UserError(f'{text}; say the right classes by --truth-labels, or mend the labels')
        return [f'{text}; they are not judged']


def _size(plane: npt.NDArray[Any]) -> str:
    return f'{plane.shape[1]} x {plane.shape[0]}'
