# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The node in a thread of the test, and what a test asks it over DDS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import dataclasses
import threading
import time
from typing import Any

from depthforge_ros.engine import load_engine
from depthforge_ros.geometry.camera import Camera
from depthforge_ros.ros.node import DepthforgeNode
from depthforge_ros.ros.topics.camera_info import camera_info_message
from depthforge_ros.ros.topics.messages import image_message
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

MASK = '/depthforge/segmentation/mask'
OVERLAY = '/depthforge/segmentation/overlay'
DEPTH = '/depthforge/depth/relative'
RELIABLE = {'qos_overrides./image.subscription.reliability': 'reliable'}


CAMERA = Camera.pinhole(width=64, height=48, fx=50.0, fy=50.0, cx=31.5, cy=0.0)
"""The null engine's inverse depth grows from the first row on: a road with the horizon there."""


def calibrate(peer: Any, node: Any) -> None:
    """Publish the calibration of CAMERA, and wait until the node has it."""
    info = peer.publisher(CameraInfo, '/camera_info', seen_by=node)
    info.publish(camera_info_message(Header(), CAMERA))
    peer.spin_until(lambda: node._rig.cameras[0].spatial.calibration.has_info)


def reliable(*names: str) -> dict[str, Any]:
    """Return the parameters of a node with these cameras, all of whose images arrive."""
    qos = 'qos_overrides./{}/image.subscription.reliability'
    return {'cameras': list(names), **{qos.format(name): 'reliable' for name in names}}


def make_image(number: int, *, height: int = 48, width: int = 64) -> Any:
    header = Header(frame_id='front_camera')
    header.stamp.sec, header.stamp.nanosec = 1000 + number, 123_456_789
    pixels = np.full((height, width, 3), number % 256, np.uint8)
    return image_message(header, encoding='rgb8', pixels=pixels)


def identity(message: Any) -> tuple[int, int, str]:
    header = message.header
    return header.stamp.sec, header.stamp.nanosec, header.frame_id


def figures(status: Any) -> dict[str, str]:
    return {pair.key: pair.value for pair in status.values}


def latest(reports: list[Any]) -> dict[str, str]:
    return figures(reports[-1].status[0]) if reports else {}


def count(node: Any) -> Any:
    return node._rig.cameras[0].statistics.snapshot()


def settled(peer: Any, node: Any) -> Any:
    """Wait until every frame is counted: a mask arrives before its frame is."""
    peer.spin_until(lambda: count(node).in_flight == 0)
    return count(node)


def change_state(peer: Any, transition: int | str) -> bool:
    """Ask for a transition, by its id or its label."""
    key = 'label' if isinstance(transition, str) else 'id'
    request = ChangeState.Request(transition=Transition(**{key: transition}))
    return bool(_call(peer, ChangeState, request).success)


def get_state(peer: Any) -> int:
    return int(_call(peer, GetState, GetState.Request()).current_state.id)


def _call(peer: Any, kind: Any, request: Any) -> Any:
    if not peer.clients:
        _connect(peer)
    future = peer.clients[kind].call_async(request)
    peer.spin_until(future.done)
    return future.result()


def _connect(peer: Any) -> None:
    """
    Create the clients and wait until the server knows them: before that, requests get lost.

    It learns of them in the order of their creation, so it knows both when it answers the last.
    """
    for kind, name in ((ChangeState, 'change_state'), (GetState, 'get_state')):
        peer.clients[kind] = peer.node.create_client(kind, f'/depthforge/{name}')
    futures: list[Any] = []

    def is_answered() -> bool:
        futures.append(peer.clients[GetState].call_async(GetState.Request()))
        peer.spin_for(0.2)
        return any(future.done() for future in futures)

    peer.spin_until(is_answered)


class FaultyEngine:
    """
    The null engine, which fails on frames of one grey level.

    It is not finite on 11, has no memory for 12, raises on 13 and hangs on 14 until released.
    """

    def __init__(self) -> None:
        self.released = threading.Event()
        self.batches: list[int] = []
        """Frames in each batch that was answered."""
        self._engine = load_engine('depthforge_tiny', engine='null')

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def __call__(self, images: Any) -> Any:
        levels = images[:, 0, 0, 0]
        if 13 in levels:
            raise RuntimeError('the engine\nbroke')
        if 14 in levels:
            assert self.released.wait(60.0)
        if 12 in levels:
            raise MemoryError
        self.batches.append(len(images))
        output = self._engine(images)
        if 11 not in levels:
            return output
        depth = output.inverse_depth.copy()
        depth[levels == 11] = np.nan
        return dataclasses.replace(output, inverse_depth=depth)


@contextmanager
def node_in_process(*, watched: bool = True, **values: Any) -> Iterator[Any]:
    """
    Run the node in a thread of this process, with these parameters.

    If it is not watched, nobody reads its diagnostics, and only outputs have subscribers.
    """
    given = {'engine': 'null', 'diagnostics_period_s': 0.1} | RELIABLE | values
    context = Context()
    rclpy.init(args=[], context=context)
    node = DepthforgeNode(
        context=context,
        parameter_overrides=[Parameter(name, value=value) for name, value in given.items()],
    )
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin, daemon=True)
    try:
        if watched:
            watcher = rclpy.create_node('watcher', context=context)
            watcher.create_subscription(DiagnosticArray, '/diagnostics', print, 1)
            while not node.has_diagnostics_subscriber():
                time.sleep(0.01)
        node.start()
        thread.start()
        yield node
    finally:
        executor.shutdown()
        if thread.is_alive():
            thread.join()
        node.close()
        context.try_shutdown()
