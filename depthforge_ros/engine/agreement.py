# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""How close an engine's answer is to the reference's, and whether that is close enough."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from depthforge_ros.engine.base import NetworkOutput
from depthforge_ros.errors import UserError
import numpy as np
import numpy.typing as npt


class Limits(NamedTuple):
    """How far the answer to any one frame may be off, for `Agreement.is_near`."""

    mask: float
    depth: float
    confidence: float
    entropy: float


NEAR = Limits(0.995, 0.02, 0.01, 0.01)
NEAR_HALF = Limits(0.99, 0.02, 0.01, 0.01)
"""Eight bits of mantissa: bf16 costs the shipped models up to 0.5 % of a frame's pixels."""
NEAR_FP8 = Limits(0.97, 0.05, 0.03, 0.03)
"""Three bits of mantissa: docs/accuracy.md has what they cost in mIoU."""
LIMITS: Mapping[str, Limits] = {
    'fp32': NEAR,
    'bf16': NEAR_HALF,
    'fp16': NEAR_HALF,
    'fp8': NEAR_FP8,
}
"""By precision."""


@dataclass(frozen=True)
class Agreement:
    """Two answers to the same frames; each figure is that of the worst frame."""

    limits: Limits

    mask: float
    """Share of pixels of the same class."""
    depth: float
    """Mean difference of the inverse depths over the reference's mean."""
    confidence: float
    """Mean difference, of shares in [0, 1]."""
    entropy: float
    """Mean difference, of normalised entropies in [0, 1]."""
    max_abs_error: float
    """Largest difference of two inverse depths."""

    @classmethod
    def worst(cls, agreements: Iterable[Agreement]) -> Agreement:
        """Take the worst of each figure; at least one agreement is needed."""
        every = list(agreements)
        return cls(
            limits=every[0].limits,
            mask=min(one.mask for one in every),
            depth=max(one.depth for one in every),
            confidence=max(one.confidence for one in every),
            entropy=max(one.entropy for one in every),
            max_abs_error=max(one.max_abs_error for one in every),
        )

    @property
    def is_near(self) -> bool:
        """Whether one may stand in for the other."""
        return (
            self.mask >= self.limits.mask
            and self.depth <= self.limits.depth
            and self.confidence <= self.limits.confidence
            and self.entropy <= self.limits.entropy
        )

    def __str__(self) -> str:
        limits = self.limits
        return (
            f'{100.0 * self.mask:.2f} % of the pixels agree (at least {100.0 * limits.mask:g}), '
            f'depth differs by {100.0 * self.depth:.2f} % (at most {100.0 * limits.depth:g}), '
            f'confidence by {self.confidence:.4f} (at most {limits.confidence:g}), entropy by '
            f'{self.entropy:.4f} (at most {limits.entropy:g})'
        )


def compare(answer: NetworkOutput, reference: NetworkOutput, limits: Limits = NEAR) -> Agreement:
    """Compare frame by frame; numbers that are not finite are infinitely far."""
    if answer.labels.shape != reference.labels.shape:
        raise UserError(
            f'the answer has shape {answer.labels.shape}, and {reference.labels.shape} is '
            'expected; compile the engine again (`depthforge compile`)'
        )
    return Agreement.worst(
        _compare(answer, reference, index, limits) for index in range(len(reference.labels))
    )


def _compare(
    answer: NetworkOutput, reference: NetworkOutput, index: int, limits: Limits
) -> Agreement:
    depth = reference.inverse_depth[index]
    depth_error = _error(answer.inverse_depth[index], depth)
    return Agreement(
        limits=limits,
        mask=float((answer.labels[index] == reference.labels[index]).mean()),
        depth=float(depth_error.mean() / max(float(depth.mean()), 1e-9)),
        confidence=float(_error(answer.confidence[index], reference.confidence[index]).mean()),
        entropy=float(_error(answer.entropy[index], reference.entropy[index]).mean()),
        max_abs_error=float(depth_error.max()),
    )


def _error(values: npt.NDArray[Any], expected: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    error = np.abs(values.astype(np.float64) - expected)
    return np.where(np.isfinite(error), error, np.inf)
