# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Relative depth of the bundled model against its teacher and against LiDAR, on unseen frames.

The frames are 50 to 77 of the KITTI drive. Pearson's correlation is of the inverse depth of all
pixels, AbsRel of the pixels with a LiDAR return after the one best scale of each frame.
Run from the repository root: python benchmarks/depth_agreement.py --shared ../shared
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import statistics
import sys
from typing import Any

from depthforge_ros.bags.image_files import read_depth_m
from depthforge_ros.engine import load_engine
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.metrics.depth import depth_errors
from depthforge_ros.pipeline import Pipeline
import numpy as np
from report import exit_code, write_report

RESULTS = Path('benchmarks/results/depth_agreement.json')
FRAMES = range(50, 78)


def main() -> int:
    """Measure and write the figures."""
    args = _arguments()
    figures = measure(args.shared / 'data' / 'kitti_drive', args.model, args.teacher)
    write_report(args.json, figures)
    print(json.dumps(figures, indent=1))
    return 0


def measure(drive: Path, model: str, teacher: str) -> dict[str, Any]:
    """Return medians over the frames, and the smallest correlation."""
    engines = {name: load_engine(name, engine='eager', device='cpu') for name in (model, teacher)}
    pipelines = {name: Pipeline(engine) for name, engine in engines.items()}
    pearson: list[float] = []
    absrel: dict[str, list[float]] = {name: [] for name in pipelines}
    for frame in FRAMES:
        rgb = rgb_from_file(drive / 'images' / f'{frame:06d}.jpg')
        depth_m = read_depth_m(drive / 'depth' / f'{frame:06d}.png', None)
        maps = {name: pipeline(rgb)[0].inverse_depth for name, pipeline in pipelines.items()}
        pearson.append(float(np.corrcoef(*(x.ravel() for x in maps.values()))[0, 1]))
        for name, inverse_depth in maps.items():
            errors = depth_errors(inverse_depth, depth_m)
            if errors is not None:
                absrel[name].append(errors.absrel)
    return {
        'frames': len(FRAMES),
        'pearson_median': statistics.median(pearson),
        'pearson_min': min(pearson),
        'absrel_median': {name: statistics.median(values) for name, values in absrel.items()},
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('--shared', type=Path, default=Path('../shared'), help='real data')
    parser.add_argument('--model', default='depthforge_tiny')
    parser.add_argument('--teacher', default='depthforge_small')
    parser.add_argument('--json', type=Path, default=RESULTS, help='where the figures go')
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(exit_code(main))
