# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A bag's answers against its ground truth: figures, and a few moments to look at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.evaluation.answers import (
    Answer,
    decoded,
    DEPTH_ENDING,
    MASK_ENDING,
    predicted_answers,
    recorded_answers,
    Series,
)
from depthforge_ros.evaluation.bag import Bag, stamp_ns
from depthforge_ros.evaluation.planes import depth_from_message, labels_from_message
from depthforge_ros.evaluation.prediction import percentile
from depthforge_ros.evaluation.segmentation import common_space, SegmentationScore
from depthforge_ros.labels import LabelSpace
from depthforge_ros.metrics import depth_errors, DepthErrors
from depthforge_ros.pipeline import Pipeline
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

LABELS_ENDING = '/labels'
TRUE_DEPTH_ENDING = '/depth'
MOMENTS = 8


@dataclass(frozen=True)
class BagQuestion:
    """What is judged against what."""

    bag: Path
    truth: Path
    """Bag with the ground truth by the same stamps; may be the same one."""
    mask_space: LabelSpace | None = None
    """Classes of recorded masks, by default those of the ground truth."""
    truth_space: LabelSpace | None = None
    """Classes of the ground truth, if the bag does not say them."""
    target: LabelSpace | None = None
    """Classes to judge in, by default the coarser of the ground truth's and the masks'."""
    topic: str | None = None
    """Camera topic, by default the only one."""


@dataclass(frozen=True)
class Moment:
    """A frame to show."""

    time_s: float
    """Since the first frame."""
    rgb: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    inverse_depth: npt.NDArray[np.float32]


@dataclass
class Judgement:
    """What came out."""

    mask_space: LabelSpace | None
    stamps_ns: list[int] = field(default_factory=list)
    """Of every camera frame."""
    latencies_ms: list[float | None] = field(default_factory=list)
    """Of every camera frame; None where it was dropped."""
    moments: list[Moment] = field(default_factory=list)
    segmentation: dict[str, Any] | None = None
    depth: list[DepthErrors] = field(default_factory=list)

    @property
    def times_s(self) -> list[float]:
        """Of every camera frame, since the first."""
        return [(stamp_ns - self.stamps_ns[0]) / 1e9 for stamp_ns in self.stamps_ns]

    def figures(self) -> dict[str, Any]:
        """Return the figures of `--json`; None where there is no ground truth."""
        answered = [one for one in self.latencies_ms if one is not None]
        nothing = {'miou': None, 'per_class': None, 'pixel_accuracy': None}
        return {
            **(self.segmentation or nothing),
            'absrel': _mean([one.absrel for one in self.depth]),
            'rmse_m': _mean([one.rmse_m for one in self.depth]),
            'delta_125': _mean([one.delta_125 for one in self.depth]),
            'latency_ms_p50': percentile(answered, 50),
            'latency_ms_p99': percentile(answered, 99),
            'received': len(self.latencies_ms),
            'published': len(answered),
            'dropped': len(self.latencies_ms) - len(answered),
        }


def has_masks(path: Path) -> bool:
    """Tell whether masks of the node were recorded in a bag."""
    with Bag(path) as bag:
        return bag.topic_ending(MASK_ENDING) is not None


def judge_bag(question: BagQuestion, pipeline: Pipeline | None = None) -> Judgement:
    """Judge the masks recorded in the bag or, with a pipeline, run the model over its images."""
    with ExitStack() as stack:
        images = stack.enter_context(Bag(question.bag))
        topic = images.camera_topic(question.topic)
        if pipeline is not None:
            answers = predicted_answers(images=images, topic=topic, pipeline=pipeline)
            mask_space: LabelSpace | None = pipeline.engine.label_space
        else:
            answers = _recorded(stack, question, images, topic)
            mask_space = question.mask_space
        truth = _Truth(stack, question, mask_space)
        judgement = Judgement(mask_space=mask_space or truth.space)
        endings = () if pipeline else (MASK_ENDING, DEPTH_ENDING)
        shown = _spread(question.bag, topic, *map(images.topic_ending, endings))
        for answer in tqdm(answers, desc='judge', unit='frame', total=images.count(topic)):
            _add(judgement, answer, truth, shown)
        judgement.segmentation = truth.segmentation()
        return judgement


def _recorded(
    stack: ExitStack, question: BagQuestion, images: Bag, topic: str
) -> Iterator[Answer]:
    mask_topic = images.topic_ending(MASK_ENDING)
    if mask_topic is None:
        raise UserError(
            f'{question.bag} holds no masks on a topic .../segmentation/mask; record the node '
            'into it, or give --model to run one'
        )
    return recorded_answers(
        images=images,
        topic=topic,
        masks=stack.enter_context(Bag(question.bag)),
        mask_topic=mask_topic,
        depths=stack.enter_context(Bag(question.bag)),
    )


class _Truth:
    """The ground truth of a bag, as far as it has any, and the scores against it."""

    def __init__(
        self, stack: ExitStack, question: BagQuestion, mask_space: LabelSpace | None
    ) -> None:
        labels = stack.enter_context(Bag(question.truth))
        depths = stack.enter_context(Bag(question.truth))
        topic = labels.topic_ending(LABELS_ENDING)
        self.space = labels.label_space or question.truth_space
        if topic is not None and self.space is None:
            raise UserError(
                f'{question.truth} holds labels on {topic} but not what their classes are; say it '
                'by --truth-labels'
            )
        self._labels = Series(labels, topic)
        self._depths = Series(depths, depths.topic_ending(TRUE_DEPTH_ENDING))
        self._score = None
        if self.space is not None:
            predicted = mask_space or self.space
            self._score = SegmentationScore(
                truth=self.space,
                predicted=predicted,
                target=question.target or common_space(self.space, predicted),
            )

    def add_labels(self, answer: Answer) -> None:
        truth = self._labels.at(answer.stamp_ns)
        if self._score is not None and truth is not None and answer.labels is not None:
            self._score.add(truth=labels_from_message(truth[1]), predicted=answer.labels)

    def depth_errors(self, answer: Answer) -> DepthErrors | None:
        truth = self._depths.at(answer.stamp_ns)
        if truth is None or answer.inverse_depth is None:
            return None
        return depth_errors(answer.inverse_depth, depth_from_message(truth[1]))

    def segmentation(self) -> dict[str, Any] | None:
        return self._score.figures() if self._score is not None else None


def _spread(path: Path, *topics: str | None) -> set[int]:
    """Choose stamps that all topics have, first to last and as far apart as can be."""
    with Bag(path) as bag:
        of_each = [
            {stamp_ns(message) for _, message in decoded(bag, topic or '')} for topic in topics
        ]
    stamps = sorted(set.intersection(*of_each))
    if not stamps:
        return set()
    return {stamps[round(one)] for one in np.linspace(0, len(stamps) - 1, MOMENTS)}


def _add(judgement: Judgement, answer: Answer, truth: _Truth, shown: set[int]) -> None:
    judgement.stamps_ns.append(answer.stamp_ns)
    judgement.latencies_ms.append(answer.latency_ms)
    truth.add_labels(answer)
    errors = truth.depth_errors(answer)
    if errors is not None:
        judgement.depth.append(errors)
    labels, inverse_depth = answer.labels, answer.inverse_depth
    if answer.stamp_ns in shown and labels is not None and inverse_depth is not None:
        time_s = judgement.times_s[-1]
        judgement.moments.append(Moment(time_s, answer.rgb(), labels, inverse_depth))


def _mean(values: list[float]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None
