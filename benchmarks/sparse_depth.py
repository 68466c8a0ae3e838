# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
What `depth_every` saves and costs: the bundled drive, judged with depth for every n-th frame.

Run from the repository root: python benchmarks/sparse_depth.py --model depthforge_small

The settings answer each frame in turn, so that their times come from one run; ratios are of the
mean time of a frame, since frames with and without depth alternate.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import statistics
import sys
from typing import Any

from depthforge_ros.allocator import keep_freed_memory
from depthforge_ros.engine import load_engine
from depthforge_ros.evaluation.datasets import DatasetChoice, open_dataset
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.metrics.segmentation import SegmentationScore
from depthforge_ros.pipeline import Pipeline
from depthforge_ros.resources import share_directory
from report import exit_code, machine, write_report
import torch
from tqdm import tqdm

RESULTS = Path('benchmarks/results/sparse_depth.json')


def main() -> int:
    """Judge all settings, print and write."""
    args = _arguments()
    keep_freed_memory()
    torch.set_num_threads(args.threads)
    rows = measure(args)
    before = json.loads(args.json.read_text())['rows'] if args.json.is_file() else []
    kept = [row for row in before if row['model'] != args.model]
    write_report(args.json, {'machine': machine(args.threads), 'rows': [*kept, *rows]})
    print(json.dumps(rows, indent=1))
    return 0


def measure(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Answer the first `args.frames` frames of the drive with every setting."""
    choice = DatasetChoice(root=share_directory() / 'drive', labels='camvid', limit=args.frames)
    dataset = open_dataset('folder', choice)
    pipelines = {
        every: Pipeline(load_engine(args.model, engine='eager', device='cpu', depth_every=every))
        for every in args.every
    }
    scores = {}
    times_ms: dict[int, list[float]] = {every: [] for every in args.every}
    for every, pipeline in pipelines.items():
        space = pipeline.engine.label_space
        scores[every] = SegmentationScore(truth=dataset.label_space, predicted=space, target=space)
    for image, labels in tqdm(dataset.pairs):
        rgb, truth = rgb_from_file(image), dataset.read_labels(labels)
        for every, pipeline in pipelines.items():
            result, timings = pipeline(rgb)
            times_ms[every].append(timings.inference_ms)
            scores[every].add(truth=truth, predicted=result.labels)
    means = {every: statistics.mean(times) for every, times in times_ms.items()}
    first = args.every[0]
    mious = {every: score.figures()['miou'] for every, score in scores.items()}
    return [
        {
            'model': args.model,
            'depth_every': every,
            'frames': len(dataset.pairs),
            'inference_ms_mean': round(means[every], 1),
            'times_as_fast': round(means[first] / means[every], 2),
            'miou': round(mious[every], 2),
            'price': round(mious[first] - mious[every], 2),
        }
        for every in args.every
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.partition('\n\n')[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument('--model', default='depthforge_tiny', help='name of a model')
    parser.add_argument('--every', type=int, nargs='+', default=[1, 2, 3, 5],
                        help='settings; the first is what others are compared with')  # fmt: skip
    parser.add_argument('--frames', type=int, default=72, help='of the drive, from its first')
    parser.add_argument('--threads', type=int, default=2, help='CPU threads')
    parser.add_argument('--json', type=Path, default=RESULTS, help='where the figures go')
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(exit_code(main))
