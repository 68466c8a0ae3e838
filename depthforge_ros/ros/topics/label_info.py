# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The names of the train ids as vision_msgs/LabelInfo, where vision_msgs is installed."""

from __future__ import annotations

from typing import Any

from builtin_interfaces.msg import Time
from depthforge_ros.labels import LabelSpace
from depthforge_ros.ros.node_protocol import TopicNode
from depthforge_ros.ros.topics.graph import message_class
from depthforge_ros.ros.topics.names import camera_topic
from depthforge_ros.ros.topics.qos import create_publisher, OnMismatch
from rclpy.publisher import Publisher
from std_msgs.msg import Header

TOPIC = '~/segmentation/label_info'


def create_label_info(
    node: TopicNode, *, camera: str, on_mismatch: OnMismatch
) -> Publisher | None:
    """Create the latched publisher; None, and a log line, where vision_msgs is missing."""
    kind = message_class('vision_msgs/msg/LabelInfo')
    if kind is None:
        # Of the first camera only: it is the same for all.
        node.get_logger().info(
            f'vision_msgs is not installed, so {TOPIC} is not published', once=True
        )
        return None
    return create_publisher(
        node, kind, camera_topic(TOPIC, camera), on_mismatch=on_mismatch, is_latched=True
    )


def label_info_message(space: LabelSpace, *, threshold: float, stamp: Time) -> Any:
    """Name every train id of a mask; below `threshold`, a share, a pixel is unlabelled."""
    message: Any = message_class('vision_msgs/msg/LabelInfo')()  # type: ignore[misc]
    vision_class: Any = message_class('vision_msgs/msg/VisionClass')
    message.header = Header(stamp=stamp)
    message.threshold = threshold
    message.class_map = [
        vision_class(class_id=number, class_name=name) for number, name in enumerate(space.classes)
    ]
    return message
