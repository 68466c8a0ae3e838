# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Frames with their answers on one time line, as an MCAP of ROS 2 messages.

Foxglove and Rerun open the file, `ros2 bag play` sends it to RViz; the topics are the node's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
from depthforge_ros.bags.bag import Bag, Bags
from depthforge_ros.bags.image_files import encoded
from depthforge_ros.bags.make_bag import START_NS
from depthforge_ros.bags.messages import (
    camera_info_message,
    cloud_message,
    compressed_message,
    header_message,
    image_message,
    TF_STATIC,
    transform_message,
    Write,
    write_to,
)
from depthforge_ros.errors import UserError
from depthforge_ros.evaluation.answers import (
    Answer,
    MASK_ENDING,
    predicted,
    predicted_answers,
    recorded_answers,
)
from depthforge_ros.evaluation.own_distance import OwnDistance
from depthforge_ros.evaluation.sources import Source
from depthforge_ros.geometry.camera import Camera
from depthforge_ros.geometry.points import CloudBuilder, finite_points
from depthforge_ros.labels import LabelSpace, MASK_ENCODINGS
from depthforge_ros.pipeline import Pipeline
from depthforge_ros.postprocess import overlay
import numpy as np
import numpy.typing as npt
from rosbags.rosbag2 import StoragePlugin, Writer
from tqdm import tqdm

IMAGE = '/camera/image/compressed'
INFO = '/camera/camera_info'
OVERLAY = '/depthforge/segmentation/overlay/compressed'
MASK = '/depthforge/segmentation/mask'
DEPTH = '/depthforge/depth/relative'
POINTS = '/depthforge/points'
FRAME_ID = 'camera'
ROAD_FRAME_ID = 'road'
"""On the road below a level camera: x ahead, y left, z up, so that viewers show the road below."""
OPTICAL_XYZW = (-0.5, 0.5, -0.5, 0.5)
"""Turns an optical frame (x right, y down, z ahead) into one with z up (REP 103)."""
JPEG = (cv2.IMWRITE_JPEG_QUALITY, 90)
STRIDE = 2
"""Every so many pixels and rows become a point."""


@dataclass(frozen=True)
class Calibration:
    """The calibration that turns relative depth into points."""

    camera: Camera
    height_m: float
    """Of the camera above the road."""


def bag_answers(
    bags: Bags,
    path: Path,
    topic: str,
    pipeline: Pipeline | None,
    stamps_ns: frozenset[int],
) -> Iterator[Answer]:
    """
    Yield the answers recorded in a bag or, with a pipeline, those of its model.

    `stamps_ns` chooses frames; empty, all are taken.
    """

    def wanted(stamp_ns: int) -> bool:
        return not stamps_ns or stamp_ns in stamps_ns

    if pipeline is not None:
        return predicted_answers(bags, path, topic, pipeline=pipeline, wanted=wanted)
    with Bag(path) as bag:
        name = bag.camera_name(topic)
        mask_topic = bag.topic_ending(MASK_ENDING, name)
    if mask_topic is None:
        raise UserError(f'{path} holds no masks of {topic}; give --model to run one')
    recorded = recorded_answers(bags, path, topic, mask_topic=mask_topic, camera=name)
    return (answer for answer in recorded if wanted(answer.stamp_ns))


def source_answers(source: Source, rate_hz: float, pipeline: Pipeline) -> Iterator[Answer]:
    """Run the model over images or a video; unreadable frames are dropped."""
    for index, frame in enumerate(source.frames()):
        stamp_ns = START_NS + round(index * 1e9 / rate_hz)
        yield predicted(stamp_ns, frame.read, pipeline)


def write_view(
    output: Path,
    answers: Iterator[Answer],
    *,
    space: LabelSpace,
    calibration: Calibration | None,
    total: int | None = None,
    skip: Callable[[str], None] = lambda line: None,
) -> Counter[str]:
    """
    Write an MCAP file; returns the messages of each topic. Shows a progress bar.

    Images that are broken are left out and named to `skip`.

    Without a calibration, and while the road does not give a scale, there are no points.
    """
    counts: Counter[str] = Counter()
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=output.parent) as spare:
            folder = Path(spare) / 'view'
            with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
                view = _View(write_to(writer, counts), space, calibration, skip)
                for answer in tqdm(answers, desc=output.name, unit='frame', total=total):
                    view.add(answer)
            if not counts[MASK]:
                raise UserError('no frame has an answer; check the input, and the stamps of --at')
            next(folder.glob('*.mcap')).replace(output)
    except OSError as error:
        raise UserError(
            f'{output} cannot be written ({error.strerror}); choose another'
        ) from error
    return counts


class _View:
    """Writes answers one after the other."""

    def __init__(
        self,
        write: Write,
        space: LabelSpace,
        calibration: Calibration | None,
        skip: Callable[[str], None],
    ) -> None:
        self._write, self._skip = write, skip
        self._space = space
        self._cloud = _Cloud(calibration, space) if calibration else None
        self._is_placed = False

    def add(self, answer: Answer) -> None:
        """Write one frame; of a dropped one the image alone, and nothing of a broken one."""
        try:
            rgb = answer.rgb()
        except UserError as error:
            self._skip(f'image at {answer.stamp_ns} ns: {error}')
            return
        header = header_message(FRAME_ID, answer.stamp_ns)
        messages = {IMAGE: compressed_message(header, _jpeg(rgb), 'jpeg')}
        if self._cloud is not None:
            if not self._is_placed:
                messages[TF_STATIC] = self._cloud.place(answer.stamp_ns)
                self._is_placed = True
            messages[INFO] = camera_info_message(header, self._cloud.camera)
        if answer.labels is not None:
            painted = overlay(rgb, answer.labels, self._space)
            messages[OVERLAY] = compressed_message(header, _jpeg(painted), 'jpeg')
            encoding = MASK_ENCODINGS[answer.labels.itemsize]
            messages[MASK] = image_message(header, answer.labels, encoding)
        if answer.inverse_depth is not None:
            messages[DEPTH] = image_message(header, answer.inverse_depth, '32FC1')
        points = self._cloud(answer, rgb) if self._cloud else None
        if points is not None:
            messages[POINTS] = cloud_message(header, points)
        for topic, message in messages.items():
            self._write(topic, message, answer.stamp_ns)


class _Cloud:
    """Makes labelled points in metres, with the scale that the road gives."""

    def __init__(self, calibration: Calibration, space: LabelSpace) -> None:
        self.camera = calibration.camera
        self._distance = OwnDistance(self.camera, calibration.height_m, space)
        self._build = CloudBuilder(self._distance.rays, stride=STRIDE)
        self._height_m = calibration.height_m

    def place(self, stamp_ns: int) -> Any:
        """Say where the camera is above the road."""
        return transform_message(
            header_message(ROAD_FRAME_ID, stamp_ns),
            FRAME_ID,
            translation_m=(0.0, 0.0, self._height_m),
            quaternion_xyzw=OPTICAL_XYZW,
        )

    def __call__(self, answer: Answer, rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.void] | None:
        """Return the points with a place, (1, N); None where the scale is not known."""
        labels, inverse_depth = answer.labels, answer.inverse_depth
        if labels is None or inverse_depth is None:
            return None
        depth_m = self._distance(labels, inverse_depth, answer.stamp_ns)
        if depth_m is None:
            return None
        confidence = (
            np.ones(labels.shape, np.float32)
            if answer.confidence is None
            else answer.confidence.astype(np.float32) / 255.0
        )
        points = self._build(depth_m, rgb=rgb, labels=labels, confidence=confidence)
        return finite_points(points)


def _jpeg(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    return np.frombuffer(encoded('.jpg', rgb[..., ::-1], JPEG), np.uint8)
