# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Which frames of recordings are worth labelling: those that the model knows least, and unlike ones.

Every frame is scored by up to five signals. Each becomes a rank in [0, 1] among all frames, and
the value of a frame is the mean of its ranks. Frames are then picked one by one by the greedy
k-centre of Sener and Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set
Approach", ICLR 2018, on the engine's features, its distance weighted by the value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
import math
import re

from depthforge_ros.domain import DomainStatistics
from depthforge_ros.errors import UserError
from depthforge_ros.evaluation.sources import Source
from depthforge_ros.files import fitting
from depthforge_ros.metrics.segmentation import common_space, mapping
from depthforge_ros.metrics.temporal import LONGEST_SIDE, Tracker
from depthforge_ros.pipeline import Pipeline
from depthforge_ros.postprocess import Result
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

SIGNALS = ('uncertainty', 'domain_shift', 'flow', 'models', 'rarity')
"""
Mean entropy; distance from the training images; share of pixels that change their class along the
optical flow; share on which a second model disagrees; -ln of the classes' shares of all pixels.
"""
LEAST_FOLLOWED = 0.2
"""Share of pixels that the flow must follow, so that a frame is the next one of its video."""
LEAST_SHARE = 1e-6
NO_TEXT = re.compile('[\\ud800-\\udfff]')
"""What stands in a file's name for bytes that are no text."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """What is kept of a frame."""

    name: str
    source: int
    """Number of its input."""
    index: int
    """Number of the frame in its input."""
    features: npt.NDArray[np.float32]
    """(F,)."""
    shares: Floats
    """(K,) of the predicted classes."""
    signals: dict[str, float]
    """All but rarity; NaN where a signal is not known."""


@dataclass(frozen=True)
class Chosen:
    """A frame to label."""

    frame: Seen
    rank: int
    """Which pick it was, from 1."""
    value: float
    signals: Floats
    """In the order of `SIGNALS`."""

    @property
    def name(self) -> str:
        """Return the stem of its files: text, which all tools read, whatever bytes came."""
        rank = f'{self.rank:04d}_'
        return rank + NO_TEXT.sub('_', fitting(self.frame.name, len(rank)))


@dataclass
class Survey:
    """All frames that could be read."""

    frames: list[Seen] = field(default_factory=list)
    skipped: int = 0
    """Broken frames."""

    def signals(self) -> Floats:
        """Return (N, 5) in the order of `SIGNALS`; NaN where one is not known."""
        shares = np.stack([one.shares for one in self.frames])
        rarity = shares @ -np.log(np.maximum(shares.mean(0), LEAST_SHARE))
        known = [[one.signals[name] for name in SIGNALS[:-1]] for one in self.frames]
        return np.column_stack([np.array(known, np.float64), rarity])


class Surveyor:
    """Runs one or two models over frames."""

    def __init__(self, pipeline: Pipeline, second: Pipeline | None = None) -> None:
        self._pipeline, self._second = pipeline, second
        self._space = pipeline.engine.label_space
        self._space.require_8_bit()
        self._domain = DomainStatistics.fitting(pipeline.engine)
        if second is not None:
            other = second.engine.label_space
            both = common_space(self._space, other)
            self._to_both = mapping(self._space, both), mapping(other, both)

    def __call__(self, sources: Sequence[Source], report: Callable[[str], None]) -> Survey:
        """Score every frame; `report` is given one line for each broken one, which is skipped."""
        survey = Survey()
        total = sum(source.count for source in sources) or None
        with tqdm(desc='survey', unit='frame', total=total) as bar:
            for number, source in enumerate(sources):
                tracker = Tracker(len(self._space))
                for index, frame in enumerate(source.frames()):
                    bar.update()
                    try:
                        rgb = frame.read()
                        result, _ = self._pipeline(rgb)
                    except UserError as error:
                        survey.skipped += 1
                        report(f'skipped {frame.name}: {error}')
                        continue
                    features = self._features(result)
                    shares = self._shares(result.labels)
                    signals = self._signals(rgb, result, features, tracker)
                    survey.frames.append(
                        Seen(frame.name, number, index, features, shares, signals)
                    )
        if not survey.frames:
            raise UserError(f'none of {survey.skipped} frames could be read; see the lines above')
        return survey

    def _features(self, result: Result) -> npt.NDArray[np.float32]:
        features = result.output.features
        if features is None:
            raise UserError(
                f'engine {self._pipeline.engine.name} gives no features, by which frames are told '
                'apart; choose another --engine'
            )
        return np.asarray(features[result.index], np.float32)

    def _shares(self, labels: npt.NDArray[np.uint8]) -> Floats:
        counts = np.bincount(labels.ravel(), minlength=len(self._space))[: len(self._space)]
        return np.asarray(counts / max(counts.sum(), 1))

    def _signals(
        self,
        rgb: npt.NDArray[np.uint8],
        result: Result,
        features: npt.NDArray[np.float32],
        tracker: Tracker,
    ) -> dict[str, float]:
        return {
            'uncertainty': float(result.entropy.mean()),
            'domain_shift': self._domain.distance(features) if self._domain else math.nan,
            'flow': _changed(tracker, rgb, result),
            'models': self._disagreement(rgb, result.labels),
        }

    def _disagreement(self, rgb: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> float:
        if self._second is None:
            return math.nan
        result, _ = self._second(rgb)
        mine, its = self._to_both
        return float(np.mean(mine[labels] != its[result.labels]))


def _changed(tracker: Tracker, rgb: npt.NDArray[np.uint8], result: Result) -> float:
    """Share of the followed pixels whose class changed; NaN for the first frame and after cuts."""
    change = tracker.add(rgb, result.labels, None)
    if change is None:
        return math.nan
    followed = int(change.flow_confusion.sum())
    every = -(-max(result.labels.shape) // LONGEST_SIDE)
    if followed < LEAST_FOLLOWED * result.labels[::every, ::every].size:
        return math.nan
    return 1.0 - float(np.trace(change.flow_confusion)) / followed


def select(frames: Sequence[Seen], signals: Floats, budget: int) -> list[Chosen]:
    """Pick `budget` of the frames by their signals (N, S) and features, the best first."""
    value = values(signals)
    picked = choose(np.stack([one.features for one in frames]), value, budget)
    return [
        Chosen(frames[index], rank, round(float(value[index]), 4), signals[index])
        for rank, index in enumerate(picked, start=1)
    ]


def values(signals: Floats) -> Floats:
    """Mean rank (N,) in [0, 1] of signals (N, S), of those that are known; ties share a rank."""
    ranks = np.full(signals.shape, np.nan)
    for column, signal in enumerate(signals.T):
        known = ~np.isnan(signal)
        if known.any():
            ordered = np.sort(signal[known])
            below = np.searchsorted(ordered, signal[known], 'left')
            up_to = np.searchsorted(ordered, signal[known], 'right')
            ranks[known, column] = (below + up_to) / 2.0 / len(ordered)
    count = np.maximum((~np.isnan(ranks)).sum(1), 1)
    return np.asarray(np.nansum(ranks, axis=1) / count)


def choose(features: npt.NDArray[np.float32], value: Floats, budget: int) -> list[int]:
    """
    Pick `budget` frames of features (N, F) and values (N,), the first being the most valuable.

    Every next one has the largest product of its value and its distance from those picked.
    """
    deviation = np.maximum(features.std(0), 1e-6)
    points = (features - features.mean(0)) / deviation
    chosen = [int(np.argmax(value))]
    distance = np.full(len(points), np.inf)
    while len(chosen) < budget:
        apart = np.linalg.norm(points - points[chosen[-1]], axis=1)
        distance = np.minimum(distance, apart)
        gain = distance * value
        gain[chosen] = -1.0
        chosen.append(int(np.argmax(gain)))
    return chosen
