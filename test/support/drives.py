# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Small drives on disk, and bags of them: labels and depth are known exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
from depthforge_ros.bags.messages import STORE, TYPES
import numpy as np
from rosbags.rosbag2 import Reader, StoragePlugin, Writer

HEIGHT, WIDTH = 48, 64
CAMERA = f"""image_width: {WIDTH}
image_height: {HEIGHT}
camera_name: test
camera_matrix: {{rows: 3, cols: 3, data: [50, 0, 32, 0, 50, 24, 0, 0, 1]}}
distortion_model: plumb_bob
distortion_coefficients: {{rows: 1, cols: 5, data: [0, 0, 0, 0, 0]}}
"""


def write_drive(folder: Path, count: int = 3, extra: str = 'label_space: camvid\n') -> Path:
    """
    Write images, labels (left half road, right half unlabelled), depth and camera.yaml.

    Depth in metres is 2 + the row, stored times 256, and 0, no return, in the first row.
    """
    for name in ('images', 'labels', 'depth'):
        (folder / name).mkdir(parents=True)
    labels = np.full((HEIGHT, WIDTH), 11, np.uint8)
    labels[:, : WIDTH // 2] = 3
    rows = (2.0 + np.arange(HEIGHT)) * 256.0
    depth = np.repeat(rows.astype(np.uint16)[:, None], WIDTH, axis=1)
    depth[0] = 0
    rng = np.random.default_rng(0)
    for index in range(count):
        image = rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
        cv2.imwrite(str(folder / 'images' / f'{index:03d}.png'), image)
        cv2.imwrite(str(folder / 'labels' / f'{index:03d}.png'), labels)
        cv2.imwrite(str(folder / 'depth' / f'{index:03d}.png'), depth)
    (folder / 'camera.yaml').write_text(CAMERA + extra, encoding='utf-8')
    return folder


def write_video(path: Path, frames: int = 3, rate_hz: float = 10.0) -> Path:
    """Write a video of grey frames, one lighter than the other."""
    fourcc = cv2.VideoWriter_fourcc(*('MJPG' if path.suffix == '.avi' else 'mp4v'))
    writer = cv2.VideoWriter(str(path.absolute()), fourcc, rate_hz, (WIDTH, HEIGHT))
    for level in range(frames):
        writer.write(np.full((HEIGHT, WIDTH, 3), 20 * level, np.uint8))
    writer.release()
    return path


def make_bag_arguments(drive: Path, bag: Path, *more: str) -> list[str]:
    """Arguments of a command that makes a bag of all there is."""
    return [
        'make-bag', str(drive / 'images'), '--labels', str(drive / 'labels'),
        '--depth', str(drive / 'depth'), '--camera-info', str(drive / 'camera.yaml'),
        '--rate-hz', '10', '--output', str(bag), *more,
    ]  # fmt: skip


def add_answers(source: Path, output: Path, *, drop: int) -> None:
    """Record a bag as the node would have answered it: masks all road, exact inverse depth."""
    with (
        Reader(source) as reader,
        Writer(output, version=9, storage_plugin=StoragePlugin.MCAP) as writer,
    ):
        topics = ('/camera/image', '/n/segmentation/mask', '/n/depth/relative')
        connections = {
            topic: writer.add_connection(topic, 'sensor_msgs/msg/Image', typestore=STORE)
            for topic in topics
        }
        wanted = [one for one in reader.connections if one.topic == '/camera/image']
        for index, (_, received_ns, raw) in enumerate(reader.messages(wanted)):
            writer.write(connections['/camera/image'], received_ns, raw)
            if index == drop:
                continue
            header = STORE.deserialize_cdr(raw, 'sensor_msgs/msg/Image').header
            mask = image(header, np.full((HEIGHT, WIDTH), 3, np.uint8), 'mono8')
            rows = (7.0 / (2.0 + np.arange(HEIGHT)))[:, None]
            depth = image(header, np.repeat(rows, WIDTH, 1).astype(np.float32), '32FC1')
            later_ns = received_ns + 25_000_000
            writer.write(connections['/n/segmentation/mask'], later_ns, mask)
            writer.write(connections['/n/depth/relative'], later_ns, depth)


def image(header: Any, pixels: np.ndarray, encoding: str) -> memoryview | bytes:
    data = pixels.view(np.uint8).reshape(-1)
    message = TYPES['sensor_msgs/msg/Image'](
        header=header, height=HEIGHT, width=WIDTH, encoding=encoding, is_bigendian=0,
        step=len(data) // HEIGHT, data=data,
    )  # fmt: skip
    return STORE.serialize_cdr(message, 'sensor_msgs/msg/Image')
