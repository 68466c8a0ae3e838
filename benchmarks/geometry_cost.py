# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Cost of the geometry of one frame on one core: road fit, metric depth, points, message.

CPU time of this process, median and 90th percentile over the turns; other programs do not count.
Run from the repository root: python benchmarks/geometry_cost.py --json F.json
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import json
from pathlib import Path
import sys
import time
from typing import Any

import cv2
from depthforge_ros.geometry.camera import Camera
from depthforge_ros.geometry.points import CloudBuilder, metric_depth
from depthforge_ros.geometry.road import fit_road, plane_inverse_depth
import numpy as np
from report import write_report

SIZES = ((640, 192), (1242, 375), (1920, 1280))
HEIGHT_M, SCALE, RANGE_M = 1.65, 8.0, 80.0


def main() -> int:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--turns', type=int, default=50, help='per size; 50 by default')
    parser.add_argument('--json', type=Path, required=True, metavar='F', help='for the figures')
    args = parser.parse_args()
    cv2.setNumThreads(1)
    rows = [measure(width, height, args.turns) for width, height in SIZES]
    write_report(args.json, {'rows': rows})
    print(json.dumps(rows, indent=1))
    return 0


def measure(width: int, height: int, turns: int) -> dict[str, Any]:
    """Time each step on a road below a wall, all points in range."""
    camera = Camera.pinhole(
        width=width, height=height, fx=0.6 * width, fy=0.6 * width, cx=width / 2, cy=height / 2
    )
    rays = camera.rays(rectified=True)
    plane = plane_inverse_depth(rays[..., 1], height_m=HEIGHT_M, pitch_rad=0.0)
    inverse_depth = SCALE * np.maximum(plane, 1.0 / 60.0)
    is_road = plane > 1.0 / 60.0
    depth_m = SCALE / inverse_depth
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (height, width, 3), np.uint8)
    labels = is_road.astype(np.uint8)
    confidence = rng.random((height, width), np.float32)

    build = CloudBuilder(rays)

    def message() -> Any:
        from depthforge_ros.ros.topics.messages import cloud_message
        from std_msgs.msg import Header

        return cloud_message(Header(), points)

    def make_points() -> Any:
        return build(depth_m, rgb=rgb, labels=labels, confidence=confidence)

    points = make_points()
    steps: dict[str, Callable[[], Any]] = {
        'road_fit': lambda: fit_road(
            inverse_depth, is_road, rays, height_m=HEIGHT_M, pitch_rad=0.0
        ),
        'metric_depth': lambda: metric_depth(
            inverse_depth, ~is_road, rays=rays, scale=SCALE, max_range_m=RANGE_M
        ),
        'points': make_points,
        'points_message': message,
    }
    return {'size': f'{width}x{height}', **{f'{n}_ms': _cpu(s, turns) for n, s in steps.items()}}


def _cpu(step: Callable[[], Any], turns: int) -> dict[str, float]:
    times_ms = []
    step()
    for _ in range(turns):
        begun_s = time.process_time()
        step()
        times_ms.append((time.process_time() - begun_s) * 1e3)
    p50, p90 = np.percentile(times_ms, (50.0, 90.0))
    return {'p50': round(float(p50), 3), 'p90': round(float(p90), 3)}


if __name__ == '__main__':
    sys.exit(main())
