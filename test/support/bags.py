# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Bags of any storage and of several cameras, written message by message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
from depthforge_ros.bags.make_bag import START_NS
import numpy as np
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer as Writer2
from rosbags.typesys import get_typestore, Stores

HEIGHT, WIDTH = 48, 64
PERIOD_NS = 100_000_000
DIAGNOSTICS = 'diagnostic_msgs/msg/DiagnosticArray'
IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
INFO = 'sensor_msgs/msg/CameraInfo'
SUFFIXES = {'mcap': '', 'sqlite3': '', 'rosbag1': '.bag'}


class Recording:
    """
    A bag that is being written.

    The header stamp of a message is START_NS + frame x 0.1 s, or what `stamps` has for the frame.
    """

    def __init__(self, writer: Any, store: Any, is_ros1: bool) -> None:
        self._writer, self._store, self._is_ros1 = writer, store, is_ros1
        self.stamps: dict[int, int] = {}
        self._connections: dict[str, Any] = {}

    def image(
        self, topic: str, frame: int, pixels: np.ndarray, encoding: str, *, later_ms: float = 0.0
    ) -> None:
        """Write an Image that arrives so long after its stamp."""
        data = np.ascontiguousarray(pixels).view(np.uint8).reshape(-1)
        fields = {'height': pixels.shape[0], 'width': pixels.shape[1], 'encoding': encoding,
                  'is_bigendian': 0, 'step': len(data) // pixels.shape[0]}  # fmt: skip
        self._write(topic, IMAGE, frame, {**fields, 'data': data}, later_ms)

    def compressed(self, topic: str, frame: int, pixels: np.ndarray, suffix: str) -> None:
        """Write a CompressedImage of RGB or of ids."""
        _, data = cv2.imencode(suffix, pixels[..., ::-1] if pixels.ndim == 3 else pixels)
        self._write(topic, COMPRESSED, frame, {'format': suffix[1:], 'data': data.reshape(-1)})

    def diagnostics(self, frame: int, topic: str, values: dict[str, str]) -> None:
        """Write what the node says of a topic's camera, 50 ms after a frame; of none without."""
        types = self._store.types
        pairs = [
            types['diagnostic_msgs/msg/KeyValue'](key=key, value=value)
            for key, value in {**({'topic': topic} if topic else {}), **values}.items()
        ]
        status = types['diagnostic_msgs/msg/DiagnosticStatus'](
            level=0, name=f'depthforge: {topic}', message='', hardware_id='', values=pairs
        )
        self._write('/diagnostics', DIAGNOSTICS, frame, {'status': [status]}, 50.0)

    def camera_info(self, topic: str, frame: int, **fields: Any) -> None:
        """Write a CameraInfo of focal lengths of 50 pixels, but for what `fields` say."""
        window = self._store.types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
        plain = {
            'width': WIDTH, 'height': HEIGHT, 'distortion_model': 'plumb_bob', 'd': [0.0] * 5,
            'k': [50.0, 0, 32, 0, 50, 24, 0, 0, 1], 'r': [1.0, 0, 0, 0, 1, 0, 0, 0, 1],
            'p': [50.0, 0, 32, 0, 0, 50, 24, 0, 0, 0, 1, 0], 'binning_x': 0, 'binning_y': 0,
            'roi': window,
        }  # fmt: skip
        named = {
            key.upper() if self._is_ros1 and len(key) == 1 else key: (
                np.array(value, np.float64) if isinstance(value, list) else value
            )
            for key, value in {**plain, **fields}.items()
        }
        self._write(topic, INFO, frame, named)

    def empty(self, topic: str, kind: str) -> None:
        """Declare a topic without a message."""
        self._writer.add_connection(topic, kind, typestore=self._store)

    def end_chunk(self) -> None:
        """End a chunk of mcap, which would otherwise hold a whole small drive."""
        self._writer.storage.close_chunk()

    def _write(
        self, topic: str, kind: str, frame: int, fields: dict[str, Any], later_ms: float = 0.0
    ) -> None:
        stamp_ns = START_NS + frame * PERIOD_NS
        header_ns = self.stamps.get(frame, stamp_ns)
        types = self._store.types
        time = types['builtin_interfaces/msg/Time'](
            sec=header_ns // 10**9, nanosec=header_ns % 10**9
        )
        more = {'seq': frame} if self._is_ros1 else {}
        header = types['std_msgs/msg/Header'](stamp=time, frame_id='camera', **more)
        message = types[kind](header=header, **fields)
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                topic, kind, typestore=self._store
            )
        serialize = self._store.serialize_ros1 if self._is_ros1 else self._store.serialize_cdr
        received_ns = stamp_ns + round(later_ms * 1e6)
        self._writer.write(self._connections[topic], received_ns, serialize(message, kind))


@contextmanager
def recording(path: Path, storage: str = 'mcap') -> Iterator[Recording]:
    """Write a bag into a path without a suffix, to which rosbag1 adds `.bag`."""
    is_ros1 = storage == 'rosbag1'
    store = get_typestore(Stores.ROS1_NOETIC if is_ros1 else Stores.ROS2_JAZZY)
    if is_ros1:
        writer: Any = Writer1(bag_path(path, storage))
        writer.chunk_threshold = 40_000
    else:
        writer = Writer2(path, version=9, storage_plugin=StoragePlugin[storage.upper()])
    with writer:
        yield Recording(writer, store, is_ros1)


def bag_path(path: Path, storage: str) -> Path:
    return path.with_name(path.name + SUFFIXES[storage])


def scene(frame: int, seed: int = 0) -> np.ndarray:
    """Draw blobs that drift by a pixel per frame: RGB (48, 64, 3)."""
    noise = np.random.default_rng(seed).uniform(0, 255, (HEIGHT, 160, 3)).astype(np.float32)
    smooth = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2.0), None, 0, 255, cv2.NORM_MINMAX)
    return smooth[:, frame : frame + WIDTH].astype(np.uint8)


def write_truth(bag: Recording, frame: int, prefix: str = '/camera') -> None:
    """Write labels, all of class 3, and a depth of 2 m and one more per row."""
    bag.image(f'{prefix}/labels', frame, np.full((HEIGHT, WIDTH), 3, np.uint8), 'mono8')
    depth_m = np.repeat((2.0 + np.arange(HEIGHT, dtype=np.float32))[:, None], WIDTH, axis=1)
    bag.image(f'{prefix}/depth', frame, depth_m, '32FC1')


def write_bag(
    path: Path, storage: str = 'mcap', frames: int = 10, cameras: tuple[str, ...] = ('/camera',)
) -> Path:
    """Write a drive with ground truth."""
    with recording(path, storage) as bag:
        for frame in range(frames):
            for seed, camera in enumerate(cameras):
                bag.image(f'{camera}/image', frame, scene(frame, seed), 'rgb8')
                write_truth(bag, frame, camera)
            if storage == 'mcap' and frame % 2:
                bag.end_chunk()
    return bag_path(path, storage)


def cut(path: Path, share: float) -> Path:
    """Cut a bag's file after a share of its bytes."""
    file = path if path.is_file() else next(p for p in path.iterdir() if p.suffix != '.yaml')
    data = file.read_bytes()
    file.write_bytes(data[: int(share * len(data))])
    return path
