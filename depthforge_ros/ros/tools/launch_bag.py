# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The bag of replay.launch.py, looked at before anything starts."""

from __future__ import annotations

from pathlib import Path

from depthforge_ros.bags.bag import Bag
from depthforge_ros.errors import UserError

TYPES = {False: 'sensor_msgs/msg/Image', True: 'sensor_msgs/msg/CompressedImage'}
"""Type of the image topic, by whether the node takes compressed images."""


def require_images(bag: Path, topic: str, *, is_compressed: bool) -> None:
    """Refuse a bag that cannot be read, or that holds no such images on the topic."""
    with Bag(bag, lenient=True) as reader:
        if topic not in reader.image_topics:
            raise UserError(
                f'bag {bag} holds no images on {topic}; give image_topic:= one of '
                f'{", ".join(reader.camera_topics())}'
            )
        kind = reader.topics[topic]
    if kind != TYPES[is_compressed]:
        transport = 'raw' if is_compressed else 'compressed'
        raise UserError(
            f'{topic} of bag {bag} holds {kind}, and the node takes {TYPES[is_compressed]}; give '
            f'image_transport:={transport}'
        )
