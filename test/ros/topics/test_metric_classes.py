# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Metric depth of one frame, by the classes of its model."""

from __future__ import annotations

from typing import Any

from depthforge_ros.engine.base import NetworkOutput
from depthforge_ros.geometry.grid import FREE
from depthforge_ros.labels import CAMVID_32, IDD_LITE, LabelSpace
from depthforge_ros.postprocess import to_camera
from depthforge_ros.preprocess import Geometry
from depthforge_ros.ros.parameters.definitions import NodeConfig
from depthforge_ros.ros.topics.calibration import Calibration
from depthforge_ros.ros.topics.camera_info import camera_info_message
from depthforge_ros.ros.topics.metric_depth import MetricDepth, MetricFrame
import numpy as np
import numpy.typing as npt
import pytest
from std_msgs.msg import Header
from support.node import CAMERA

HEIGHT_M = 1.5


def measured(
    space: LabelSpace, labels: npt.NDArray[np.uint8], **given: Any
) -> tuple[MetricDepth, MetricFrame | None]:
    """Measure one frame of these labels, whose inverse depth is 0.5."""
    calibration = Calibration(info_topic='/camera_info', is_rectified=False)
    calibration.take_info(camera_info_message(Header(), CAMERA))
    config = NodeConfig(camera_height_m=HEIGHT_M, **given)
    metric = MetricDepth(config, space, is_metric=False, calibration=calibration)
    half = np.full((1, 48, 64), 0.5, np.float32)
    result = to_camera(
        NetworkOutput(labels[None], half, half, half), Geometry(48, 64, 48, 64, 48, 64)
    )
    black = np.zeros((48, 64, 3), np.uint8)
    return metric, metric.measure(Header(), lambda: black, result)


@pytest.mark.parametrize('scale', [0.0, 5.0])
def test_a_known_scale_needs_no_road(scale: float) -> None:
    indoors = LabelSpace('indoors', ('floor', 'wall'), ((0, 0, 0), (1, 1, 1)))
    labels = np.zeros((48, 64), np.uint8)
    metric, frame = measured(indoors, labels, metric_scale=scale, grid_free_classes='floor')
    assert (frame is None) == (scale == 0.0)
    assert ('no class named road' in metric.status.unavailable) == (scale == 0.0)
    if frame is not None:
        assert (frame.depth_m == 10.0).all()
        assert (frame.grid() == FREE).any()


@pytest.mark.parametrize(
    ('space', 'road', 'sky'),
    [(CAMVID_32, ('Road', 'LaneMkgsDriv'), 'Sky'), (IDD_LITE, ('drivable',), 'sky')],
)
def test_road_and_sky_have_many_names(space: LabelSpace, road: tuple[str, ...], sky: str) -> None:
    labels = np.resize(np.array(space.ids(road), np.uint8), (48, 64))
    labels[:24] = space.classes.index(sky)
    metric, frame = measured(space, labels, metric_scale=5.0)
    assert frame is not None
    assert np.isinf(frame.depth_m[:24]).all()
    assert (frame.depth_m[24:] == 10.0).all()
    assert metric.status.figures['road_share'] > 0.4  # or else it is of one of two names
