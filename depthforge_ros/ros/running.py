# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Runs the node in this process, from start to end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import gc
import sys

from depthforge_ros.engine import unload
from depthforge_ros.errors import one_line, UserError
from depthforge_ros.ros.node import DepthforgeNode
from depthforge_ros.ros.parameters.file import unused_files
import rclpy
from rclpy.exceptions import ROSInterruptException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.utilities import remove_ros_args

EXIT_USER_ERROR = 2


def run(args: Sequence[str] | None = None, *, on_end: Callable[[], None] = lambda: None) -> int:
    """
    Run the node until it is interrupted; 0 then, 2 where it could not start.

    `on_end` is called when it begins to end: from then on it must not be interrupted.
    """
    node = executor = None
    given = sys.argv[1:] if args is None else list(args)
    try:
        try:
            rclpy.init(args=given)
            _require_ros_arguments(remove_ros_args(args=given))
        except RuntimeError as error:
            # What follows is the place in the C code of rcl.
            text = str(error).split(', at /')[0]
            if type(error).__name__ == 'UnknownROSArgsError':  # rclpy does not export it
                text = f'unknown ROS arguments {text}'
            remedy = '; set HOME or ROS_LOG_DIR' if 'logging directory' in text else ''
            return _report_and_exit_code(UserError(text + remedy))
        node = DepthforgeNode()
        for text in unused_files(given, node.get_fully_qualified_name()):
            node.get_logger().warning(text)
        node.start()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException, ROSInterruptException):
        pass
    except Exception as error:
        # Interrupted, the context is gone when it is needed next.
        if rclpy.ok():
            return _report_and_exit_code(error)
    finally:
        on_end()
        if node is not None:
            node.close()
        unload()
        rclpy.try_shutdown()
        # While anything refers to the node, other nodes still see it in the graph.
        node = executor = None
        gc.collect()
    return 0


def _require_ros_arguments(others: Sequence[str]) -> None:
    if others:
        raise UserError(
            f'{" ".join(others)} was given; the node takes what follows --ros-args alone, such as '
            '--ros-args -p model:=depthforge_tiny -r image:=/camera/image_raw'
        )


def _report_and_exit_code(error: Exception) -> int:
    print(f'depthforge node: error: {one_line(error)}', file=sys.stderr)
    return EXIT_USER_ERROR
