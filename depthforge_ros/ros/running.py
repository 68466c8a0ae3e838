# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The node in this process, from start to end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import gc
import sys

from depthforge_ros.errors import one_line, UserError
from depthforge_ros.ros.node import DepthforgeNode
import rclpy
from rclpy.exceptions import ROSInterruptException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

EXIT_USER_ERROR = 2


def run(args: Sequence[str] | None = None, *, on_end: Callable[[], None] = lambda: None) -> int:
    """
    Run the node until it is interrupted; 0 then, 2 where it could not start.

    `on_end` is called once it ends, and must not be interrupted any more.
    """
    node = executor = None
    try:
        try:
            rclpy.init(args=None if args is None else list(args))
        except RuntimeError as error:
            # What follows is the place in the C code of rcl.
            return _refuse(UserError(str(error).split(', at /')[0]))
        node = DepthforgeNode()
        node.start()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException, ROSInterruptException):
        pass
    except Exception as error:
        # Interrupted, the context is gone when it is needed next.
        if rclpy.ok():
            return _refuse(error)
    finally:
        on_end()
        if node is not None:
            node.close()
        rclpy.try_shutdown()
        # What still refers to the node keeps it in the graph of the others, who would see a ghost.
        node = executor = None
        gc.collect()
    return 0


def _refuse(error: Exception) -> int:
    print(f'depthforge node: error: {one_line(error)}', file=sys.stderr)
    return EXIT_USER_ERROR
