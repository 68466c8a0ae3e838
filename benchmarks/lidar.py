# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
The cost of painting 120,000 points of a LiDAR, and a picture of a painted KITTI frame.

The points are those of a scanner of 64 rings, all around, so a fifth is in view. The cost is CPU
time of one core, from the message to the structured points. Run from the repository root:
python benchmarks/lidar.py --json benchmarks/results/lidar.json
python benchmarks/lidar.py --kitti ../shared/data/kitti_drive --picture docs/lidar.png
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import sys
import time
from typing import Any

import cv2
from depthforge_ros.bags.image_files import read_depth_m
from depthforge_ros.engine import load_engine
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.geometry.camera import Camera
from depthforge_ros.geometry.painting import painted_points
from depthforge_ros.geometry.projection import Projector
from depthforge_ros.pipeline import Pipeline
from depthforge_ros.ros.topics.lidar import xyz_of
import numpy as np
import numpy.typing as npt
from report import exit_code, write_report
from sensor_msgs.msg import PointCloud2, PointField

RINGS, STEPS = 64, 1875
"""120,000 points."""
CAMERA_FROM_LIDAR = np.array([[0, -1, 0, 0], [0, 0, -1, -0.1], [1, 0, 0, -0.2]], np.float32)
KITTI = Camera.pinhole(width=1242, height=375, fx=721.5377, fy=721.5377, cx=609.5593, cy=172.854)
LENS = (-0.3, 0.1, 0.0, 0.0, 0.0)
"""plumb_bob."""


def main() -> int:
    """Measure, draw, or both."""
    args = _arguments()
    cv2.setNumThreads(1)
    if args.json is not None:
        figures = {
            'points': RINGS * STEPS,
            'turns': args.turns,
            'cases': [cost(camera, args.turns) for camera in cameras()],
        }
        report = write_report(args.json, figures)
        print(json.dumps(report, indent=1))
    if args.picture is not None:
        args.picture.write_bytes(picture(args))
    return 0


def cameras() -> list[Camera]:
    """Return KITTI's rectified camera, and one of 1920x1280 with a lens."""
    wide = Camera.pinhole(width=1920, height=1280, fx=1000.0, fy=1000.0, cx=959.5, cy=639.5)
    return [KITTI, Camera(1920, 1280, wide.k, wide.p, LENS)]


def cost(camera: Camera, turns: int) -> dict[str, Any]:
    """Time one message after the other, CPU milliseconds."""
    rectified = not any(camera.d)
    project = Projector(camera, camera.rays(rectified=rectified), rectified=rectified)
    shape = (camera.height, camera.width)
    planes = {
        'rgb': np.zeros((*shape, 3), np.uint8),
        'labels': np.zeros(shape, np.uint8),
        'confidence': np.zeros(shape, np.float32),
    }
    message, times_ms, in_view = scan(), [], 0
    for _ in range(turns + 1):
        begun_s = time.process_time()
        points = painted_points(
            xyz_of(message), project, camera_from_lidar=CAMERA_FROM_LIDAR, **planes
        )
        times_ms.append((time.process_time() - begun_s) * 1e3)
        in_view = points.size
    p50, p90 = np.percentile(times_ms[1:], (50.0, 90.0)).round(3).tolist()
    return {
        'camera': f'{camera.width}x{camera.height}',
        'lens': 'pinhole' if rectified else camera.distortion_model,
        'in_view': in_view,
        'p50_ms': p50,
        'p90_ms': p90,
    }


def scan() -> PointCloud2:
    """Return a turn of the scanner, with intensity and ring as drivers have them."""
    up = np.deg2rad(np.linspace(-24.0, 2.0, RINGS))[:, None]
    around = np.linspace(-np.pi, np.pi, STEPS, endpoint=False)[None]
    range_m = np.random.default_rng(0).uniform(3.0, 60.0, (RINGS, STEPS))
    layout = np.dtype([(name, '<f4') for name in ('x', 'y', 'z', 'intensity', 'ring', 'time')])
    points = np.zeros((RINGS, STEPS), layout)
    points['x'] = range_m * np.cos(up) * np.cos(around)
    points['y'] = range_m * np.cos(up) * np.sin(around)
    points['z'] = range_m * np.sin(up)
    message = PointCloud2(
        height=RINGS,
        width=STEPS,
        point_step=layout.itemsize,
        row_step=layout.itemsize * STEPS,
        fields=[
            PointField(name=name, offset=4 * index, datatype=PointField.FLOAT32, count=1)
            for index, name in enumerate(layout.names or ())
        ],
    )
    message.data.frombytes(points.tobytes())
    return message


def picture(args: argparse.Namespace) -> bytes:
    """Draw the LiDAR's points of a KITTI frame over its image, in the colours of their classes."""
    images = sorted((args.kitti / 'images').iterdir())
    path = images[min(args.frame, len(images) - 1)]
    engine = load_engine(args.model, engine='eager', device='cpu', threads=1)
    rgb = rgb_from_file(path)
    result, _ = Pipeline(engine)(rgb)
    rays = KITTI.rays(rectified=True)
    depth_m = read_depth_m(args.kitti / 'depth' / f'{path.stem}.png', None)
    known = np.isfinite(depth_m) & (depth_m > 0.0)
    z = depth_m[known]
    xyz: npt.NDArray[np.float32] = np.stack([*(rays[known].T * z), z]).astype(np.float32)
    points = painted_points(
        xyz,
        Projector(KITTI, rays, rectified=True),
        camera_from_lidar=np.eye(3, 4, dtype=np.float32),
        rgb=rgb,
        labels=result.labels,
        confidence=result.confidence,
    )[0]
    drawn = rgb // 2
    places = np.rint(
        np.stack([points['x'], points['y']]) / points['z'] * KITTI.k[0]
        + np.array([[KITTI.k[2]], [KITTI.k[5]]])
    ).astype(int)
    for column, row, color in zip(
        *places, engine.label_space.palette[points['label']].tolist(), strict=True
    ):
        cv2.circle(drawn, (column, row), 1, color, cv2.FILLED)
    small = cv2.resize(drawn, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
    coarse = small[..., ::-1] & 0xF8  # half the file
    return cv2.imencode('.png', coarse, (cv2.IMWRITE_PNG_COMPRESSION, 9))[1].tobytes()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--json', type=Path, metavar='F', help='measure, and write the figures')
    parser.add_argument('--turns', type=int, default=100)
    parser.add_argument('--picture', type=Path, metavar='F', help='draw a KITTI frame as PNG')
    parser.add_argument('--kitti', type=Path, default=Path('../shared/data/kitti_drive'))
    parser.add_argument('--frame', type=int, default=55, help='of KITTI')
    parser.add_argument('--model', default='depthforge_tiny', help='name or checkpoint')
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(exit_code(main))
