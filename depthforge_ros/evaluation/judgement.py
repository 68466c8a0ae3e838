# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The judgement of a drive: figures, time lines, and a few moments to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from depthforge_ros.evaluation.evidence import Evidence
from depthforge_ros.evaluation.tags import tags_without_frames
from depthforge_ros.labels import LabelSpace
from depthforge_ros.metrics.accumulators import total
from depthforge_ros.metrics.clips import Clip, clip_figures
from depthforge_ros.metrics.slice_table import slice_figures
import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Moment:
    """A frame to show."""

    time_s: float
    """Since the first frame."""
    rgb: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    inverse_depth: npt.NDArray[np.float32]
    truth: npt.NDArray[np.uint8] | None = None
    """(H, W) train ids in the classes of the ground truth; None where there is none."""
    stamp_ns: int = 0
    score: float | None = None
    """Its mIoU or, without ground truth, its TC with the frame before; in percent."""


@dataclass
class TimeLine:
    """A figure of every camera frame; None where it is not known or the frame was dropped."""

    time_s: list[float] = field(default_factory=list)
    """Since the first frame."""
    latency_ms: list[float | None] = field(default_factory=list)
    miou: list[float | None] = field(default_factory=list)
    """Percent."""
    absrel: list[float | None] = field(default_factory=list)
    tc: list[float | None] = field(default_factory=list)
    """Percent; with the answered frame before."""
    flicker: list[float | None] = field(default_factory=list)
    """Percent of the static pixels."""
    depth_tc: list[float | None] = field(default_factory=list)
    """Percent; with the answered frame before."""
    entropy: list[float | None] = field(default_factory=list)
    """Mean over the frame, nats / ln(classes), [0, 1]."""
    domain_shift: list[float | None] = field(default_factory=list)
    """Standard deviations."""

    def append(self, **values: float | None) -> None:
        """Add a frame."""
        for name, values_of_all in vars(self).items():
            value = values.get(name)
            values_of_all.append(None if value is None else round(value, 4))


@dataclass
class Judgement:
    """The judgement of one camera."""

    topic: str
    mask_space: LabelSpace
    """Classes of the masks, as in the moments."""
    space: LabelSpace
    """Classes that were judged, as in confusion and per-class figures."""
    truth_space: LabelSpace | None
    """Classes of the moments' ground truth."""
    line: TimeLine = field(default_factory=TimeLine)
    moments: list[Moment] = field(default_factory=list)
    """Evenly spread over the drive."""
    worst: list[Moment] = field(default_factory=list)
    """Lowest score first, at most one of each clip."""
    clips: list[Clip] = field(default_factory=list)
    dropped_by_reason: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    """What makes the figures say less than they seem to."""
    distances: str | None = None
    """What the distance bands are from: `truth`, `own` depth with a scale, or nothing."""
    evidence: Evidence | None = None
    """Frames that show what is wrong, where they are asked for."""

    def figures(self) -> dict[str, Any]:
        """Return the figures of this camera, as `--json` has them under `cameras`."""
        return {
            **all_figures(self.clips, self.space.classes, self.dropped_by_reason),
            'distances': self.distances,
        }


@dataclass
class BagJudgement:
    """The judgement of all cameras of a bag."""

    bag: str
    """Its name."""
    identity: dict[str, str]
    """What answered: `judged` (`recorded` or `predicted`), `model`, `engine`, `fingerprint`."""
    cameras: dict[str, Judgement]
    """By topic."""
    damage: str | None
    """Why the bag could not be read to its end; None if it could."""
    unmatched_tags: list[str] | None = None
    """Lines of the table of tags that match no frame; None without a table."""

    def figures(self) -> dict[str, Any]:
        """Return the figures of `--json`: of all cameras together, and of each."""
        clips = [clip for one in self.cameras.values() for clip in one.clips]
        dropped: Counter[str] = Counter()
        for one in self.cameras.values():
            dropped += one.dropped_by_reason
        of_cameras = {topic: one.figures() for topic, one in self.cameras.items()}
        first = next(iter(of_cameras.values()))
        of_all = first if len(of_cameras) == 1 else all_figures(clips, self._classes, dropped)
        return {
            'bag': self.bag,
            **self.identity,
            'complete': self.damage is None,
            'damage': self.damage,
            'warnings': self.warnings,
            **of_all,
            'distances': first['distances'],
            'unmatched_tags': self.unmatched_tags,
            'cameras': {
                topic: {**figures, 'time_line': vars(self.cameras[topic].line)}
                for topic, figures in of_cameras.items()
            },
            'clips': [clip.to_json() for clip in clips],
        }

    @property
    def warnings(self) -> list[str]:
        """Return what makes the figures of its cameras say less than they seem to."""
        said = [warning for one in self.cameras.values() for warning in one.warnings]
        return said + tags_without_frames(self.unmatched_tags or [])

    @property
    def _classes(self) -> tuple[str, ...]:
        return next(iter(self.cameras.values())).space.classes


def all_figures(
    clips: list[Clip], classes: tuple[str, ...], dropped: Mapping[str, int]
) -> dict[str, Any]:
    """Return the figures of some clips, why frames were dropped, and what plots need."""
    sums = total(clip.sums for clip in clips)
    return {
        **clip_figures(clips, classes),
        'dropped_by_reason': dict(sorted(dropped.items())),
        'classes': list(classes),
        'confusion': sums.confusion.tolist(),
        'calibration': sums.calibration.tolist(),
        'confidence_levels': sums.confidence_levels.tolist(),
        **slice_figures(clips, classes),
    }
