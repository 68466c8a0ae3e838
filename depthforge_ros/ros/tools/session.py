# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A node with a context of its own, for replay and record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy

DURABILITY = {
    False: QoSDurabilityPolicy.VOLATILE,
    True: QoSDurabilityPolicy.TRANSIENT_LOCAL,
}
"""By whether late subscribers get the last messages."""


@contextmanager
def own_node(name: str) -> Iterator[Node]:
    """Give a node in a context of its own: works in any process, with or without rclpy.init."""
    context = Context()
    rclpy.init(args=[], context=context)
    node = Node(name, context=context, use_global_arguments=False)
    try:
        yield node
    finally:
        node.destroy_node()
        context.try_shutdown()
