# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""An answered frame -> the message of each topic; built only for topics with subscribers."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
from depthforge_ros.labels import LabelSpace, MASK_ENCODINGS
from depthforge_ros.postprocess import overlay, Result
from depthforge_ros.ros.topics.camera_info import camera_info_message
from depthforge_ros.ros.topics.grid import grid_message
from depthforge_ros.ros.topics.messages import (
    cloud_message,
    confidence_message,
    image_message,
    ImageBuffers,
    metric_depth_message,
)
from depthforge_ros.ros.topics.metric_depth import MetricFrame
from nav_msgs.msg import OccupancyGrid
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_msgs.msg import Header

FAST_PNG = (cv2.IMWRITE_PNG_COMPRESSION, 1)


@dataclass(frozen=True)
class Answer:
    """A frame and the model's answer."""

    header: Header
    """std_msgs/Header of the camera's image, which goes out with every output."""
    rgb: Callable[[], npt.NDArray[np.uint8]]
    """Gives (H, W, 3), of the planes' size."""
    result: Result
    label_space: LabelSpace
    overlay_alpha: float
    buffers: ImageBuffers
    """Of the planes of `result`."""
    metric: MetricFrame | None = None
    """None where no scale is known."""
    lidar: Callable[[], PointCloud2 | None] = lambda: None
    """Paints the points of a LiDAR, where there are some."""


def _mask(answer: Answer) -> Image:
    labels = answer.result.labels
    encoding = MASK_ENCODINGS[labels.itemsize]
    return image_message(answer.header, encoding=encoding, pixels=labels, buffers=answer.buffers)


def _mask_png(answer: Answer) -> CompressedImage:
    """Compress without loss, in the format string of image_transport; JPEG would mix the ids."""
    labels = answer.result.labels
    encoding = MASK_ENCODINGS[labels.itemsize]
    png = cv2.imencode('.png', labels, FAST_PNG)[1]
    return CompressedImage(
        header=answer.header,
        format=f'{encoding}; png compressed {encoding}',
        data=array('B', png.tobytes()),
    )


def _overlay(answer: Answer) -> Image:
    painted = overlay(answer.rgb(), answer.result.labels, answer.label_space, answer.overlay_alpha)
    return image_message(answer.header, encoding='rgb8', pixels=painted)


def _confidence(answer: Answer) -> Image:
    return confidence_message(answer.header, answer.result.confidence)


def _entropy(answer: Answer) -> Image:
    return image_message(
        answer.header, encoding='32FC1', pixels=answer.result.entropy, buffers=answer.buffers
    )


def _depth(answer: Answer) -> Image | None:
    if answer.result.depth_age:
        return None
    return image_message(
        answer.header, encoding='32FC1', pixels=answer.result.inverse_depth, buffers=answer.buffers
    )


def _metric_depth(answer: Answer) -> Image | None:
    if answer.metric is None:
        return None
    encoding = answer.metric.config.depth_encoding
    return metric_depth_message(answer.header, answer.metric.depth_m, encoding=encoding)


def _metric_camera_info(answer: Answer) -> CameraInfo | None:
    return answer.metric and camera_info_message(answer.header, answer.metric.camera)


def _points(answer: Answer) -> PointCloud2 | None:
    return answer.metric and cloud_message(answer.header, answer.metric.points())


def _grid(answer: Answer) -> OccupancyGrid | None:
    metric = answer.metric
    return metric and grid_message(answer.header, metric.grid(), metric.config)


BUILDERS: Mapping[str, tuple[type, Callable[[Answer], Any]]] = {
    'mask': (Image, _mask),
    'mask_png': (CompressedImage, _mask_png),
    'overlay': (Image, _overlay),
    'confidence': (Image, _confidence),
    'entropy': (Image, _entropy),
    'depth': (Image, _depth),
    'metric_depth': (Image, _metric_depth),
    'metric_camera_info': (CameraInfo, _metric_camera_info),
    'points': (PointCloud2, _points),
    'grid': (OccupancyGrid, _grid),
    'lidar_points': (PointCloud2, lambda answer: answer.lidar()),
}
"""Message type and function of each of `topics.OUTPUTS`; None is not published."""
