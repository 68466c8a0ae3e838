# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Short stretches of a drive: the units that figures are added up, compared and merged by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from depthforge_ros.metrics.accumulators import Accumulators, total
import numpy as np
import numpy.typing as npt

CLIP_FRAMES = 8
"""Neighbouring frames are alike, so confidence intervals draw whole clips of so many."""


@dataclass
class Clip:
    """Consecutive frames of one camera."""

    camera: str
    """Topic of its images."""
    start_ns: int
    """Stamp of its first frame."""
    sums: Accumulators
    received: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    """Of the answered frames; kept, so that merged quantiles are exact."""
    ages_ms: list[float] = field(default_factory=list)
    time_s: float = 0.0
    """Of its first frame, since the first of the drive."""
    tags: list[str] = field(default_factory=list)
    """Of all its frames."""

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Clip:
        """Read what `to_json` gave."""
        return cls(**{**stored, 'sums': Accumulators.from_json(stored['sums'])})

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers, strings and lists by name."""
        return {**vars(self), 'sums': self.sums.to_json()}


def clip_figures(clips: Sequence[Clip], classes: Sequence[str]) -> dict[str, Any]:
    """Return the figures of all frames of some clips, at least one; see `Accumulators.figures`."""
    latencies_ms = _joined(clip.latencies_ms for clip in clips)
    received = sum(clip.received for clip in clips)
    return {
        **total(clip.sums for clip in clips).figures(classes),
        **quantiles('latency_ms', latencies_ms),
        **quantiles('age_ms', _joined(clip.ages_ms for clip in clips)),
        'received': received,
        'published': len(latencies_ms),
        'dropped': received - len(latencies_ms),
    }


def _joined(lists: Iterable[list[float]]) -> list[float]:
    return [value for one in lists for value in one]


def quantiles(
    name: str, values: Sequence[float] | npt.NDArray[np.float64]
) -> dict[str, float | None]:
    """Return `name` with the endings `_p50`, `_p99` and `_max`; None of no values."""
    names = [f'{name}_{ending}' for ending in ('p50', 'p99', 'max')]
    if not len(values):
        return dict.fromkeys(names)
    found = np.percentile(values, (50, 99, 100))
    return {one: round(float(value), 3) for one, value in zip(names, found, strict=True)}
