# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Sums over frames, and the figures that follow from them.

All sums are integers, so those of two shards merge exactly and in any order. Shares and errors are
added in millionths.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.metrics.boundary import boundary_f
from depthforge_ros.metrics.boundary import COLUMNS as BOUNDARY_COLUMNS
from depthforge_ros.metrics.confusion import iou_per_class, mean_iou, pixel_accuracy
from depthforge_ros.metrics.depth import DepthErrors
from depthforge_ros.metrics.segmentation import percent
from depthforge_ros.metrics.slices import SLICES
from depthforge_ros.metrics.temporal import LENGTHS
from depthforge_ros.metrics.uncertainty import (
    confidence_levels,
    HIGHEST,
    LEVELS,
    THRESHOLDS,
    uncertainty_figures,
)
from depthforge_ros.metrics.uncertainty import levels as value_levels
import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
UNIT = 10**6
"""Shares and errors are counted in its fractions."""
BINS = 10
"""Of confidence, for calibration."""
DEPTH_FIGURES = ('absrel', 'rmse_m', 'delta_125', 'delta_156', 'delta_195')
PERCENT = frozenset((
    'miou', 'pixel_accuracy', 'boundary_f', 'mvc8', 'mvc16', 'tc', 'flow_vc8', 'flow_vc16',
    'flicker', 'depth_tc', 'depth_scale_change', 'ece', 'aurc', 'auiou', 'error_auroc_confidence',
    'error_fpr95_confidence', 'error_auroc_entropy', 'error_fpr95_entropy',
))  # fmt: skip
"""Figures in percent; the others are ratios, or have their unit in the name."""


@dataclass
class Accumulators:
    """Accumulators over frames, in K classes that are judged and P of the masks."""

    confusion: Counts
    """(K, K + 1), see `metrics.confusion_matrix`."""
    boundary: Counts
    """(K, 4), see `boundary.boundary_counts`."""
    confidence_levels: Counts
    """(256, 2) labelled pixels per level of confidence, as the node publishes it: wrong, right."""
    class_levels: Counts
    """(K, 16, 2) the same per predicted class and 17 levels, 255 apart."""
    entropy_levels: Counts
    """(256, 2) labelled pixels per level of entropy: wrong, right."""
    slices: Counts
    """(S, K, 3), see `slices.FrameSlices`."""
    slice_depth: Counts
    """(S, 2): pixels with depth, their relative errors in millionths."""
    flow_confusion: Counts
    """(P, P + 1), see `temporal.TemporalChange`."""
    flicker: Counts
    """(2,): static pixels whose label changed, static pixels."""
    vc: Counts
    """(2, 2) for windows of 8 and 16 frames: windows, sum of VC in millionths."""
    flow_vc: Counts
    """(2, 2): the same without labels, along the flow."""
    depth: Counts
    """(6,): frames, then AbsRel, RMSE in m and three deltas in millionths."""
    depth_pairs: Counts
    """(3,): pairs of frames, their same_depth and scale_change in millionths."""
    entropy: Counts
    """(2,): frames, sum in millionths."""
    domain_shift: Counts
    """(2,): frames, sum in millionths."""
    pace: Counts
    """(2,): answers, nanoseconds that they took, one after the other."""

    @classmethod
    def zeros(cls, classes: int, mask_classes: int) -> Accumulators:
        """Return sums of no frame."""
        shapes = {
            'confusion': (classes, classes + 1),
            'boundary': (classes, BOUNDARY_COLUMNS),
            'confidence_levels': (LEVELS, 2),
            'class_levels': (classes, THRESHOLDS, 2),
            'entropy_levels': (LEVELS, 2),
            'slices': (len(SLICES), classes, 3),
            'slice_depth': (len(SLICES), 2),
            'flow_confusion': (mask_classes, mask_classes + 1),
            'flicker': (2,),
            'vc': (len(LENGTHS), 2),
            'flow_vc': (len(LENGTHS), 2),
            'depth': (1 + len(DEPTH_FIGURES),),
            'depth_pairs': (3,),
            'entropy': (2,),
            'domain_shift': (2,),
            'pace': (2,),
        }
        return cls(**{name: np.zeros(shape, np.int64) for name, shape in shapes.items()})

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Accumulators:
        """Read what `to_json` gave."""
        return cls(**{one.name: np.array(stored[one.name], np.int64) for one in fields(cls)})

    def to_json(self) -> dict[str, Any]:
        """Return lists of integers by name."""
        return {one.name: getattr(self, one.name).tolist() for one in fields(self)}

    def add_depth(self, errors: DepthErrors) -> None:
        """Count one frame's depth."""
        self.depth += [1, *(_units(getattr(errors, name)) for name in DEPTH_FIGURES)]

    def add_windows(self, name: str, shares: Sequence[float | None]) -> None:
        """Count windows of 8 and 16 frames that end with one frame."""
        getattr(self, name)[:] += [
            [0, 0] if share is None else [1, _units(share)] for share in shares
        ]

    def add_depth_pair(self, same_depth: float | None, scale_change: float | None) -> None:
        """Count one pair of frames."""
        if same_depth is not None and scale_change is not None:
            self.depth_pairs += [1, _units(same_depth), _units(scale_change)]

    def add_value(self, name: str, value: float | None) -> None:
        """Count one frame's entropy or domain shift."""
        if value is not None:
            getattr(self, name)[:] += [1, _units(value)]

    def add_confidence(
        self,
        confidence: npt.NDArray[np.uint8],
        predicted: npt.NDArray[np.uint8],
        right: npt.NDArray[np.bool_],
    ) -> None:
        """Count labelled pixels (N,) by their level, class, and whether they are right."""
        found = confidence_levels(confidence, predicted, right, classes=len(self.confusion))
        self.confidence_levels += found.all
        self.class_levels += found.per_class

    def add_entropy(self, entropy: npt.NDArray[np.uint8], right: npt.NDArray[np.bool_]) -> None:
        """Count labelled pixels (N,) by their level, and whether they are right."""
        self.entropy_levels += value_levels(entropy, right)

    @property
    def calibration(self) -> Counts:
        """(10, 3) per bin of confidence: labelled pixels, those that are right, sum of levels."""
        level = np.arange(LEVELS)
        pixels, right = self.confidence_levels.sum(1), self.confidence_levels[:, 1]
        bins = np.minimum(level * BINS // HIGHEST, BINS - 1)
        binned = np.zeros((BINS, 3), np.int64)
        np.add.at(binned, bins, np.stack([pixels, right, pixels * level], axis=1))
        return binned

    def figures(self, classes: Sequence[str]) -> dict[str, Any]:
        """
        Return the figures; None for those without data.

        `per_class` and those of PERCENT are in percent, `domain_shift` is in standard deviations
        of the training images. docs/evaluation.md says what each means.
        """
        return {
            **_segmentation(self.confusion, classes),
            'boundary_f': percent(boundary_f(self.boundary)),
            'ece': percent(expected_calibration_error(self.calibration)),
            **self._uncertainty(),
            **dict(zip(('mvc8', 'mvc16'), map(_mean_percent, self.vc), strict=True)),
            'tc': percent(mean_iou(self.flow_confusion)),
            **dict(zip(('flow_vc8', 'flow_vc16'), map(_mean_percent, self.flow_vc), strict=True)),
            'flicker': percent(_ratio(self.flicker[0], self.flicker[1])),
            **{
                name: _mean(self.depth[0], total)
                for name, total in zip(DEPTH_FIGURES, self.depth[1:], strict=True)
            },
            'depth_tc': _mean_percent(self.depth_pairs[[0, 1]]),
            'depth_scale_change': _mean_percent(self.depth_pairs[[0, 2]]),
            'entropy': _mean(*self.entropy),
            'domain_shift': _mean(*self.domain_shift),
            'throughput_hz': _rate_hz(*self.pace),
        }

    def _uncertainty(self) -> dict[str, float | None]:
        found = uncertainty_figures(
            self.confidence_levels,
            self.entropy_levels,
            self.class_levels,
            self.confusion.sum(axis=1),
        )
        return {name: percent(share) for name, share in found.items()}


def total(parts: Iterable[Accumulators]) -> Accumulators:
    """Merge sums; UserError where they were counted in different classes."""
    first, *rest = parts
    merged = Accumulators.from_json(first.to_json())
    for one in rest:
        for field in fields(Accumulators):
            whole, part = getattr(merged, field.name), getattr(one, field.name)
            if whole.shape != part.shape:
                raise UserError(
                    f'figures in {len(whole)} and in {len(part)} classes do not add up; judge all '
                    'with one model and one --label-space'
                )
            whole += part
    return merged


def expected_calibration_error(calibration: Counts) -> float:
    """
    Mean over labelled pixels of |share that is right - mean confidence| of their bin, in [0, 1].

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, with 10 equal bins.
    """
    pixels, right, levels = calibration.T.astype(np.float64)
    return float(np.abs(right - levels / HIGHEST).sum() / pixels.sum()) if pixels.any() else np.nan


def _segmentation(confusion: Counts, classes: Sequence[str]) -> dict[str, Any]:
    if not confusion.any():
        return {'miou': None, 'per_class': None, 'pixel_accuracy': None}
    iou = map(percent, iou_per_class(confusion))
    return {
        'miou': percent(mean_iou(confusion)),
        'per_class': dict(zip(classes, iou, strict=True)),
        'pixel_accuracy': percent(pixel_accuracy(confusion)),
    }


def _units(value: float) -> int:
    return round(value * UNIT)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float('nan')


def _mean(count: int, units: int) -> float | None:
    return round(float(units / UNIT / count), 4) if count else None


def _mean_percent(counted: Counts) -> float | None:
    count, units = counted
    return percent(_ratio(units / UNIT, count))


def _rate_hz(answers: int, duration_ns: int) -> float | None:
    return round(float(answers * 1e9 / duration_ns), 3) if duration_ns else None
