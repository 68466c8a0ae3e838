# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The node's topics: their names, with several cameras, and what a replay asks of them."""

from __future__ import annotations

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
}
"""Topics that the node publishes for each camera; `camera_topic` puts the camera's name in."""
METRIC_OUTPUTS = ('metric_depth', 'metric_camera_info', 'points')
"""Those that need a scale."""
REPLAY_DEPTH = 100


def camera_topic(topic: str, camera: str) -> str:
    """Put a camera's name into a topic: after `~/` where it is private, else in front."""
    if not camera:
        return topic
    return f'~/{camera}/{topic[2:]}' if topic.startswith('~/') else f'{camera}/{topic}'


def camera_info_beside(image_topic: str) -> str:
    """Where image_transport's drivers publish the CameraInfo of an image topic."""
    folder, slash, _ = image_topic.removesuffix('/compressed').rpartition('/')
    return f'{folder}{slash}camera_info'


def lossless(*, image_topic: str, node: str = '/depthforge') -> dict[str, str | int]:
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
