# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
What `evaluate bag` costs per 1000 frames, on the bundled drive with labels and depth.

The null engine gives what reading and judging cost; the bundled model what the whole costs. Both
in turn, in one process; CPU seconds, median over the turns with the smallest and the largest.
Run from the repository root:
python benchmarks/evaluate_cost.py [--turns 3]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import statistics
import sys
from tempfile import TemporaryDirectory
import time

from depthforge_ros.bags.camera_file import read_drive_file
from depthforge_ros.bags.make_bag import BagPlan, make_bag
from depthforge_ros.cli.common import DEFAULT_MODEL
from depthforge_ros.engine import load_engine
from depthforge_ros.evaluation.bag_judge import BagRequest, judge_bag
from depthforge_ros.pipeline import Pipeline
from depthforge_ros.resources import share_directory
from report import write_report
import torch

RESULTS = Path('benchmarks/results/evaluate_cost.json')
ENGINES = ('null', 'eager')
THREADS = 1
RATE_HZ = 10.0


def main() -> int:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--turns', type=int, default=3)
    parser.add_argument('--json', type=Path, default=RESULTS)
    args = parser.parse_args()
    torch.set_num_threads(THREADS)
    pipelines = {name: Pipeline(load_engine(DEFAULT_MODEL, engine=name)) for name in ENGINES}
    times: dict[str, list[float]] = {name: [] for name in ENGINES}
    with TemporaryDirectory() as folder:
        bag = _bag(Path(folder) / 'bag')
        for _ in range(args.turns):
            for name, pipeline in pipelines.items():
                times[name].append(_cpu_s_per_1000(bag, pipeline))
    figures = {
        'size': '512x256',
        'threads': THREADS,
        'model': DEFAULT_MODEL,
        'cpu_s_per_1000_frames': {name: _summary(one) for name, one in times.items()},
    }
    print(json.dumps(write_report(args.json, figures), indent=1))
    return 0


def _bag(path: Path) -> Path:
    drive = share_directory() / 'drive'
    file = read_drive_file(drive / 'camera.yaml')
    plan = BagPlan(
        images=drive / 'images',
        output=path,
        drive=file,
        rate_hz=RATE_HZ,
        labels=drive / 'labels',
        depth=drive / 'depth',
    )
    make_bag(plan)
    return path


def _cpu_s_per_1000(bag: Path, pipeline: Pipeline) -> float:
    begun_s = time.process_time()
    received = judge_bag(BagRequest(bag, bag), pipeline).figures()['received']
    return (time.process_time() - begun_s) * 1000.0 / received


def _summary(times: list[float]) -> dict[str, float]:
    of_all = {'median': statistics.median(times), 'min': min(times), 'max': max(times)}
    return {name: round(value, 1) for name, value in of_all.items()}


if __name__ == '__main__':
    sys.exit(main())
