# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Small drives on disk, and bags of them: labels and depth are known exactly."""

from __future__ import annotations

from pathlib import Path

import cv2
from depthforge_ros.bags.bag import Bag
from depthforge_ros.frame import rgb_from_message
import numpy as np
from support.bags import HEIGHT, recording, WIDTH

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
    mask = np.full((HEIGHT, WIDTH), 3, np.uint8)
    depth = np.repeat((7.0 / (2.0 + np.arange(HEIGHT)))[:, None], WIDTH, 1).astype(np.float32)
    with Bag(source) as bag, recording(output) as answered:
        for frame, raw in enumerate(bag.raw_messages('/camera/image')):
            pixels = rgb_from_message(bag.decode(raw))
            answered.image('/camera/image', frame, pixels, 'rgb8')
            if frame != drop:
                answered.image('/n/segmentation/mask', frame, mask, 'mono8', later_ms=25.0)
                answered.image('/n/depth/relative', frame, depth, '32FC1', later_ms=25.0)
