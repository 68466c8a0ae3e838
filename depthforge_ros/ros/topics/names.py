# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The names of the node's topics, with several cameras too, and their settings for a replay."""

from __future__ import annotations

from depthforge_ros.errors import UserError
from rclpy.exceptions import NameValidationException
from rclpy.expand_topic_name import expand_topic_name
from rclpy.validate_full_topic_name import validate_full_topic_name

OUTPUTS = {
    'mask': '~/segmentation/mask',
    'mask_png': '~/segmentation/mask/compressed',
    'overlay': '~/segmentation/overlay',
    'confidence': '~/segmentation/confidence',
    'entropy': '~/segmentation/entropy',
    'depth': '~/depth/relative',
    'metric_depth': '~/depth/image',
    'metric_camera_info': '~/depth/camera_info',
    'points': '~/points',
    'grid': '~/grid',
    'lidar_points': '~/lidar/points',
}
"""Topics that the node publishes for each camera; `camera_topic` puts the camera's name in."""
METRIC_OUTPUTS = ('metric_depth', 'metric_camera_info', 'points', 'grid')
"""Those that need a scale."""
DEPTH_OUTPUTS = frozenset(('depth', *METRIC_OUTPUTS))
"""Those that come with a new depth only."""
REPLAY_DEPTH = 100


def camera_topic(topic: str, camera: str) -> str:
    """Put a camera's name into a topic: after `~/` where it is private, else in front."""
    if not camera:
        return topic
    return f'~/{camera}/{topic[2:]}' if topic.startswith('~/') else f'{camera}/{topic}'


def camera_info_topic(image_topic: str) -> str:
    """Where image_transport's drivers publish the CameraInfo of an image topic."""
    folder, slash, _ = image_topic.removesuffix('/compressed').rpartition('/')
    return f'{folder}{slash}camera_info'


def resolved_name(topic: str, *, node: str = '/depthforge') -> str:
    """Resolve a topic as ROS does: relative in the node's namespace, `~` in the node itself."""
    namespace, _, name = node.rpartition('/')
    if topic.startswith('~') and not topic.startswith('~/'):
        raise UserError(f'topic {topic!r} was given; after ~ comes a /, as in ~/image')
    try:
        full = str(expand_topic_name(topic, name, namespace or '/'))
        validate_full_topic_name(full)
    except (ValueError, NameValidationException) as error:
        # Around the reason stand the name, and the place in the C code or a mark below the name.
        reason = str(error).splitlines()[0].partition(': ')[2].split(', at ')[0].rstrip(':')
        raise UserError(
            f'topic {topic!r} was given: {reason}; give a name such as /camera/image_raw'
        ) from error
    return full


def lossless_qos(*, image_topic: str, node: str = '/depthforge') -> dict[str, str | int]:
    """
    Quality of service overrides under which a replay loses no frame on the way.

    Both names are resolved ones. On a vehicle the defaults are right: only the newest counts.
    """
    image = f'qos_overrides.{image_topic}.subscription'
    overrides: dict[str, str | int] = {
        f'{image}.reliability': 'reliable',
        f'{image}.depth': REPLAY_DEPTH,
    }
    for topic in OUTPUTS.values():
        resolved = topic.replace('~', node)
        overrides[f'qos_overrides.{resolved}.publisher.depth'] = REPLAY_DEPTH
    return overrides
