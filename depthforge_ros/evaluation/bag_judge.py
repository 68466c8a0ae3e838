# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A bag's answers against its ground truth, camera by camera."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from depthforge_ros.bags.bag import Bag, Bags, is_bag
from depthforge_ros.bags.node_figures import node_figures
from depthforge_ros.bags.repair import readable
from depthforge_ros.errors import UserError
from depthforge_ros.evaluation.answers import (
    Answer,
    MASK_ENDING,
    predicted_answers,
    recorded_answers,
    REPEATED_STAMP,
)
from depthforge_ros.evaluation.camera_judge import CameraJudge, Spaces
from depthforge_ros.evaluation.judgement import BagJudgement, Judgement
from depthforge_ros.evaluation.truth import open_truth, Truth
from depthforge_ros.evaluation.truth_mismatch import TRUTH_SIZE
from depthforge_ros.labels import LabelSpace
from depthforge_ros.pipeline import Pipeline
from tqdm import tqdm

DROPPED = 'dropped.'
"""What the node's names of drops by reason begin with."""
OWN_REASONS = (REPEATED_STAMP, TRUTH_SIZE)
"""Reasons of drops here, of which the node does not know."""
IDENTITY = ('model', 'engine', 'fingerprint')


@dataclass(frozen=True)
class BagQuestion:
    """What is judged against what."""

    bag: Path
    truth: Path
    """Bag, or folder of files named by stamp, with the ground truth; may be the same bag."""
    mask_space: LabelSpace | None = None
    """Classes of recorded masks, by default those of the ground truth."""
    truth_space: LabelSpace | None = None
    """Classes of the ground truth, if it does not say them."""
    target: LabelSpace | None = None
    """Classes to judge in, by default the coarser of the ground truth's and the masks'."""
    topics: tuple[str, ...] = ()
    """Camera topics, by default all."""


def has_masks(path: Path) -> bool:
    """Tell whether masks of the node were recorded in a bag."""
    with readable(path) as (copy, _), Bag(copy) as bag:
        return bag.topic_ending(MASK_ENDING) is not None


def judge_bag(question: BagQuestion, pipeline: Pipeline | None = None) -> BagJudgement:
    """
    Judge the masks recorded in the bag or, with a pipeline, run the model over its images.

    A bag that is cut short is judged as far as it goes; the judgement says so. Its figures are
    the same each time, but for the latencies of a model that is run.
    """
    with ExitStack() as copies:
        path, damage = copies.enter_context(readable(question.bag))
        truth = path if question.truth == question.bag else question.truth
        if is_bag(truth) and truth != path:
            truth, truth_damage = copies.enter_context(readable(truth))
            damage = damage or truth_damage
        judged = _judge_cameras(path, replace(question, truth=truth), pipeline)
    return replace(judged, damage=damage or judged.damage)


def _judge_cameras(path: Path, question: BagQuestion, pipeline: Pipeline | None) -> BagJudgement:
    """Judge the bag of a question, which is read from `path`."""
    cameras = {}
    damage = None
    with Bag(path) as bag:
        names = {one: bag.camera_name(one) for one in bag.camera_topics(question.topics)}
        if not names:
            raise UserError(
                f'{question.bag} has no topic of camera images; it has '
                f'{", ".join(sorted(bag.topics)) or "no topics"}'
            )
        counts = {topic: bag.count(topic) for topic in names}
        if pipeline is None and not question.topics:
            # The node may have run on some of the cameras.
            answered = {one for one, name in names.items() if bag.topic_ending(MASK_ENDING, name)}
            names = {one: name for one, name in names.items() if one in answered or not answered}
    for topic, name in names.items():
        with Bags() as bags:
            truth = open_truth(bags, question.truth, name, space=question.truth_space)
            spaces = _spaces(question, pipeline, truth)
            judge = CameraJudge(topic, spaces, truth)
            answers = _answers(
                bags, path, topic, name=name, alone=len(names) == 1, pipeline=pipeline
            )
            for answer in tqdm(answers, desc=topic, unit='frame', total=counts[topic]):
                judge.add(answer)
            try:
                cameras[topic] = judge.finish()
            except UserError as error:
                raise UserError(f'{question.bag}: {error}') from error
            cameras[topic].warnings[:0] = bags.warnings
            damage = damage or bags.damage
    _refuse_nothing(question, cameras)
    if pipeline is None:
        _take_reasons(path, cameras)
    return BagJudgement(question.bag.name, _identity(path, pipeline), cameras, damage)


def _answers(
    bags: Bags,
    path: Path,
    topic: str,
    *,
    name: str | None,
    alone: bool,
    pipeline: Pipeline | None,
) -> Iterator[Answer]:
    if pipeline is not None:
        return predicted_answers(bags, path, topic, pipeline=pipeline)
    with Bag(path) as bag:
        if alone and bag.topic_ending(MASK_ENDING, name) is None:
            # The node was given one of the cameras, without a name.
            name = None
        mask_topic = bag.topic_ending(MASK_ENDING, name)
        images = ', '.join(bag.image_topics)
    if mask_topic is None:
        part = f'{name}/...' if name else ''
        raise UserError(
            f'{path} holds no masks on a topic .../{part}{MASK_ENDING[1:]}, but {images}; record '
            'the node into it, choose its camera by --topic, or give --model to run one'
        )
    return recorded_answers(bags, path, topic, mask_topic=mask_topic, camera=name)


def _spaces(question: BagQuestion, pipeline: Pipeline | None, truth: Truth) -> Spaces:
    masks = pipeline.engine.label_space if pipeline else question.mask_space or truth.space
    if masks is None:
        raise UserError(
            f'{question.bag} does not say what the classes of its masks are; say it by '
            '--mask-labels'
        )
    return Spaces(masks=masks, truth=truth.space, wanted=question.target)


def _refuse_nothing(question: BagQuestion, cameras: dict[str, Judgement]) -> None:
    """Raise UserError where there was nothing to judge at all."""
    for topic, one in cameras.items():
        if not one.clips:
            raise UserError(f'{question.bag} holds no image on {topic}; record it again')
    if all(latency is None for one in cameras.values() for latency in one.latencies_ms):
        reasons = {reason for one in cameras.values() for reason in one.dropped_by_reason}
        raise UserError(
            f'none of the images of {question.bag} on {", ".join(cameras)} has an answer '
            f'({", ".join(sorted(reasons))}); compare the header stamps of images and masks, or '
            'check the encoding of the images'
        )


def _take_reasons(path: Path, cameras: dict[str, Judgement]) -> None:
    """Name the drops as the node did, where its diagnostics were recorded."""
    for topic, one in cameras.items():
        said = {
            name.removeprefix(DROPPED): int(value)
            for name, value in node_figures(path, topic=topic).items()
            if name.startswith(DROPPED)
        }
        if said:
            own = {name: one.dropped_by_reason[name] for name in OWN_REASONS}
            one.dropped_by_reason.clear()
            one.dropped_by_reason.update(said | {name: n for name, n in own.items() if n})


def _identity(path: Path, pipeline: Pipeline | None) -> dict[str, str]:
    if pipeline is None:
        said = node_figures(path)
        return {'judged': 'recorded', **{one: said[one] for one in IDENTITY if one in said}}
    engine = pipeline.engine
    return {
        'judged': 'predicted',
        'model': engine.model,
        'engine': engine.name,
        'fingerprint': engine.fingerprint,
    }
