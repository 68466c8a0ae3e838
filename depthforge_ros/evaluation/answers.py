# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Frames of a bag with the model's answers: recorded in it, or predicted now."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.evaluation.bag import Bag, stamp_ns
from depthforge_ros.evaluation.planes import depth_from_message, labels_from_message
from depthforge_ros.frame import rgb_from_message
from depthforge_ros.pipeline import Pipeline
import numpy as np
import numpy.typing as npt

MASK_ENDING = '/segmentation/mask'
DEPTH_ENDING = '/depth/relative'


@dataclass(frozen=True)
class Answer:
    """What was said of one camera frame."""

    stamp_ns: int
    labels: npt.NDArray[np.uint8] | None
    """(H, W) train ids; None for a frame that was dropped."""
    inverse_depth: npt.NDArray[np.float32] | None
    """(H, W), relative."""
    latency_ms: float | None
    rgb: Callable[[], npt.NDArray[np.uint8]]


class Series:
    """
    One topic of a bag, looked up by header stamp.

    It is read once, in order: stamps must be asked for in rising order, and must rise in the bag.
    """

    def __init__(self, bag: Bag, topic: str | None) -> None:
        self._items = decoded(bag, topic) if topic else iter(())
        self._next = next(self._items, None)

    def at(self, wanted_ns: int) -> tuple[int, Any] | None:
        """Return (received_ns, message) of a stamp, or None."""
        while self._next is not None and stamp_ns(self._next[1]) < wanted_ns:
            self._next = next(self._items, None)
        if self._next is None or stamp_ns(self._next[1]) != wanted_ns:
            return None
        return self._next


def decoded(bag: Bag, topic: str) -> Iterator[tuple[int, Any]]:
    """Yield (received_ns, message) of a topic; nothing where the bag lacks it."""
    for recorded in bag.recorded(topic):
        yield recorded.received_ns, bag.decode(recorded)


def recorded_answers(
    *, images: Bag, topic: str, masks: Bag, mask_topic: str, depths: Bag
) -> Iterator[Answer]:
    """
    Pair each image with the mask and relative depth recorded for it.

    The three are the same bag opened three times. The latency is from the arrival of the image at
    the recorder to that of its mask.
    """
    mask_series = Series(masks, mask_topic)
    depth_series = Series(depths, depths.topic_ending(DEPTH_ENDING))
    for received_ns, message in decoded(images, topic):
        stamp = stamp_ns(message)
        mask, depth = mask_series.at(stamp), depth_series.at(stamp)
        yield Answer(
            stamp_ns=stamp,
            labels=labels_from_message(mask[1]) if mask else None,
            inverse_depth=depth_from_message(depth[1]) if depth else None,
            latency_ms=(mask[0] - received_ns) / 1e6 if mask else None,
            rgb=partial(rgb_from_message, message),
        )


def predicted_answers(*, images: Bag, topic: str, pipeline: Pipeline) -> Iterator[Answer]:
    """Run the model over the images; a broken one is answered with None."""
    for _, message in decoded(images, topic):
        yield _predicted(message, pipeline)


def _predicted(message: Any, pipeline: Pipeline) -> Answer:
    rgb = partial(rgb_from_message, message)
    try:
        result, timings = pipeline(rgb())
    except UserError:
        return Answer(stamp_ns(message), None, None, None, rgb)
    return Answer(stamp_ns(message), result.labels, result.inverse_depth, timings.total_ms, rgb)
