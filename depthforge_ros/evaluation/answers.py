# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Frames of a bag with the model's answers: recorded in it, or predicted now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from depthforge_ros.bags.bag import Bags
from depthforge_ros.bags.node_figures import NodeFigures
from depthforge_ros.bags.series import Series, STAMP_AHEAD, Stamped, stamped
from depthforge_ros.bags.single_channel import depth_from_message, labels_from_message
from depthforge_ros.domain import DomainStatistics
from depthforge_ros.errors import UserError
from depthforge_ros.frame import rgb_from_message
from depthforge_ros.metrics.uncertainty import quantized
from depthforge_ros.pipeline import Pipeline
import numpy as np
import numpy.typing as npt

MASK_ENDING = '/segmentation/mask'
CONFIDENCE_ENDING = '/segmentation/confidence'
ENTROPY_ENDING = '/segmentation/entropy'
DEPTH_ENDING = '/depth/relative'
MAX_AGE_MS = 60_000.0
"""A frame that seems older was stamped by another clock, as in a replay with its old stamps."""
NO_ANSWER = 'no_answer'
"""Reason of a drop of which the recording says no more."""
REPEATED_STAMP = 'repeated_stamp'
"""Reason of a drop: masks and ground truth of this stamp may be those of an earlier image."""


@dataclass(frozen=True)
class Answer:
    """The model's answer to one camera frame, or why there is none."""

    stamp_ns: int
    rgb: Callable[[], npt.NDArray[np.uint8]]
    labels: npt.NDArray[np.uint8] | None = None
    """(H, W) train ids; None for a frame that was dropped."""
    inverse_depth: npt.NDArray[np.float32] | None = None
    """(H, W), relative."""
    confidence: npt.NDArray[np.uint8] | None = None
    """(H, W), share of the winning class, 255 for all of it, as the node publishes it."""
    entropy: float | None = None
    """Mean over the frame, nats / ln(classes), [0, 1]."""
    entropy_levels: npt.NDArray[np.uint8] | None = None
    """(H, W), 255 for an entropy of 1."""
    domain_shift: float | None = None
    """Distance from the training images, see `domain`."""
    latency_ms: float | None = None
    age_ms: float | None = None
    """From the header's stamp to the answer, on the recorder's clock."""
    answered_ns: int | None = None
    """When the answer was recorded, on that clock."""
    drop_reason: str | None = None


def recorded_answers(
    bags: Bags, path: Path, topic: str, *, mask_topic: str, camera: str | None
) -> Iterator[Answer]:
    """
    Pair each image with what the node recorded for it.

    The latency is from the arrival of the image at the recorder to that of its mask. Entropy that
    was not recorded, and domain shift, are the last on /diagnostics, which are smoothed.
    `camera` is the name in the answers' topics where there are several cameras.
    """

    def series(ending: str) -> Series:
        bag = bags.open(path)
        return Series(bag, bag.topic_ending(ending, camera), bags.lost)

    masks = Series(bags.open(path), mask_topic, bags.lost)
    depths, confidences, entropies = map(series, (DEPTH_ENDING, CONFIDENCE_ENDING, ENTROPY_ENDING))
    figures = NodeFigures(bags.open(path), topic)
    for image in _images(bags, path, topic):
        if isinstance(image.message, UserError):
            yield _dropped_answer(image.stamp_ns, image.message)
            continue
        stamp, rgb = image.stamp_ns, partial(rgb_from_message, image.message)
        mask, labels = masks.at(stamp), masks.pixels_at(stamp, labels_from_message)
        if mask is None or labels is None:
            yield Answer(stamp, rgb, drop_reason=NO_ANSWER)
            continue
        entropy = entropies.pixels_beside(labels, stamp, depth_from_message)
        yield Answer(
            stamp,
            rgb,
            labels=labels,
            inverse_depth=depths.pixels_beside(labels, stamp, depth_from_message),
            confidence=confidences.pixels_beside(labels, stamp, labels_from_message),
            entropy=(
                float(np.mean(entropy))
                if entropy is not None
                else _number(figures.at(mask[0]), 'mean_entropy')
            ),
            entropy_levels=quantized(entropy) if entropy is not None else None,
            domain_shift=_number(figures.at(mask[0]), 'domain_shift'),
            latency_ms=(mask[0] - image.received_ns) / 1e6,
            age_ms=_age_ms(mask[0] - stamp),
            answered_ns=mask[0],
        )


def predicted_answers(
    bags: Bags,
    path: Path,
    topic: str,
    *,
    pipeline: Pipeline,
    wanted: Callable[[int], bool] = lambda stamp_ns: True,
) -> Iterator[Answer]:
    """Run the model over the images of wanted stamps; a broken one is answered with the reason."""
    domain = DomainStatistics.fitting(pipeline.engine)
    for image in _images(bags, path, topic):
        if not wanted(image.stamp_ns):
            continue
        if isinstance(image.message, UserError):
            yield _dropped_answer(image.stamp_ns, image.message)
        else:
            rgb = partial(rgb_from_message, image.message)
            yield predicted(image.stamp_ns, rgb, pipeline, domain)


def _number(figures: Mapping[str, str], name: str) -> float | None:
    return float(figures[name]) if name in figures else None


def predicted(
    stamp: int,
    rgb: Callable[[], npt.NDArray[np.uint8]],
    pipeline: Pipeline,
    domain: DomainStatistics | None = None,
) -> Answer:
    """Run the model over one image; a broken one is answered with the reason."""
    try:
        result, timings = pipeline(rgb())
    except UserError as error:
        return Answer(stamp, rgb, drop_reason=error.reason)
    features = result.output.features
    return Answer(
        stamp,
        rgb,
        labels=result.labels,
        inverse_depth=result.inverse_depth,
        confidence=quantized(result.confidence),
        entropy=float(result.output.entropy[result.index].mean()),
        entropy_levels=quantized(result.entropy),
        domain_shift=(
            domain.distance(features[result.index]) if domain and features is not None else None
        ),
        latency_ms=timings.total_ms,
    )


def _images(bags: Bags, path: Path, topic: str) -> Iterator[Stamped]:
    """Yield all images; one that repeats a stamp or cannot be decoded, as its error."""
    seen: set[int] = set()
    repeated, ahead, is_unstamped = 0, 0, False
    for image in stamped(bags.open(path), topic):
        is_unstamped = image.is_unstamped
        ahead += isinstance(image.message, UserError) and image.message.reason == STAMP_AHEAD
        if image.stamp_ns in seen:
            repeated += 1
            error = UserError(f'{topic} repeats {image.stamp_ns} ns', reason=REPEATED_STAMP)
            yield replace(image, message=error)
        else:
            seen.add(image.stamp_ns)
            yield image
    if is_unstamped:
        bags.warnings.append(
            f'the header stamps of {topic} are 0; when each image was recorded stands in, so its '
            'ground truth must have been recorded with the same time'
        )
    if ahead:
        bags.warnings.append(
            f'{ahead} images of {topic} are stamped later than those that follow and are left out '
            f'({STAMP_AHEAD}); check what the camera driver stamps'
        )
    if repeated:
        bags.warnings.append(
            f'{repeated} images of {topic} repeat the stamp of an earlier one and are left out '
            f'({REPEATED_STAMP}); check what the camera driver stamps'
        )


def _dropped_answer(stamp: int, error: UserError) -> Answer:
    """Drop a message."""

    def rgb() -> npt.NDArray[np.uint8]:
        raise error

    return Answer(stamp, rgb, drop_reason=error.reason)


def _age_ms(age_ns: int) -> float | None:
    age_ms = age_ns / 1e6
    return age_ms if 0.0 <= age_ms <= MAX_AGE_MS else None
