# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
A picture of one KITTI frame's points from above, coloured by class, beside those of the LiDAR.

Run from the repository root: python benchmarks/cloud_picture.py --output docs/cloud.png
"""

from __future__ import annotations

import argparse
from pathlib import Path
import sys
from typing import Any

import cv2
from depthforge_ros.bags.image_files import read_depth_m
from depthforge_ros.engine import load_engine
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.geometry.camera import Camera
from depthforge_ros.geometry.points import CloudBuilder, metric_depth
from depthforge_ros.geometry.road import fit_road
from depthforge_ros.labels import colorize, LabelSpace
from depthforge_ros.pipeline import Pipeline
import numpy as np
import numpy.typing as npt

KITTI = Camera.pinhole(width=1242, height=375, fx=721.5377, fy=721.5377, cx=609.5593, cy=172.854)
HEIGHT_M, RANGE_M = 1.65, 40.0
PIXELS_PER_M, WIDTH, HEIGHT = 14, 400, 600
GRID_M = 10
LEGEND = 24
"""Pixels; height of a line of class names."""
IN_A_ROW = 10
"""Class names on a line."""


def main() -> int:
    """Run the model, scale its depth by the road and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--shared', type=Path, default=Path('../shared'), help='real data')
    parser.add_argument('--model', default='depthforge_small', help='name or checkpoint')
    parser.add_argument('--frame', type=int, default=64, metavar='N', help='64 by default')
    parser.add_argument('--output', type=Path, required=True, metavar='PNG', help='the picture')
    args = parser.parse_args()
    drive = args.shared / 'data' / 'kitti_drive'
    rgb = rgb_from_file(drive / 'images' / f'{args.frame:06d}.jpg')
    engine = load_engine(args.model, engine='eager', device='cpu', short_side=364)
    result, _ = Pipeline(engine)(rgb)
    classes = engine.label_space.classes
    is_road, is_sky = (result.labels == classes.index(name) for name in ('road', 'sky'))
    rays = KITTI.rays(rectified=True)
    road = fit_road(result.inverse_depth, is_road, rays, height_m=HEIGHT_M, pitch_rad=0.0)
    print(road)
    ours_m = metric_depth(
        result.inverse_depth, is_sky, rays=rays, scale=road.scale, max_range_m=RANGE_M
    )
    lidar_m = read_depth_m(drive / 'depth' / f'{args.frame:06d}.png', None)
    build = CloudBuilder(rays)
    colors = colorize(result.labels, engine.label_space)
    titles = (f'{args.model}, scaled by the road', 'LiDAR, classes of the same masks')
    pictures = [
        _titled(
            from_above(build(m, rgb=colors, labels=result.labels, confidence=result.confidence)),
            title,
        )
        for m, title in zip((ours_m, lidar_m), titles, strict=True)
    ]
    cv2.imwrite(str(args.output), np.vstack((np.hstack(pictures), _legend(engine.label_space))))
    return 0


def _titled(picture: npt.NDArray[np.uint8], title: str) -> npt.NDArray[np.uint8]:
    cv2.putText(picture, f'{title}, from above', (8, 18), 0, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return picture


def _legend(space: LabelSpace) -> npt.NDArray[np.uint8]:
    """Name the classes in their colours, ten in a row: BGR uint8 (rows x LEGEND, 2 WIDTH, 3)."""
    strip = np.full((-(-len(space) // IN_A_ROW) * LEGEND, 2 * WIDTH, 3), 255, np.uint8)
    step = 2 * WIDTH // IN_A_ROW
    colors = colorize(np.arange(len(space), dtype=np.uint8)[None], space)[0, :, ::-1]
    for index, name in enumerate(space.classes):
        row, column = divmod(index, IN_A_ROW)
        x, y = column * step, row * LEGEND
        color = [int(value) for value in colors[index]]
        cv2.rectangle(strip, (x + 2, y + 6), (x + 12, y + 16), color, cv2.FILLED)
        cv2.putText(strip, name, (x + 15, y + 15), 0, 0.35, (0, 0, 0), 1, cv2.LINE_AA)
    return strip


def from_above(points: npt.NDArray[np.void]) -> npt.NDArray[np.uint8]:
    """Draw points (rows, columns) with lines every ten metres: BGR uint8 (HEIGHT, WIDTH, 3)."""
    picture: npt.NDArray[Any] = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    for distance_m in range(GRID_M, HEIGHT // PIXELS_PER_M, GRID_M):
        row = HEIGHT - distance_m * PIXELS_PER_M
        cv2.line(picture, (0, row), (WIDTH, row), (200, 200, 200))
        cv2.putText(picture, f'{distance_m} m', (4, row - 3), 0, 0.4, (0, 0, 0))
    seen = points[np.isfinite(points['z'])]
    columns = np.rint(WIDTH / 2 + PIXELS_PER_M * seen['x']).astype(int)
    rows = np.rint(HEIGHT - PIXELS_PER_M * seen['z']).astype(int)
    inside = (columns >= 0) & (columns < WIDTH) & (rows >= 0) & (rows < HEIGHT)
    colors = seen['rgb'].copy().view(np.uint8).reshape(-1, 4)[:, :3]
    picture[rows[inside], columns[inside]] = colors[inside]
    return picture


if __name__ == '__main__':
    sys.exit(main())
