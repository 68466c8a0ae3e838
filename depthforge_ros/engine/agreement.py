# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""How far an engine's answer is from the reference's, and whether that is near enough."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from depthforge_ros.engine.base import NetworkOutput
import numpy as np
import numpy.typing as npt


class Limits(NamedTuple):
    """How far an answer may be off, for `Agreement.is_near`."""

    mask: float
    depth: float


NEAR = Limits(0.995, 0.02)
NEAR_FP8 = Limits(0.98, 0.05)
"""Three bits of mantissa: docs/engines.md has what they cost in mIoU."""


@dataclass(frozen=True)
class Agreement:
    """Two answers to the same frames."""

    limits: Limits

    mask: float
    """Share of pixels of the same class."""
    depth: float
    """Mean difference of the inverse depths over the reference's mean."""
    max_abs_error: float
    """Largest difference of two inverse depths."""

    @property
    def is_near(self) -> bool:
        """Whether one may stand in for the other."""
        return self.mask >= self.limits.mask and self.depth <= self.limits.depth

    def __str__(self) -> str:
        return (
            f'{100.0 * self.mask:.2f} % of the pixels agree (at least '
            f'{100.0 * self.limits.mask:g}), depth differs by {100.0 * self.depth:.2f} % (at '
            f'most {100.0 * self.limits.depth:g})'
        )


class Proof(NamedTuple):
    """What an answer is compared with."""

    labels: npt.NDArray[np.uint8]
    """(B, h, w), train id."""
    inverse_depth: npt.NDArray[np.float32]
    """(B, h, w)."""


def write_proof(path: Path, reference: NetworkOutput) -> None:
    """Keep an answer for comparisons to come."""
    np.savez_compressed(
        path, labels=reference.labels, inverse_depth=reference.inverse_depth.astype(np.float32)
    )


def read_proof(path: Path) -> Proof:
    """Read what `write_proof` wrote."""
    with np.load(path, allow_pickle=False) as file:
        return Proof(file['labels'], file['inverse_depth'])


def compare(
    answer: NetworkOutput, reference: NetworkOutput | Proof, precision: str = 'fp32'
) -> Agreement:
    """Compare an answer in a precision; numbers that are not finite are infinitely far."""
    error = np.abs(answer.inverse_depth.astype(np.float64) - reference.inverse_depth)
    error = np.where(np.isfinite(error), error, np.inf)
    return Agreement(
        limits=NEAR_FP8 if precision == 'fp8' else NEAR,
        mask=float((answer.labels == reference.labels).mean()),
        depth=float(error.mean() / max(float(reference.inverse_depth.mean()), 1e-9)),
        max_abs_error=float(error.max()),
    )
