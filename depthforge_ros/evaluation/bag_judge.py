# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A bag's answers against its ground truth, camera by camera."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from depthforge_ros.bags.bag import Bag, Bags, namespace
from depthforge_ros.bags.node_figures import node_figures
from depthforge_ros.bags.repair import repaired
from depthforge_ros.bags.storage_files import is_bag
from depthforge_ros.errors import joined, UserError
from depthforge_ros.evaluation.answers import (
    Answer,
    MASK_ENDING,
    NO_ANSWER,
    predicted_answers,
    recorded_answers,
    REPEATED_STAMP,
)
from depthforge_ros.evaluation.camera_judge import CameraJudge, Slicing, Spaces, untagged
from depthforge_ros.evaluation.judgement import BagJudgement, Judgement
from depthforge_ros.evaluation.own_distance import OwnDistance, recorded_camera
from depthforge_ros.evaluation.tags import Tags
from depthforge_ros.evaluation.truth import open_truth, Truth
from depthforge_ros.evaluation.truth_mismatch import TRUTH_SIZE
from depthforge_ros.labels import LABEL_SPACES, LabelSpace
from depthforge_ros.pipeline import Pipeline
from tqdm import tqdm

DROPPED = 'dropped.'
"""What the node's names of drops by reason begin with."""
OWN_REASONS = (REPEATED_STAMP, TRUTH_SIZE)
"""Reasons of drops here, of which the node does not know."""
IDENTITY = ('model', 'engine', 'fingerprint')


@dataclass(frozen=True)
class BagRequest:
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
    tags: Tags | None = None
    """Of frames, whose names are `BAG/STAMP_NS`."""
    camera_height_m: float | None = None
    """Above the road: gives distances where the ground truth has no depth."""
    keeps_evidence: bool = False
    """Whether frames that show the errors are kept, for a report."""


def has_masks(path: Path) -> bool:
    """Tell whether masks of the node were recorded in a bag."""
    with repaired(path) as (copy, _), Bag(copy) as bag:
        return bag.topic_ending(MASK_ENDING) is not None


@dataclass(frozen=True)
class _Camera:
    """A camera topic that is judged."""

    topic: str
    name: str | None
    """In the topics of its answers and ground truth; None where it is the only one."""
    frames: int
    is_alone: bool


def judge_bag(request: BagRequest, pipeline: Pipeline | None = None) -> BagJudgement:
    """
    Judge the masks recorded in the bag or, with a pipeline, run the model over its images.

    A bag that is cut short is judged as far as it goes; the judgement says so. Its figures are
    the same each time, but for the latencies of a model that is run.
    """
    with ExitStack() as copies:
        path, damage = copies.enter_context(repaired(request.bag))
        truth = path if request.truth == request.bag else request.truth
        if is_bag(truth) and truth != path:
            truth, truth_damage = copies.enter_context(repaired(truth))
            damage = damage or truth_damage
        judged = _judge_cameras(path, replace(request, truth=truth), pipeline)
    return replace(judged, damage=joined(damage, judged.damage))


def _judge_cameras(path: Path, request: BagRequest, pipeline: Pipeline | None) -> BagJudgement:
    """Judge the bag of a request, which is read from `path`."""
    with Bag(path) as bag:
        cameras = _cameras(bag, request, is_recorded=pipeline is None)
        unread = _unread_cameras(bag, request, is_recorded=pipeline is None)
    judged: dict[str, Judgement] = {}
    damage = None
    for camera in cameras:
        with Bags() as bags:
            judged[camera.topic] = _judge_camera(bags, path, camera, request, pipeline)
            damage = damage or bags.damage
    _require_answers(request, judged)
    if pipeline is None:
        _use_drop_reasons_of_node(path, judged)
    unmatched = request.tags.unmatched if request.tags else None
    damage = joined(*unread, damage)
    return BagJudgement(request.bag.name, _identity(path, pipeline), judged, damage, unmatched)


def _cameras(bag: Bag, request: BagRequest, *, is_recorded: bool) -> list[_Camera]:
    """List the cameras to judge: if answers are recorded, those that have any, or else all."""
    names = {one: bag.camera_name(one) for one in bag.camera_topics(request.topics)}
    if is_recorded and not request.topics:
        answered = {one for one, name in names.items() if bag.topic_ending(MASK_ENDING, name)}
        names = {one: name for one, name in names.items() if one in answered or not answered}
    return [
        _Camera(topic, name, bag.count(topic), is_alone=len(names) == 1)
        for topic, name in names.items()
    ]


def _unread_cameras(bag: Bag, request: BagRequest, *, is_recorded: bool) -> list[str]:
    """Name the cameras that are not judged because their images are in a form that is not read."""
    if request.topics:
        return []
    return [
        line
        for topic, line in bag.unread_cameras.items()
        if not is_recorded or bag.topic_ending(MASK_ENDING, namespace(topic))
    ]


def _judge_camera(
    bags: Bags, path: Path, camera: _Camera, request: BagRequest, pipeline: Pipeline | None
) -> Judgement:
    truth = open_truth(bags, request.truth, camera.name, space=request.truth_space)
    spaces = _spaces(request, pipeline, truth)
    judge = CameraJudge(camera.topic, spaces, truth, _slicing(path, camera, request, spaces))
    answers = _answers(bags, path, camera, pipeline)
    for answer in tqdm(answers, desc=camera.topic, unit='frame', total=camera.frames):
        judge.add(answer)
    if bags.lost and not judge.found_truth:
        raise UserError(f'{request.bag}: nothing can be judged; {bags.damage}')
    try:
        judgement = judge.finish()
    except UserError as error:
        raise UserError(f'{request.bag}: {error}') from error
    judgement.warnings[:0] = bags.warnings
    return judgement


def _answers(
    bags: Bags, path: Path, camera: _Camera, pipeline: Pipeline | None
) -> Iterator[Answer]:
    if pipeline is not None:
        return predicted_answers(bags, path, camera.topic, pipeline=pipeline)
    name: str | None = camera.name or namespace(camera.topic)
    with Bag(path) as bag:
        if camera.is_alone and bag.topic_ending(MASK_ENDING, name) is None:
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
    return recorded_answers(bags, path, camera.topic, mask_topic=mask_topic, camera=name)


def _spaces(request: BagRequest, pipeline: Pipeline | None, truth: Truth) -> Spaces:
    masks = pipeline.engine.label_space if pipeline else request.mask_space or truth.space
    if masks is None:
        raise UserError(
            f'{request.bag} does not say what the classes of its masks are; say it by '
            f'--mask-labels, one of {", ".join(LABEL_SPACES)}'
        )
    return Spaces(masks=masks, truth=truth.space, wanted=request.target)


def _slicing(path: Path, camera: _Camera, request: BagRequest, spaces: Spaces) -> Slicing:
    tags, height_m = request.tags, request.camera_height_m
    own = None
    if height_m is not None:
        calibration = recorded_camera(path, camera.topic)
        if calibration is None:
            raise UserError(
                f'{request.bag} has no camera_info beside {camera.topic}, which --camera-height-m '
                'needs; record it too, or leave the option out'
            )
        own = OwnDistance(calibration, height_m, spaces.masks)
    return Slicing(
        (lambda stamp_ns: tags.of(f'{request.bag.name}/{stamp_ns}')) if tags else untagged,
        own,
        request.keeps_evidence,
    )


def _require_answers(request: BagRequest, cameras: dict[str, Judgement]) -> None:
    """Raise UserError where a camera has no image, or no image an answer."""
    for topic, one in cameras.items():
        if not one.clips:
            raise UserError(f'{request.bag} holds no image on {topic}; record it again')
    if all(latency is None for one in cameras.values() for latency in one.line.latency_ms):
        reasons = {reason for one in cameras.values() for reason in one.dropped_by_reason}
        raise UserError(
            f'none of the images of {request.bag} on {", ".join(cameras)} has an answer '
            f'({", ".join(sorted(reasons))}); compare the header stamps of images and masks, or '
            'check the encoding of the images'
        )


def _use_drop_reasons_of_node(path: Path, cameras: dict[str, Judgement]) -> None:
    """
    Count the drops by the reasons that the node gave, where it recorded them.

    Further images without an answer stay `no_answer`: they were dropped after its last report, or
    lost on their way to it.
    """
    for topic, one in cameras.items():
        reported = {
            name.removeprefix(DROPPED): int(value)
            for name, value in node_figures(path, topic=topic).items()
            if name.startswith(DROPPED)
        }
        if reported:
            counted = one.dropped_by_reason
            named = Counter(reported) + Counter({name: counted[name] for name in OWN_REASONS})
            rest = Counter({NO_ANSWER: counted.total() - named.total()})
            counted.clear()
            counted.update(named + rest)


def _identity(path: Path, pipeline: Pipeline | None) -> dict[str, str]:
    if pipeline is None:
        reported = node_figures(path)
        return {
            'judged': 'recorded',
            **{one: reported[one] for one in IDENTITY if one in reported},
        }
    engine = pipeline.engine
    return {
        'judged': 'predicted',
        'model': engine.model,
        'engine': engine.name,
        'fingerprint': engine.fingerprint,
    }
